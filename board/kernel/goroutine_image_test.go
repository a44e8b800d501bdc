//go:build arm && (mx6ulevk || sabrelite)

package kernel_test

import (
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/gasp-go/gasp/board/kernel"
)

//go:noinline
func sleeper(end chan bool, wg *sync.WaitGroup) {
	defer wg.Done()
	for {
		select {
		case <-end:
			return
		default:
			time.Sleep(100 * time.Millisecond)
		}
	}
}

//go:noinline
func locker(mu *sync.Mutex, wg *sync.WaitGroup) {
	defer wg.Done()
	mu.Lock()
	defer mu.Unlock()
}

//go:noinline
func caller(fd int, wg *sync.WaitGroup) {
	defer wg.Done()
	var b [1]byte
	syscall.Read(fd, b[:])
}

func TestGoroutinesAreFoundWhereTheyWait(t *testing.T) {
	inImage(t)
	if !kernel.FindGoroutines() {
		t.Fatal("not found: is this the Go release whose layout goroutine.go has?")
	}
	var mu sync.Mutex
	var wg sync.WaitGroup
	var pipe [2]int
	if err := syscall.Pipe2(pipe[:], 0); err != nil {
		t.Fatal(err)
	}
	wg.Add(3)
	mu.Lock()
	end := make(chan bool)
	go sleeper(end, &wg)
	go locker(&mu, &wg)
	go caller(pipe[0], &wg)

	want := map[string]string{"sleeper": "sleep", "locker": "sync.Mutex.Lock", "caller": "syscall"}
	self, system := false, false
	n := 0
	for limit := time.Now().Add(10 * time.Second); len(want) > 0 && time.Now().Before(limit); time.Sleep(time.Millisecond) {
		var info kernel.GoroutineInfo
		n = 0
		for i := 0; ; i++ {
			state, ok := kernel.GoroutineAt(&i, &info)
			if !ok {
				break
			}
			n++
			system = system || info.System()
			creator, _ := kernel.Symbol(info.Creator)
			self = self || state == "running" && creator == "testing.(*T).Run"
			for name, doing := range want {
				if state == doing && calls(t, &info, "kernel_test."+name) {
					if !strings.HasSuffix(creator, "TestGoroutinesAreFoundWhereTheyWait") {
						t.Errorf("%s was created by %s", name, creator)
					}
					delete(want, name)
				}
			}
		}
	}
	for name := range want {
		t.Errorf("%s was not found", name)
	}
	if !self || !system || n < runtime.NumGoroutine() {
		t.Errorf("%d found, %d there; the test's own %v, the runtime's %v", n, runtime.NumGoroutine(), self, system)
	}
	mu.Unlock()
	close(end)
	syscall.Write(pipe[1], []byte("x"))
	wg.Wait()
	syscall.Close(pipe[0])
	syscall.Close(pipe[1])
}

// calls walks up from where a goroutine is and reports whether it finds a function.
func calls(t *testing.T, info *kernel.GoroutineInfo, function string) bool {
	t.Helper()
	pc, sp := info.PC, info.SP
	for range 16 {
		name, _ := kernel.Symbol(pc - 4)
		if strings.HasSuffix(name, function) {
			return true
		}
		size, ok := kernel.Frame(pc - 4)
		if !ok || size == 0 {
			return false
		}
		if pc, ok = kernel.Peek(sp); !ok {
			return false
		}
		sp += size
	}
	return false
}
