package enet

import (
	"bytes"
	"fmt"
	"net/netip"
	"testing"

	"github.com/gasp-go/gasp/enet/mii"
	"github.com/gasp-go/gasp/internal/macmodel"
	"github.com/gasp-go/gasp/stack/netpoll"
)

// speaker is netpoll on a MAC model, and what was to be said.
type speaker struct {
	*bench
	ep   *netpoll.Endpoint
	to   netpoll.Dest
	said int
}

func newSpeaker(t *testing.T) *speaker {
	s := &speaker{bench: openBench(t, rings(8, 16))}
	s.ep = netpoll.New(s.mac.dev, func() int64 { s.model.Advance(20_000); return s.model.Now() })
	s.ep.SetLocal(netip.MustParseAddr("10.0.0.1"))
	var err error
	if s.to, err = netpoll.NewDest(netip.MustParseAddrPort("10.0.0.2:6666"), 6665, otherMAC); err != nil {
		t.Fatal(err)
	}
	return s
}

// say sends the next line and reports whether it is done.
func (s *speaker) say() (ok bool) {
	line := fmt.Appendf(nil, "line %d.", s.said)
	inTrap(func() { ok = s.ep.SendUDP(&s.to, line) })
	if ok {
		s.said++
	}
	return ok
}

// heard fails the test if the wire did not have every line once, in order, after the
// first skip frames.
func (s *speaker) heard() {
	s.t.Helper()
	next := 0
	for _, f := range s.model.Sent() {
		if i := bytes.Index(f, []byte("line ")); i >= 0 {
			if want := fmt.Sprintf("line %d.", next); !bytes.HasPrefix(f[i:], []byte(want)) {
				s.t.Errorf("%q instead of %q", bytes.TrimRight(f[i:], "\x00"), want)
				return
			}
			next++
		}
	}
	if next != s.said {
		s.t.Errorf("%d of %d lines were sent", next, s.said)
	}
}

func TestEveryLineLeavesWhateverTheMACDoes(t *testing.T) {
	hang := func(s *speaker) { s.model.SetFaults(func(f *macmodel.Faults) { f.TxHangUntil = true }) }
	wreck := func(w Wreck) func(s *speaker) {
		return func(s *speaker) { inTrap(func() { s.mac.Wreck(w, frame(otherMAC, 60, 1)) }) }
	}
	for _, c := range []struct {
		name string
		do   func(s *speaker)
	}{
		{"nothing", func(*speaker) {}},
		{"the ring is locked", wreck(RingLocked)},
		{"a descriptor is half written", wreck(HalfDescriptor)},
		{"the ring is full", wreck(RingFull)},
		{"the MAC is stopped", wreck(Stopped)},
		{"the MAC is in reset", wreck(InReset)},
		{"the DMA hangs", hang},
		{"the DMA hangs, with a full ring", func(s *speaker) { hang(s); wreck(RingFull)(s) }},
		{"a doorbell is lost", func(s *speaker) { s.model.SetFaults(func(f *macmodel.Faults) { f.LoseTDAR = 1 }) }},
		{"doorbells are ignored for a while", func(s *speaker) { s.model.SetFaults(func(f *macmodel.Faults) { f.BusyTDAR = 10 }) }},
		{"a bus error", func(s *speaker) { s.model.SetFaults(func(f *macmodel.Faults) { f.TxBusError = true }) }},
		{"the poll holds the receive ring", func(s *speaker) { s.mac.rxBusy.Store(true) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newSpeaker(t)
			// Before the death, as it comes.
			for range 4 {
				s.say()
			}
			c.do(s)
			for range 4 {
				s.say() // into whatever that is, as far as it goes
			}
			inTrap(s.ep.Panic)
			for range 200 {
				if !s.say() {
					t.Fatalf("line %d could not be sent: %+v", s.said, s.ep.Stats())
				}
			}
			s.heard()
			s.wantSeizedAlive(c.name)
		})
	}
}

// The MAC breaks while the report goes out.
func TestEveryLineLeavesIfTheMACBreaksInTheReport(t *testing.T) {
	for _, c := range []struct {
		name string
		do   func(s *speaker)
	}{
		{"the DMA hangs", func(s *speaker) { s.model.SetFaults(func(f *macmodel.Faults) { f.TxHangUntil = true }) }},
		{"the MAC stops", func(s *speaker) { inTrap(func() { s.mac.regs.Write32(regECR, 0) }) }},
		{"the MAC is reset", func(s *speaker) { inTrap(func() { s.mac.regs.Write32(regECR, ecrRESET) }) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newSpeaker(t)
			inTrap(s.ep.Panic)
			for i := range 60 {
				if i == 20 || i == 40 { // from the live rings, and from the private ones
					c.do(s)
				}
				if !s.say() {
					t.Fatalf("line %d could not be sent: %+v", s.said, s.ep.Stats())
				}
			}
			s.heard()
		})
	}
}

// Without a link a line is not taken for sent: the log keeps it, and is told when it is
// worth trying again.
func TestLinesWaitForTheLink(t *testing.T) {
	s := newSpeaker(t)
	var told []bool
	s.ep.OnLink(func(up bool) { told = append(told, up) })
	s.say()
	sent := len(s.model.Sent())
	s.model.SetPHYReg(2, mii.BMSR, 0x7829)
	inTrap(s.ep.Panic)
	start := s.model.Now()
	for range 20 {
		if s.say() {
			t.Fatal("sent without a link")
		}
	}
	if d := s.model.Now() - start; d < 2e9 || d > 3e9 {
		t.Errorf("waited for %d ns", d)
	}
	s.model.Sent() // what went into nowhere
	inTrap(func() { s.ep.Poll(4) })
	if s.say() {
		t.Fatal("sent without a link")
	}
	s.model.SetPHYReg(2, mii.BMSR, 0x782d)
	for range 100 {
		s.model.Advance(1e6)
		inTrap(func() { s.ep.Poll(4) })
	}
	for range 20 {
		if !s.say() {
			t.Fatalf("not sent, the link is back: %+v", s.ep.Stats())
		}
	}
	if n := len(s.model.Sent()); n != 20 || sent != 1 {
		t.Errorf("%d of 20 lines were sent", n)
	}
	if len(told) != 2 || told[0] || !told[1] {
		t.Errorf("told %v", told)
	}
}

// A link that comes back while somebody waits for it.
func TestALinkThatComesBackInTimeCostsNoLine(t *testing.T) {
	s := newSpeaker(t)
	s.model.SetPHYReg(2, mii.BMSR, 0x7829)
	inTrap(s.ep.Panic)
	s.say() // looks, and finds none
	s.model.Sent()
	n := 0
	s.model.Between(func() {
		if n++; n == 500 {
			s.model.SetPHYReg(2, mii.BMSR, 0x782d)
		}
	})
	for range 10 {
		if !s.say() {
			t.Fatalf("not sent: %+v", s.ep.Stats())
		}
	}
	s.heard()
}
