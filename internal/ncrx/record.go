package ncrx

import (
	"fmt"
	"net/netip"
	"time"
)

// Record is one log record, or in the basic format one line.
type Record struct {
	From     netip.AddrPort
	Time     time.Time // when the last datagram of it came
	Extended bool

	// Of the extended format only, but for Usec, which the basic format has
	// if HasTime is set. Level is -1 in the basic format.
	Release  string
	Level    int
	Facility int
	Seq      uint64
	HasTime  bool
	Usec     uint64 // since the sender's boot
	Cont     bool
	Fields   []KV // of the header: caller=T1 and such
	Dict     []KV // of the record: SUBSYSTEM=net and such, and the sender's own

	Text string

	// Gap is how many sequence numbers just before this one have not been
	// seen: records that were lost, or were not meant for netconsole (those
	// below its level are numbered too).
	Gap uint64

	// Late: the record is older than one given before, and was counted in
	// its Gap. Restarted: the sender counts from the beginning again.
	// Repeated: this number and time were given before, too long ago for the
	// network's doing: somebody had it sent again, or the sender booted again
	// and does the same.
	Late, Restarted, Repeated bool

	// Missing is how many bytes of the text did not come in time; marks in
	// the text say where. Malformed: the datagram looked like the extended
	// format but was not; it is given as text.
	Missing   int
	Malformed bool

	// With a key in Options: whether the sender has it. BootID is the
	// sender's life, of a record that is Authentic.
	Auth   Auth
	BootID string
}

// size is about what the record takes of memory, in bytes.
func (r *Record) size() int {
	n := 512 + len(r.Text) + len(r.Release)
	for _, kvs := range [][]KV{r.Fields, r.Dict} {
		for _, kv := range kvs {
			n += 64 + len(kv.Key) + len(kv.Value)
		}
	}
	return n
}

// Stamp returns the time since the sender's boot as Linux prints it, with a
// space behind, or "" if it is not known.
func (r *Record) Stamp() string {
	if !r.HasTime {
		return ""
	}
	return fmt.Sprintf("[%5d.%06d] ", r.Usec/1e6, r.Usec%1e6)
}
