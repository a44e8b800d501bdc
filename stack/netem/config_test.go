package netem

import (
	"strings"
	"testing"
	"time"
)

func TestConfigIsReadAsWritten(t *testing.T) {
	for s, want := range map[string]Config{
		"off":         {},
		"loss=1%":     {Rx: Faults{Loss: .01}, Tx: Faults{Loss: .01}},
		"loss=1":      {Rx: Faults{Loss: .01}, Tx: Faults{Loss: .01}},
		"rx:dup=100%": {Rx: Faults{Duplicate: 1}},
		"rx:loss=0.5%;tx:corrupt=25%,delay=10ms,jitter=2ms,reorder=50%,limit=7;seed=0x10": {
			Rx: Faults{Loss: .005}, Seed: 16,
			Tx: Faults{Corrupt: .25, Delay: 10 * time.Millisecond, Jitter: 2 * time.Millisecond, Reorder: .5, Limit: 7},
		},
		"tx:duplicate=2%;delay=1s": {Rx: Faults{Delay: time.Second}, Tx: Faults{Duplicate: .02, Delay: time.Second}},
	} {
		c, err := Parse(s)
		if err != nil || c != want {
			t.Errorf("%q: %+v, %v", s, c, err)
		}
		if again, err := Parse(c.String()); err != nil || again != c {
			t.Errorf("%q became %q: %+v, %v", s, c, again, err)
		}
	}
}

func TestBadConfigsAreRefusedWithTheReason(t *testing.T) {
	for s, want := range map[string]string{
		"":                     "fault=value",
		"loss":                 "fault=value",
		"loss=":                "fault=value",
		"loss=1%,":             "fault=value",
		"loss=1%;":             "fault=value",
		"up:loss=1%":           `"up" is neither rx nor tx`,
		"rx:los=1%":            `unknown fault "los"`,
		"loss=x%":              "percentage",
		"loss=1%%":             "percentage",
		"loss=101%":            "rx: loss is not 0% to 100%",
		"tx:corrupt=-1%":       "tx: corrupt is not",
		"dup=NaN":              "duplicate is not",
		"dup=Inf":              "duplicate is not",
		"delay=10":             "a time such as 10ms",
		"delay=-1ms":           "delay",
		"delay=11s":            "not 0 to 10s",
		"delay=9s,jitter=2s":   "not 0 to 10s",
		"delay=1ms,jitter=2ms": "jitter 2ms is more than the delay",
		"reorder=1%":           "reorder without delay",
		"delay=1ms,limit=0":    "number of frames",
		"delay=1ms,limit=1025": "limit 1025",
		"delay=1ms,limit=-1":   "limit -1",
		"seed=":                "not a number",
		"seed=-1":              "not a number",
		"off;loss=1%":          "fault=value",
	} {
		if c, err := Parse(s); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %+v, %v", s, c, err)
		}
	}
}

// FuzzParse reads anything, and what it accepts it writes and reads again.
func FuzzParse(f *testing.F) {
	f.Add("rx:loss=1%,dup=2%;tx:delay=10ms,jitter=1ms,reorder=5%,corrupt=0.1%,limit=9;seed=3")
	f.Fuzz(func(t *testing.T, s string) {
		c, err := Parse(s)
		if err != nil {
			return
		}
		again, err := Parse(c.String())
		if err != nil {
			t.Fatalf("%q became %q: %v", s, c, err)
		}
		near := func(a, b float64) bool { return a == b || a-b < 1e-12 && b-a < 1e-12 }
		for i, x := range []Faults{c.Rx, c.Tx} {
			y := []Faults{again.Rx, again.Tx}[i]
			if !near(x.Loss, y.Loss) || !near(x.Duplicate, y.Duplicate) || !near(x.Corrupt, y.Corrupt) || !near(x.Reorder, y.Reorder) {
				t.Errorf("%q became %q", s, c)
			}
		}
	})
}
