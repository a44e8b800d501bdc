package board

import "testing"

func TestWhoWaitsForTheBoardIsToldWhicheverComesFirst(t *testing.T) {
	current, registered = nil, nil
	before, after := 0, 0
	OnRegister(func() { before++ })
	if before != 0 {
		t.Fatal("told of a board that is not there")
	}
	b := &Board{Name: "one"}
	Register(b)
	if before != 1 || Current() != b {
		t.Fatalf("told %d times; the board is %v", before, Current())
	}
	OnRegister(func() { after++ })
	if after != 1 || before != 1 {
		t.Errorf("told %d and %d times", after, before)
	}
	defer func() {
		if r := recover(); r != "board: two registered after one" {
			t.Errorf("%v", r)
		}
	}()
	Register(&Board{Name: "two"})
}
