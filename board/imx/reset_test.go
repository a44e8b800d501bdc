package imx

import "testing"

func TestTheMostSpecificResetCauseIsTold(t *testing.T) {
	for _, tt := range []struct {
		srsr uint32
		wrsr uint16
		want string
	}{
		{0, 0, "unknown"},
		{0x1, 0x10, "power-on"},
		{0, 0x10, "power-on"},
		{0x10, 0x2, "watchdog"}, // U-Boot left it
		{0, 0x2, "watchdog"},    // U-Boot cleared it
		{0x10, 0x1, "software"},
		{0, 0x1, "software"},
		{0x10, 0x10, "another watchdog"},
		{0x8, 0, "reset button"},
		{0x20, 0, "debugger"},
		{0x40, 0, "debugger"},
		{0x4, 0, "security violation"},
		{0x10000, 0, "unknown"}, // warm boot alone
	} {
		if got := resetCause(tt.srsr, tt.wrsr); got != tt.want {
			t.Errorf("SRSR %#x, WRSR %#x: %s, want %s", tt.srsr, tt.wrsr, got, tt.want)
		}
	}
}
