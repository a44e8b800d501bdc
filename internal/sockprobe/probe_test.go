//go:build linux && !arm

package sockprobe

import "testing"

func TestLinuxSaysWhatIsWrittenDown(t *testing.T) {
	if got := Probe(); got != Linux {
		t.Errorf("Linux's answers here:\n%s\nlinux.txt:\n%s", got, Linux)
	}
}
