//go:build arm

package gasp

import (
	"testing"

	"github.com/gasp-go/gasp/board"
	_ "github.com/gasp-go/gasp/boards/mx6ulevk"
)

// The tests of a firmware's main package import all that the firmware does, and run
// as any program's ("gasp test").
func TestAFirmwaresTestsRunWithoutItsKernel(t *testing.T) {
	if board.Current() == nil || system.Board != nil {
		t.Errorf("board %v, prepared for %v", board.Current(), system.Board)
	}
	defer func() {
		if r := recover(); r != "gasp: this program is no firmware image" {
			t.Errorf("Start: %v", r)
		}
	}()
	Start()
}
