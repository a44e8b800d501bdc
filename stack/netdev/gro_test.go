package netdev

import (
	"fmt"
	"slices"
	"testing"
)

// groScene is a device whose GRO holds every frame until it is flushed.
func groScene(t *testing.T, waiting int) (s *Softnet, n *NAPI, log *[]string, keep *bool) {
	t.Helper()
	s = NewSoftnet(func() {})
	log, keep, n = new([]string), new(bool), new(NAPI)
	d := New("eth0", [6]byte{}, 1500, nil, s)
	d.SetGROFlush(func(old bool) bool {
		*log = append(*log, fmt.Sprintf("flush old=%v", old))
		return *keep && old
	})
	n.Init(s, "n", 4, func(budget int) int {
		k := min(budget, waiting)
		waiting -= k
		*log = append(*log, fmt.Sprintf("poll %d", k))
		if k < budget && n.CompleteDone(k) {
			*log = append(*log, "unmask")
		}
		return k
	})
	n.Attach(d)
	n.Enable()
	return s, n, log, keep
}

func TestABatchIsFlushedBeforeTheInterruptIsUnmasked(t *testing.T) {
	s, n, log, _ := groScene(t, 6)
	inTrap(func() { n.Schedule() })
	s.Poll()
	want := []string{"poll 4", "flush old=true", "poll 2", "flush old=false", "unmask"}
	if !slices.Equal(*log, want) {
		t.Errorf("got  %q\nwant %q", *log, want)
	}
	*log = nil
	inTrap(func() { n.Schedule() })
	s.Poll()
	if want := []string{"poll 0", "unmask"}; !slices.Equal(*log, want) {
		t.Errorf("without frames: got %q, want %q", *log, want)
	}
}

func TestWhatGROHoldsDoesNotWaitForTheNextSoftirq(t *testing.T) {
	s, n, log, keep := groScene(t, 20)
	*keep = true
	s.budget.Store(8)
	inTrap(func() { n.Schedule() })
	if !s.Poll() {
		t.Fatal("no work left")
	}
	want := []string{"poll 4", "flush old=true", "poll 4", "flush old=true", "flush old=false"}
	if !slices.Equal(*log, want) {
		t.Errorf("got  %q\nwant %q", *log, want)
	}
	for s.Poll() {
	}
	// The last poll finds nothing, but its predecessor has held something back.
	if got := (*log)[len(*log)-3:]; !slices.Equal(got, []string{"poll 0", "flush old=false", "unmask"}) {
		t.Errorf("the end was %q", got)
	}
}
