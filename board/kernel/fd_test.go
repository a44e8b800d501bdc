//go:build arm

package kernel_test

import (
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
	"testing"
)

// What descriptors share that dup makes, and what they do not: as on Linux,
// where these tests pass too.

func pipe2(t *testing.T, flags int) (r, w int) {
	t.Helper()
	var p [2]int
	if err := syscall.Pipe2(p[:], flags); err != nil {
		t.Fatal(err)
	}
	return p[0], p[1]
}

func closeAll(fds ...int) {
	for _, fd := range fds {
		syscall.Close(fd)
	}
}

func fcntl(t *testing.T, fd, cmd, arg int) int {
	t.Helper()
	r, _, e := syscall.Syscall(syscall.SYS_FCNTL, uintptr(fd), uintptr(cmd), uintptr(arg))
	if e != 0 {
		t.Fatalf("fcntl(%d, %d, %d): %v", fd, cmd, arg, e)
	}
	return int(r)
}

func TestAPipeEndsWithItsLastDescriptor(t *testing.T) {
	r, w := pipe2(t, syscall.O_NONBLOCK)
	w2, err := syscall.Dup(w)
	if err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 8)
	syscall.Close(w)
	if _, err := syscall.Read(r, buf); err != syscall.EAGAIN {
		t.Errorf("read while a copy of the write end is open: %v", err)
	}
	if n, err := syscall.Write(w2, []byte("x")); n != 1 || err != nil {
		t.Errorf("write by the copy: %d, %v", n, err)
	}
	syscall.Close(w2)
	if n, err := syscall.Read(r, buf); n != 1 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	if n, err := syscall.Read(r, buf); n != 0 || err != nil {
		t.Errorf("read behind the last write end: %d, %v", n, err)
	}
	syscall.Close(r)
}

func TestCopiesShareStatusFlagsButNotCloseOnExec(t *testing.T) {
	r, w := pipe2(t, syscall.O_CLOEXEC)
	defer closeAll(r, w)
	c := fcntl(t, r, syscall.F_DUPFD, 100)
	defer syscall.Close(c)
	if c < 100 {
		t.Errorf("F_DUPFD from 100 on made %d", c)
	}
	if a, b := fcntl(t, r, syscall.F_GETFD, 0), fcntl(t, c, syscall.F_GETFD, 0); a != 1 || b != 0 {
		t.Errorf("FD_CLOEXEC %d of the original, %d of the copy", a, b)
	}
	d := fcntl(t, r, syscall.F_DUPFD_CLOEXEC, 0)
	defer syscall.Close(d)
	if f := fcntl(t, d, syscall.F_GETFD, 0); f != 1 {
		t.Errorf("F_DUPFD_CLOEXEC: flags %d", f)
	}
	if err := syscall.SetNonblock(c, true); err != nil {
		t.Fatal(err)
	}
	if f := fcntl(t, r, syscall.F_GETFL, 0); f&syscall.O_NONBLOCK == 0 {
		t.Errorf("O_NONBLOCK set by the copy is not seen: %#x", f)
	}
	fcntl(t, w, syscall.F_SETFL, -1&^0x2000)
	if f := fcntl(t, w, syscall.F_GETFL, 0); f&syscall.O_ACCMODE != syscall.O_WRONLY {
		t.Errorf("F_SETFL changed the access mode: %#x", f)
	}
}

func TestAnEventfdIsOneCounterForAllItsDescriptors(t *testing.T) {
	fd, _, e := syscall.Syscall(syscall.SYS_EVENTFD2, 3, syscall.O_NONBLOCK, 0)
	if e != 0 {
		t.Fatal(e)
	}
	two, err := syscall.Dup(int(fd))
	if err != nil {
		t.Fatal(err)
	}
	syscall.Write(int(fd), []byte{4, 0, 0, 0, 0, 0, 0, 0})
	syscall.Close(int(fd))
	buf := make([]byte, 8)
	if n, err := syscall.Read(two, buf); n != 8 || err != nil || buf[0] != 7 {
		t.Errorf("%d, %v, %d", n, err, buf)
	}
	syscall.Close(two)
}

func TestAWatchLastsAsLongAsTheFile(t *testing.T) {
	ep, err := syscall.EpollCreate1(0)
	if err != nil {
		t.Fatal(err)
	}
	r, w := pipe2(t, syscall.O_NONBLOCK)
	defer closeAll(w)
	r2, err := syscall.Dup(r)
	if err != nil {
		t.Fatal(err)
	}
	ep2, err := syscall.Dup(ep)
	if err != nil {
		t.Fatal(err)
	}
	add := func(fd int, data int32) error {
		return syscall.EpollCtl(ep, syscall.EPOLL_CTL_ADD, fd, &syscall.EpollEvent{Events: syscall.EPOLLIN, Fd: data})
	}
	events := func(ep int) string {
		var ev [8]syscall.EpollEvent
		n, err := syscall.EpollWait(ep, ev[:], 0)
		if err != nil {
			return err.Error()
		}
		seen := map[int32]bool{}
		for _, e := range ev[:n] {
			seen[e.Fd] = true
		}
		return fmt.Sprint(n, seen)
	}
	if err := add(r, 1); err != nil {
		t.Fatal(err)
	}
	if err := add(r, 1); err != syscall.EEXIST {
		t.Errorf("the same descriptor again: %v", err)
	}
	if err := add(r2, 2); err != nil {
		t.Errorf("the copy: %v", err)
	}
	syscall.Write(w, []byte("x"))
	syscall.Close(ep)
	if got := events(ep2); got != "2 map[1:true 2:true]" {
		t.Errorf("both descriptors: %s", got)
	}
	syscall.Close(r)
	if got := events(ep2); got != "2 map[1:true 2:true]" {
		t.Errorf("one is closed, the file is not: %s", got)
	}
	if err := syscall.EpollCtl(ep2, syscall.EPOLL_CTL_DEL, r, nil); err != syscall.EBADF {
		t.Errorf("removing a closed descriptor: %v", err)
	}
	if err := syscall.EpollCtl(ep2, syscall.EPOLL_CTL_DEL, r2, nil); err != nil {
		t.Errorf("removing the copy: %v", err)
	}
	if got := events(ep2); got != "1 map[1:true]" {
		t.Errorf("the copy's watch is gone: %s", got)
	}
	syscall.Close(r2)
	if got := events(ep2); got != "0 map[]" {
		t.Errorf("the file is closed: %s", got)
	}
	syscall.Close(ep2)
}

func TestDup3ReplacesWhatWasThere(t *testing.T) {
	r, w := pipe2(t, syscall.O_NONBLOCK)
	r2, w2 := pipe2(t, syscall.O_NONBLOCK)
	if err := syscall.Dup3(w2, w, syscall.O_CLOEXEC); err != nil {
		t.Fatal(err)
	}
	if n, err := syscall.Read(r, make([]byte, 1)); n != 0 || err != nil {
		t.Errorf("the pipe whose write end was replaced: %d, %v", n, err)
	}
	syscall.Write(w, []byte("y"))
	if n, err := syscall.Read(r2, make([]byte, 1)); n != 1 || err != nil {
		t.Errorf("the copy: %d, %v", n, err)
	}
	if e := raw(syscall.SYS_DUP3, uintptr(w), uintptr(w2), 1); e != syscall.EINVAL {
		t.Errorf("unknown flag: %v", e)
	}
	closeAll(r, w, r2, w2)
}

func TestAHundredPipesAtOnce(t *testing.T) {
	for range 3 {
		var rs, ws []*os.File
		for i := range 100 {
			r, w, err := os.Pipe()
			if err != nil {
				t.Fatal(i, err)
			}
			rs, ws = append(rs, r), append(ws, w)
			fmt.Fprintf(w, "pipe %d", i)
		}
		for i, w := range ws {
			w.Close()
			if b, err := io.ReadAll(rs[i]); err != nil || string(b) != fmt.Sprintf("pipe %d", i) {
				t.Errorf("%q, %v", b, err)
			}
			rs[i].Close()
		}
	}
}

func TestShortWritesToAPipeAreWhole(t *testing.T) {
	r, w := pipe2(t, syscall.O_NONBLOCK)
	defer closeAll(r, w)
	if n, err := syscall.Write(w, make([]byte, 65536-100)); n != 65536-100 || err != nil {
		t.Fatal(n, err)
	}
	if n, err := syscall.Write(w, make([]byte, 4096)); err != syscall.EAGAIN {
		t.Errorf("4096 bytes into 100: %d, %v", n, err)
	}
	if n, err := syscall.Write(w, make([]byte, 0)); n != 0 || err != nil {
		t.Errorf("nothing: %d, %v", n, err)
	}
}

func TestTheLowestFreeDescriptorIsTaken(t *testing.T) {
	for range 2 {
		var all []int
		var err error
		for len(all) < 1<<20 {
			var fd int
			if fd, err = syscall.Dup(2); err != nil {
				break
			}
			all = append(all, fd)
		}
		if err != syscall.EMFILE || len(all) < 500 {
			t.Errorf("%v after %d", err, len(all))
		}
		if _, _, err := os.Pipe(); !errors.Is(err, syscall.EMFILE) {
			t.Errorf("a pipe: %v", err)
		}
		syscall.Close(all[7])
		if _, _, err := os.Pipe(); !errors.Is(err, syscall.EMFILE) {
			t.Errorf("a pipe with one descriptor left: %v", err)
		}
		if fd, err := syscall.Dup(1); fd != all[7] || err != nil {
			t.Errorf("the lowest free is %d, got %d, %v", all[7], fd, err)
		}
		closeAll(all...)
	}
}
