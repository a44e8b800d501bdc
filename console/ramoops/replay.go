package ramoops

import (
	"strconv"

	"github.com/gasp-go/gasp/console"
)

// Prefix begins the text of the records that Replay makes.
const Prefix = "[previous] "

// Replay logs the records of a life again, by emit (console.LogDict), with facility
// console.FacPrevious and their own level: the time and text follow the prefix, and
// the dictionary has PREVIOUS_LIFE (how many lives ago), SEQ, USEC and FACILITY, as
// they were then, in front of what it had. They take at most budget bytes of the log's
// ring; if that is not enough, the beginning of the panic and the latest records
// are chosen. It returns how many were left out.
func (l *Life) Replay(budget int, emit func(level console.Level, facility uint8, text, dict []byte)) (omitted int) {
	chosen := l.choose(budget)
	var text, dict []byte
	for i := range l.Records {
		r := &l.Records[i]
		if !chosen[r.Seq] {
			omitted++
			continue
		}
		text = append(console.AppendTime(append(text[:0], Prefix...), r.Time), r.Text...)
		dict = console.AppendDict(dict[:0], "PREVIOUS_LIFE", strconv.Itoa(l.Ago))
		dict = console.AppendDict(dict, "SEQ", strconv.FormatUint(r.Seq, 10))
		dict = console.AppendDict(dict, "USEC", strconv.FormatInt(max(r.Time, 0)/1000, 10))
		dict = console.AppendDict(dict, "FACILITY", strconv.Itoa(int(r.Facility)))
		if len(r.Dict) > 0 {
			dict = append(append(dict, 0), r.Dict...)
		}
		emit(r.Level, console.FacPrevious, text, dict)
	}
	return omitted
}

// replayCost is what Replay adds to a record, at most, in the ring.
const replayCost = 160

// choose picks the records that fit the budget, by number: those of the dump for at
// most half of it, then the latest.
func (l *Life) choose(budget int) map[uint64]bool {
	chosen := map[uint64]bool{}
	left := budget
	cost := func(r *Record) int { return len(r.Text) + len(r.Dict) + replayCost }
	for i := range l.Dump {
		if left -= cost(&l.Dump[i]); left < budget/2 {
			break
		}
		chosen[l.Dump[i].Seq] = true
	}
	for i := len(l.Records) - 1; i >= 0; i-- {
		if r := &l.Records[i]; !chosen[r.Seq] {
			if left -= cost(r); left < 0 {
				break
			}
			chosen[r.Seq] = true
		}
	}
	return chosen
}
