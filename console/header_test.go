package console

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

// plainHeader is AppendHeader in the plainest words.
func plainHeader(r *Record) string {
	c := "-"
	if r.Cont {
		c = "c"
	}
	return fmt.Sprintf("%d,%d,%d,%s", int(r.Facility)*8+int(r.Level), r.Seq, max(r.Time, 0)/1000, c)
}

func TestAHeaderThatIsCountedUpIsTheOneThatIsMade(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	steps := []uint64{0, 0, 1, 1, 1, 2, 9, 10, 99, 999, 1000, 1001, 8000, 999_999, 1e9, headerStep - 1, headerStep, headerStep + 1, 1 << 40}
	var h Header
	r := Record{Seq: 7, Time: 999}
	for i := range 200_000 {
		r.Seq += steps[rng.IntN(len(steps))]
		r.Time += int64(steps[rng.IntN(len(steps))])
		if i%77 == 0 { // backwards
			r.Seq, r.Time = r.Seq/2, r.Time/2-1
		}
		if i%64 == 0 { // where digits run out
			r.Seq, r.Time = uint64(math.Pow10(rng.IntN(20)))-1, int64(math.Pow10(rng.IntN(19)))-1
		}
		if i%50 == 0 {
			r.Level, r.Facility, r.Cont = Level(rng.IntN(8)), uint8(rng.IntN(32)), rng.IntN(2) == 0
		}
		if got, want := string(h.Append([]byte("x"), &r)), "x"+plainHeader(&r); got != want {
			t.Fatalf("%d: %q, want %q", i, got, want)
		}
	}
}

// A panic may begin while digits are counted up, and goes on with what it finds.
func TestAHeaderHalfCountedUpIsMadeAnew(t *testing.T) {
	var h Header
	r := Record{Seq: 100, Time: 1e9}
	h.Append(nil, &r)
	r.Seq++
	h.level = 0
	increase(h.b[:h.seqEnd], 1)
	if got, want := string(h.Append(nil, &r)), plainHeader(&r); got != want {
		t.Fatalf("%q, want %q", got, want)
	}
}
