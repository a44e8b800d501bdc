package ncrx_test

import (
	"slices"
	"testing"
	"time"

	"github.com/gasp-go/gasp/internal/ncrx"
)

func TestGapsDuplicatesLateRecordsAndRestartsAreToldApart(t *testing.T) {
	r := ncrx.NewReceiver()
	type verdict struct {
		seq, gap        uint64
		late, restarted bool
	}
	var got []verdict
	for i, d := range []string{
		"6,10,1000,-;first",
		"6,11,1001,-;next",
		"6,14,1004,-;gap of two",
		"6,12,1002,-;late",
		"6,14,1004,-;duplicate",
		"6,13,1003,-;late",
		"6,13,1003,-;duplicate",
		"6,11,1001,-;duplicate",
		"6,15,1005,-;next",
		"6,12,7,-;booted again within the window",
		"6,13,8,-;next",
		"6,500,9000,-;gap",
		"6,3,9001,-;booted again",
		"6,18446744073709551615,9002,-;gap",
		"6,0,1,-;booted again",
	} {
		for _, rec := range feed(r, start.Add(time.Duration(i)*time.Millisecond), d) {
			got = append(got, verdict{rec.Seq, rec.Gap, rec.Late, rec.Restarted})
		}
	}
	want := []verdict{
		{10, 0, false, false}, {11, 0, false, false}, {14, 2, false, false},
		{12, 0, true, false}, {13, 0, true, false}, {15, 0, false, false},
		{12, 0, false, true}, {13, 0, false, false}, {500, 486, false, false},
		{3, 0, false, true}, {1<<64 - 1, 1<<64 - 5, false, false}, {0, 0, false, true},
	}
	if !slices.Equal(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
	if s := r.Stats(); s.Duplicates != 3 || s.Late != 2 || s.Restarts != 3 {
		t.Errorf("stats %+v", s)
	}
}

func TestASenderThatBootsAgainAndRepeatsItselfIsHeard(t *testing.T) {
	r := ncrx.NewReceiver()
	feed(r, start, "6,0,0,-;boot")
	got := feed(r, start.Add(2*time.Second), "6,0,0,-;boot")
	if len(got) != 1 || !got[0].Restarted {
		t.Errorf("got %+v", got)
	}
}
