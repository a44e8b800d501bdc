package systest

import (
	"strings"
	"testing"

	"github.com/gasp-go/gasp/internal/qemu"
)

// With a perfectly regular timer, no generator and no seed the firmware boots, has
// its network, and says what is wrong; its programs' random numbers wait.
func TestWithoutEntropyItBootsAndSaysSo(t *testing.T) {
	t.Parallel()
	g := boot(t, qemu.Options{Net: qemu.NetUser, Icount: "shift=0,sleep=off"})
	g.line("rtc: ")
	if l := g.line("random: "); !strings.Contains(l, "not seeded") || !strings.Contains(l, "CAAM not there") {
		t.Errorf("%q", l)
	}
	g.line("eth0: link up")
}

// Under QEMU's usual timer there is jitter.
func TestBootLogSaysWhatTheRandomNumbersAreMadeOf(t *testing.T) {
	t.Parallel()
	g := boot(t, qemu.Options{Net: qemu.NetUser})
	if l := g.line("random: "); !strings.Contains(l, "random: seeded") || !strings.Contains(l, "CAAM not there") {
		t.Errorf("%q", l)
	}
}
