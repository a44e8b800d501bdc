package table

import (
	"strings"
	"testing"

	"github.com/gasp-go/gasp/internal/bench/guest"
)

func TestNumbersReadWell(t *testing.T) {
	for v, want := range map[float64]string{0: "0", 2.7: "2.70", 99.999: "100.00", 100.6: "101", 1234.4: "1,234", 9585504: "9,585,504", 12: "12"} {
		if got := number(v); got != want {
			t.Errorf("%v: %s, want %s", v, got, want)
		}
	}
}

func TestAFailedRowSaysWhyAndHasNoFigure(t *testing.T) {
	var b strings.Builder
	Write(&b, []guest.Result{
		{Row: "udp-echo", Unit: "echo", Cost: 12345, Err: "2 of 500 answers came"},
		{Row: "icmp-echo", Unit: "echo", Cost: 8799.6, IRQs: 2},
	}, []guest.Result{{Row: "icmp-echo", Unit: "echo", Cost: 15048, IRQs: 1}, {Row: "rate-1k", Unit: "datagram", Cost: 5, Read: 0.5}})
	lines := strings.Split(strings.TrimSpace(b.String()), "\n")
	if len(lines) != 5 || !strings.Contains(lines[2], "| 15,048 | 65,400 | 8,800 | ≤ 8,800 | 0 | 2.000 (1.000) |") ||
		!strings.Contains(lines[3], "2 of 500 answers came") || strings.Contains(lines[3], "12,345") ||
		!strings.Contains(lines[4], "| 5 | – | – |") || !strings.Contains(lines[4], "– (50 %)") {
		t.Error(b.String())
	}
	cells := strings.Count(lines[0], "|")
	for _, l := range lines {
		if strings.Count(l, "|") != cells {
			t.Errorf("%d cells, not %d: %s", strings.Count(l, "|"), cells, l)
		}
	}
}
