package trap

import (
	"sync"
	"testing"
	"unsafe"
)

func TestSectionsExcludeEachOther(t *testing.T) {
	n := 0
	var wg sync.WaitGroup
	for range 8 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for range 1000 {
				Run(func(p unsafe.Pointer) { *(*int)(p)++ }, unsafe.Pointer(&n))
			}
		}()
	}
	wg.Wait()
	if n != 8000 {
		t.Errorf("%d of 8000 increments", n)
	}
}

func TestArgumentsStayOnTheStack(t *testing.T) {
	type args struct{ a, b, sum int }
	if n := testing.AllocsPerRun(100, func() {
		x := args{a: 1, b: 2}
		Run(func(p unsafe.Pointer) { x := (*args)(p); x.sum = x.a + x.b }, unsafe.Pointer(&x))
		if x.sum != 3 {
			t.Error(x)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestEnterReplacesTheMutex(t *testing.T) {
	calls := 0
	Enter = func(fn func(unsafe.Pointer), arg unsafe.Pointer) { calls++; fn(arg) }
	defer func() { Enter = nil }()
	ran := false
	Run(func(p unsafe.Pointer) { *(*bool)(p) = true }, unsafe.Pointer(&ran))
	if calls != 1 || !ran {
		t.Errorf("%d calls, ran %v", calls, ran)
	}
}
