package panics

import (
	"strings"
	"testing"

	"github.com/gasp-go/gasp/console"
)

// The report is made with interrupts off, and is long: whoever watches over that has to
// see that it gets on.
func TestTheReportOfASoftLockupIsNoHardOne(t *testing.T) {
	pets, before := 0, 0
	var m *machine
	m = setup(t, func(h *Hooks) {
		gosAre(100)(h)
		h.Pet = func() {
			pets++
			if n := len(m.lines) - before; n > 2 {
				t.Errorf("%d lines at once", n)
			}
			before = len(m.lines)
		}
	})
	registered.SetLevel(console.Debug)
	before = len(m.lines)
	c := nilRead()
	Softlockup(&c, 22e9, "go")
	got := strings.Join(m.lines, "\n")
	if !strings.Contains(got, "watchdog: BUG: soft lockup - CPU#0 stuck for 22s! [go:7]\nCPU: 0 Thread: 7 ") ||
		!strings.Contains(got, "\nCall trace:\n") || !strings.Contains(got, "\ngoroutine 8 [select]:\n") {
		t.Errorf("got\n%s", got)
	}
	if pets < len(m.lines)-1 || pets < 100 {
		t.Errorf("%d lines, %d signs of life", len(m.lines), pets)
	}
}
