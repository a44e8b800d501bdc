package netem

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Limits of a Config.
const (
	MaxDelay     = 10 * time.Second // of delay and jitter together
	DefaultLimit = 128
	MaxLimit     = 1024
)

// Config is what happens to the frames of a device. The zero Config does
// nothing to them.
type Config struct {
	Rx, Tx Faults
	Seed   uint64 // of the random numbers
}

// Faults are what happens to the frames of one direction; chances are from 0 to
// 1 and independent of each other. The words are those of Linux's tc-netem.
type Faults struct {
	Loss      float64
	Duplicate float64
	Corrupt   float64       // one bit is turned over
	Reorder   float64       // the frame is not delayed, so that it overtakes others; wants Delay
	Delay     time.Duration // of all other frames
	Jitter    time.Duration // Delay varies by up to this much, evenly
	Limit     int           // frames held at a time, 0: DefaultLimit; more are lost
}

// Parse reads a Config in the form
//
//	[rx:|tx:]fault=value[,fault=value...][;...]
//
// with the faults loss, duplicate (or dup), corrupt and reorder, whose values
// are per cent ("1%", "0.5%"), delay and jitter ("10ms"), and limit (frames). A
// group without direction is for both. "seed=<number>" is a group too, and "off"
// alone is nothing at all.
func Parse(s string) (Config, error) {
	var c Config
	if s == "off" {
		return c, nil
	}
	for group := range strings.SplitSeq(s, ";") {
		if err := c.group(group); err != nil {
			return Config{}, fmt.Errorf("netem: %q: %w", group, err)
		}
	}
	return c, c.check()
}

func (c *Config) group(group string) error {
	if v, ok := strings.CutPrefix(group, "seed="); ok {
		var err error
		if c.Seed, err = strconv.ParseUint(v, 0, 64); err != nil {
			return fmt.Errorf("seed %q is not a number", v)
		}
		return nil
	}
	to := []*Faults{&c.Rx, &c.Tx}
	if dir, rest, ok := strings.Cut(group, ":"); ok {
		switch dir {
		case "rx":
			to = to[:1]
		case "tx":
			to = to[1:]
		default:
			return fmt.Errorf("direction %q is neither rx nor tx", dir)
		}
		group = rest
	}
	for f := range strings.SplitSeq(group, ",") {
		name, value, ok := strings.Cut(f, "=")
		if !ok || value == "" {
			return fmt.Errorf("%q is not of the form fault=value", f)
		}
		for _, faults := range to {
			if err := faults.set(name, value); err != nil {
				return err
			}
		}
	}
	return nil
}

func (f *Faults) set(name, value string) (err error) {
	switch name {
	case "loss":
		f.Loss, err = percent(value)
	case "duplicate", "dup":
		f.Duplicate, err = percent(value)
	case "corrupt":
		f.Corrupt, err = percent(value)
	case "reorder":
		f.Reorder, err = percent(value)
	case "delay":
		f.Delay, err = time.ParseDuration(value)
	case "jitter":
		f.Jitter, err = time.ParseDuration(value)
	case "limit":
		if f.Limit, err = strconv.Atoi(value); err == nil && f.Limit == 0 {
			err = strconv.ErrRange // it would be the default
		}
	default:
		return fmt.Errorf("unknown fault %q (known: loss duplicate corrupt reorder delay jitter limit)", name)
	}
	if err != nil {
		what := map[string]string{"delay": "a time such as 10ms", "jitter": "a time such as 10ms", "limit": "a number of frames"}[name]
		if what == "" {
			what = "a percentage such as 1%"
		}
		return fmt.Errorf("%s: %q is not %s", name, value, what)
	}
	return nil
}

func percent(s string) (float64, error) {
	p, err := strconv.ParseFloat(strings.TrimSuffix(s, "%"), 64)
	return p / 100, err
}

// check says what is wrong with c, if anything.
func (c *Config) check() error {
	for i, f := range []*Faults{&c.Rx, &c.Tx} {
		dir := [...]string{"rx", "tx"}[i]
		for name, p := range map[string]float64{"loss": f.Loss, "duplicate": f.Duplicate, "corrupt": f.Corrupt, "reorder": f.Reorder} {
			if !(p >= 0 && p <= 1) { // not a number either
				return fmt.Errorf("netem: %s: %s is not 0%% to 100%%", dir, name)
			}
		}
		switch {
		case f.Delay < 0 || f.Jitter < 0 || f.Delay > MaxDelay || f.Jitter > MaxDelay-f.Delay:
			return fmt.Errorf("netem: %s: delay and jitter are not 0 to %v", dir, MaxDelay)
		case f.Jitter > f.Delay:
			return fmt.Errorf("netem: %s: jitter %v is more than the delay, %v", dir, f.Jitter, f.Delay)
		case f.Reorder > 0 && f.Delay == 0:
			return fmt.Errorf("netem: %s: reorder without delay: there is nothing to overtake", dir)
		case f.Limit < 0 || f.Limit > MaxLimit:
			return fmt.Errorf("netem: %s: limit %d is not 1 to %d", dir, f.Limit, MaxLimit)
		}
	}
	return nil
}

// String returns c in the form Parse reads.
func (c Config) String() string {
	var groups []string
	for i, f := range []Faults{c.Rx, c.Tx} {
		if f == (Faults{}) {
			continue
		}
		var words []string
		for _, w := range []struct {
			name string
			p    float64
		}{{"loss", f.Loss}, {"duplicate", f.Duplicate}, {"corrupt", f.Corrupt}, {"reorder", f.Reorder}} {
			if w.p != 0 {
				words = append(words, w.name+"="+strconv.FormatFloat(w.p*100, 'g', -1, 64)+"%")
			}
		}
		if f.Delay != 0 {
			words = append(words, "delay="+f.Delay.String())
		}
		if f.Jitter != 0 {
			words = append(words, "jitter="+f.Jitter.String())
		}
		if f.Limit != 0 {
			words = append(words, "limit="+strconv.Itoa(f.Limit))
		}
		groups = append(groups, [...]string{"rx:", "tx:"}[i]+strings.Join(words, ","))
	}
	if c.Seed != 0 {
		groups = append(groups, "seed="+strconv.FormatUint(c.Seed, 10))
	}
	if len(groups) == 0 {
		return "off"
	}
	return strings.Join(groups, ";")
}

// chance is p as a fraction of 2^32.
func chance(p float64) uint64 { return uint64(math.Round(p * (1 << 32))) }
