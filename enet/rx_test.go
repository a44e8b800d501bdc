package enet

import (
	"bytes"
	"encoding/binary"
	"testing"
	"unsafe"

	"github.com/gasp-go/gasp/board/trap"
	"github.com/gasp-go/gasp/enet/mii"
	"github.com/gasp-go/gasp/internal/macmodel"
	"github.com/gasp-go/gasp/stack/netdev"
)

func TestFramesComeUpWholeInOrderAndWithoutFCS(t *testing.T) {
	b := openBench(t, rings(7, 4))
	id := 0
	for round := range 200 { // the ring wraps many times
		var want [][]byte
		for range 1 + round%7 {
			f := frame(ourMAC, 60+(id*37)%1455, id)
			id++
			if !b.model.Deliver(f) {
				t.Fatal("no descriptor")
			}
			want = append(want, f)
		}
		b.step()
		if len(b.got) != len(want) {
			t.Fatalf("got %d frames, want %d", len(b.got), len(want))
		}
		for i := range want {
			if !bytes.Equal(b.got[i], want[i]) {
				t.Fatalf("frame %d differs", i)
			}
		}
		b.got = nil
	}
	st := b.mac.dev.Stats()
	if st.RxPackets != uint64(id) || st.RxErrors+st.RxDropped != 0 {
		t.Errorf("%+v", st)
	}
}

func TestStackSeesTheFrameOnlyNotTheBuffer(t *testing.T) {
	b := openBench(t)
	b.mac.dev.SetReceive(func(f []byte, _ netdev.RxFlags) {
		if len(f) != 60 || cap(f) != 60 {
			t.Errorf("frame of %d bytes, capacity %d", len(f), cap(f))
		}
	})
	b.model.Deliver(frame(ourMAC, 60, 0))
	b.step()
	b.wantStat("rx_good", 1)
}

// badFrames are what can be wrong with a received frame, the counter that must
// tell, and the kernel's counter it belongs to.
var badFrames = []struct {
	name  string
	stat  string
	group func(s netdev.Stats) uint64
	send  func(m *macmodel.Model) bool
}{
	{"empty", "rx_runt", lengthErrors, func(m *macmodel.Model) bool { return m.DeliverRaw(0x0800, 0) }},
	{"only FCS", "rx_runt", lengthErrors, func(m *macmodel.Model) bool { return m.Deliver(nil) }},
	{"shorter than a header", "rx_runt", lengthErrors, func(m *macmodel.Model) bool { return m.Deliver(frame(ourMAC, 14, 1)[:13]) }},
	{"longer than the buffer", "rx_too_long", lengthErrors, func(m *macmodel.Model) bool { return m.DeliverRaw(0x0800, 0xffff) }},
	{"one byte too long", "rx_too_long", lengthErrors, func(m *macmodel.Model) bool { return m.Deliver(frame(ourMAC, 1515, 1)) }},
	{"too long with a tag", "rx_truncated", lengthErrors, func(m *macmodel.Model) bool { return m.Deliver(vlan(frame(ourMAC, 1515, 1))) }},
	{"jumbo", "rx_truncated", lengthErrors, func(m *macmodel.Model) bool { return m.Deliver(frame(ourMAC, 9000, 1)) }},
	{"too long by flag", "rx_too_long", lengthErrors, flagged(macmodel.FlagTooLong)},
	{"truncated", "rx_truncated", lengthErrors, flagged(macmodel.FlagTruncated | macmodel.FlagTooLong)},
	{"bad FCS", "rx_crc", func(s netdev.Stats) uint64 { return s.RxCRCErrors }, flagged(macmodel.FlagBadCRC)},
	{"odd bits", "rx_non_octet", func(s netdev.Stats) uint64 { return s.RxFrameErrors }, flagged(macmodel.FlagNonOctet | macmodel.FlagBadCRC)},
	{"overrun", "rx_overrun", func(s netdev.Stats) uint64 { return s.RxFIFOErrors }, flagged(macmodel.FlagOverrun | macmodel.FlagTooLong | macmodel.FlagBadCRC)},
	{"in two buffers", "rx_multi_bd", lengthErrors, func(m *macmodel.Model) bool { return m.DeliverRaw(0, 1536) && m.DeliverRaw(0x0800, 1700) }},
	{"in five buffers", "rx_multi_bd", lengthErrors, func(m *macmodel.Model) bool {
		ok := true
		for range 4 {
			ok = ok && m.DeliverRaw(0, 1536)
		}
		return ok && m.DeliverRaw(0x0800, 100)
	}},
}

func lengthErrors(s netdev.Stats) uint64 { return s.RxLengthErrors }

func flagged(flags uint32) func(*macmodel.Model) bool {
	return func(m *macmodel.Model) bool { return m.DeliverFlags(frame(ourMAC, 100, 1), flags) }
}

func TestBadFramesAreDroppedCountedAndCostOneInterrupt(t *testing.T) {
	for _, c := range badFrames {
		t.Run(c.name, func(t *testing.T) {
			b := openBench(t, rings(5, 4))
			for i := range 20 {
				good := frame(ourMAC, 300, i)
				b.got = nil
				if !c.send(b.model) {
					t.Fatal("no descriptor")
				}
				if irqs := b.step(); irqs != 1 || len(b.got) != 0 {
					t.Fatalf("%d interrupts, %d frames up", irqs, len(b.got))
				}
				// The very next frame is good and comes up, in whichever
				// descriptor the bad one was.
				b.model.Deliver(good)
				b.step()
				if len(b.got) != 1 || !bytes.Equal(b.got[0], good) {
					t.Fatalf("round %d: the good frame after it did not come up", i)
				}
			}
			b.wantStat(c.stat, 20)
			s := b.mac.dev.Stats()
			if s.RxErrors != 20 || c.group(s) != 20 || s.RxPackets != 20 {
				t.Errorf("%+v", s)
			}
		})
	}
}

func TestLongestFramesAreReceivedWithAndWithoutTag(t *testing.T) {
	b := openBench(t)
	for _, f := range [][]byte{frame(ourMAC, 1514, 1), vlan(frame(ourMAC, 1514, 2))} {
		b.got = nil
		b.model.Deliver(f)
		b.step()
		if len(b.got) != 1 || !bytes.Equal(b.got[0], f) {
			t.Errorf("a frame of %d bytes did not come up", len(f))
		}
	}
}

func TestUnpaddedFramesAreReceivedAndCounted(t *testing.T) {
	b := openBench(t)
	b.model.Deliver(frame(ourMAC, 42, 1)) // an ARP nobody padded
	b.step()
	b.wantStat("rx_short", 1)
	b.wantStat("rx_good", 1)
}

func TestFramesForOthersAreDroppedUnlessPromiscuous(t *testing.T) {
	b := openBench(t)
	b.model.SetFaults(func(f *macmodel.Faults) { f.NoFilter = true })
	ours := [][6]byte{ourMAC, bcastMAC, groupMAC}
	others := [][6]byte{otherMAC, {2, 0x11, 0x22, 0x33, 0x45, 0x55}, {4, 0x11, 0x22, 0x33, 0x44, 0x55}, {}}
	for i, dst := range append(ours, others...) {
		b.model.Deliver(frame(dst, 60, i))
	}
	b.step()
	if len(b.got) != len(ours) {
		t.Errorf("%d frames came up", len(b.got))
	}
	b.wantStat("rx_other_host", uint64(len(others)))
	if s := b.mac.dev.Stats(); s.RxErrors != 0 || s.Multicast != 1 {
		t.Errorf("%+v", s)
	}
	b.mac.SetRxMode(netdev.RxMode{Promisc: true})
	b.step()
	b.got = nil
	b.model.Deliver(frame(otherMAC, 60, 1))
	b.step()
	if len(b.got) != 1 || b.model.Reg(macmodel.RCR)&rcrPROM == 0 {
		t.Errorf("promiscuous: %d frames, RCR %#x", len(b.got), b.model.Reg(macmodel.RCR))
	}
	b.mac.SetRxMode(netdev.RxMode{AllMulti: true})
	b.step()
	b.model.Deliver(frame(otherMAC, 60, 1))
	b.step()
	b.wantStat("rx_other_host", uint64(len(others))+1)
}

func TestFullRingStopsAndResumesWithoutLosingWhatItHolds(t *testing.T) {
	b := openBench(t, rings(8, 4))
	n := 0
	for b.model.Deliver(frame(ourMAC, 60, n)) {
		n++
	}
	if n != 8 {
		t.Fatalf("the ring took %d frames", n)
	}
	b.step()
	if len(b.got) != 8 {
		t.Fatalf("%d frames came up", len(b.got))
	}
	b.wantAlive()
}

// An MDIO access clears its own event with a write to EIR; were it a
// read-modify-write it would clear RXF too, and with the ring full no frame
// would ever set it again.
func TestMDIOAccessWhileTheRingIsFullDoesNotLoseReception(t *testing.T) {
	b := openBench(t, rings(4, 4))
	for b.model.Deliver(frame(ourMAC, 60, 0)) {
	}
	b.mac.Tick() // reads the PHY
	if _, err := b.mac.PHY().Bus.Read(2, mii.BMSR); err != nil {
		t.Fatal(err)
	}
	b.step()
	if len(b.got) != 4 {
		t.Fatalf("%d frames came up", len(b.got))
	}
	b.wantAlive()
}

func TestInterruptDoesNotEatTheEndOfAnMDIOAccess(t *testing.T) {
	b := openBench(t)
	b.model.Raise(macmodel.IntMII)
	b.model.Deliver(frame(ourMAC, 60, 0))
	b.step()
	if b.model.Reg(macmodel.EIR)&macmodel.IntMII == 0 {
		t.Error("MII was acknowledged by the interrupt handler")
	}
}

func TestEventBetweenReadingAndAcknowledgingIsKept(t *testing.T) {
	b := openBench(t)
	b.model.Raise(macmodel.IntTXF)
	b.model.SetFaults(func(f *macmodel.Faults) {
		done := false
		f.Access = func(_ int, off uintptr, write bool) {
			if off == macmodel.EIR && write && !done {
				done = true
				b.model.RaiseLocked(macmodel.IntRXF)
			}
		}
	})
	inTrap(b.mac.Interrupt)
	if b.model.Reg(macmodel.EIR)&macmodel.IntRXF == 0 {
		t.Error("an event that came after the read was acknowledged")
	}
}

// Whatever register access a frame arrives at, it comes up, and without the
// help of another frame.
func TestFrameArrivingAtAnyMomentOfInterruptAndPollComesUp(t *testing.T) {
	for at := 1; at < 40; at++ {
		b := openBench(t, rings(4, 4))
		n := 0
		b.model.SetFaults(func(f *macmodel.Faults) {
			f.Access = func(int, uintptr, bool) {
				if n++; n == at {
					b.model.DeliverLocked(frame(ourMAC, 60, 2))
				}
			}
		})
		b.model.Deliver(frame(ourMAC, 60, 1))
		b.step()
		if n < at {
			if at < 5 {
				t.Fatalf("only %d accesses", n)
			}
			return
		}
		if len(b.got) != 2 {
			t.Fatalf("frame at access %d: %d came up", at, len(b.got))
		}
	}
	t.Error("interrupt and poll take too many accesses")
}

func TestFrameWhoseInterruptGoesMissingIsFound(t *testing.T) {
	b := openBench(t)
	b.model.SetFaults(func(f *macmodel.Faults) { f.MissIRQ = true })
	b.model.Deliver(frame(ourMAC, 60, 1))
	b.step()
	if len(b.got) != 0 {
		t.Fatal("the fault does nothing")
	}
	b.mac.Tick()
	b.step()
	if len(b.got) != 1 {
		t.Error("the monitor did not find the frame")
	}
	// And the moment between the last look at the ring and the unmasking.
	b.got = nil
	n := 0
	b.model.SetFaults(func(f *macmodel.Faults) {
		f.Access = func(_ int, off uintptr, write bool) {
			if off == macmodel.EIMR && write {
				if n++; n == 2 { // mask, unmask
					b.model.DeliverLocked(frame(ourMAC, 60, 3))
				}
			}
		}
	})
	b.model.Deliver(frame(ourMAC, 60, 2))
	inTrap(b.mac.Interrupt)
	for b.soft.Poll() {
	}
	if len(b.got) != 2 {
		t.Errorf("%d frames came up", len(b.got))
	}
	b.wantStat("poll_races", 1)
}

func TestFrameWithoutEndThatFillsTheRingDoesNotEndReception(t *testing.T) {
	b := openBench(t, rings(4, 4))
	b.model.SetFaults(func(f *macmodel.Faults) { f.NoTerminator = true })
	for range 4 {
		b.model.Deliver(frame(ourMAC, 60, 0))
	}
	b.model.SetFaults(func(f *macmodel.Faults) { f.NoTerminator = false })
	b.step()
	b.wantStat("rx_multi_bd", 1)
	b.model.Deliver(frame(ourMAC, 60, 0)) // taken for the end of it
	b.step()
	b.wantAlive()
}

func TestReceiverWithALostDoorbellIsWokenUp(t *testing.T) {
	b := openBench(t)
	b.model.StopRx()
	if b.model.Deliver(frame(ourMAC, 60, 0)) {
		t.Fatal("the fault does nothing")
	}
	b.mac.Tick()
	b.wantAlive()
}

func TestUnderFloodThePollKeepsToItsBudget(t *testing.T) {
	b := openBench(t, rings(200, 4))
	b.quiet = true
	for b.model.Deliver(frame(ourMAC, 60, 0)) {
	}
	irqs := b.model.IRQs()
	b.model.SetFaults(func(f *macmodel.Faults) {
		f.Access = func(_ int, off uintptr, write bool) {
			if off == macmodel.EIR && !write { // faster than the poll: always full
				for b.model.DeliverLocked(frame(ourMAC, 60, 0)) {
				}
			}
		}
	})
	inTrap(b.mac.Interrupt)
	for range 20 {
		got := b.n
		if !b.soft.Poll() {
			t.Fatal("the poll completed under flood")
		}
		if n := b.n - got; n < netdev.Budget || n > netdev.Budget+netdev.Weight {
			t.Fatalf("%d frames in one Poll", n)
		}
	}
	b.model.SetFaults(func(f *macmodel.Faults) { f.Access = nil })
	if b.model.IRQs() != irqs {
		t.Errorf("%d interrupts under flood", b.model.IRQs()-irqs)
	}
	if s := b.soft.Stat(); s.TimeSqueeze == 0 || s.Bugs != 0 {
		t.Errorf("%+v", s)
	}
	b.step()
	b.quiet = false
	b.wantAlive()
}

func TestFloodOfOversizeFramesDoesNotFloodWithInterrupts(t *testing.T) {
	b := openBench(t, rings(128, 4))
	for range 100 {
		b.model.Deliver(frame(ourMAC, 2000, 0))
	}
	if n := b.step(); n != 1 {
		t.Errorf("%d interrupts", n)
	}
	b.wantStat("rx_truncated", 100)
	b.wantAlive()
}

func TestPollWithBudget0ReclaimsTransmitsOnly(t *testing.T) {
	b := openBench(t)
	b.model.Deliver(frame(ourMAC, 60, 0))
	b.xmit(frame(otherMAC, 60, 0))
	inTrap(func() { b.mac.poll(0) })
	b.wantStat("tx_ring_queued", 0)
	b.wantStat("rx_ring_filled", 1)
	b.step()
	if len(b.got) != 1 {
		t.Error("the frame is lost")
	}
}

func TestPollRxTakesFramesOnlyWhileThePollDoesNot(t *testing.T) {
	b := openBench(t)
	for i := range 5 {
		b.model.Deliver(frame(ourMAC, 60, i))
	}
	n := 0
	inTrap(func() { b.mac.PollRx(3, func([]byte) { n++ }) })
	if n != 3 {
		t.Fatalf("PollRx took %d frames", n)
	}
	// From within the stack's receive function, as when it logs.
	b.mac.dev.SetReceive(func(_ []byte, _ netdev.RxFlags) {
		b.n++
		inTrap(func() {
			if b.mac.PollRx(10, func([]byte) {}) != 0 {
				t.Error("PollRx took frames from under the poll")
			}
		})
	})
	b.step()
	if b.n != 2 {
		t.Errorf("%d frames came up", b.n)
	}
	b.wantStat("poll_rx_busy", 2)
}

func TestPollControllerDoesWhatTheInterruptWould(t *testing.T) {
	b := openBench(t)
	b.irqOn = false // interrupts off
	b.model.Deliver(frame(ourMAC, 60, 0))
	b.xmit(frame(otherMAC, 60, 0))
	inTrap(b.mac.PollController)
	b.wantStat("tx_ring_queued", 0)
	b.soft.Poll()
	if len(b.got) != 1 {
		t.Errorf("%d frames came up", len(b.got))
	}
	b.irqOn = true
	b.wantAlive()
}

func TestReceiveDoesNotAllocate(t *testing.T) {
	b := openBench(t)
	b.quiet = true
	f := frame(ourMAC, 1000, 0)
	top := func(unsafe.Pointer) { b.mac.Interrupt() }
	if a := testing.AllocsPerRun(500, func() {
		b.model.Deliver(f)
		trap.Run(top, nil)
		b.soft.Poll()
	}); a != 0 {
		t.Errorf("%v allocations a frame", a)
	}
	if b.n < 500 {
		t.Fatalf("%d frames", b.n)
	}
}

// FuzzReceive lets the device complete descriptors with any status and length.
func FuzzReceive(f *testing.F) {
	f.Add([]byte{0x08, 0x00, 0x00, 0x40})
	f.Add([]byte{0x08, 0x00, 0xff, 0xff, 0x00, 0x00, 0x06, 0x00, 0x08, 0x21, 0x05, 0xf2})
	f.Add([]byte{0x08, 0x00, 0x00, 0x12, 0x08, 0x00, 0x00, 0x11, 0x08, 0x00, 0x05, 0xef})
	f.Fuzz(func(t *testing.T, words []byte) {
		b := openBench(t, rings(8, 4))
		b.mac.dev.SetReceive(func(fr []byte, _ netdev.RxFlags) {
			if len(fr) < header || len(fr) > maxFrame+vlanTag || cap(fr) != len(fr) {
				t.Fatalf("frame of %d bytes, capacity %d", len(fr), cap(fr))
			}
			_ = fr[len(fr)-1]
		})
		b.mac.SetRxMode(netdev.RxMode{Promisc: true})
		b.step()
		sent := uint64(0)
		for ; len(words) >= 4; words = words[4:] {
			if b.model.DeliverRaw(binary.BigEndian.Uint16(words), binary.BigEndian.Uint16(words[2:])) {
				sent++
			}
			if len(words)%3 == 0 {
				b.step()
			}
		}
		b.step()
		b.wantStat("rx_ring_filled", 0)
		s := b.mac.dev.Stats()
		if s.RxPackets+s.RxErrors > sent {
			t.Errorf("%d descriptors became %d frames and %d errors", sent, s.RxPackets, s.RxErrors)
		}
		b.model.DeliverRaw(0x0800, 100) // the end of whatever was open
		b.step()
		n := b.stat("rx_good")
		b.model.Deliver(frame(ourMAC, 60, 0))
		b.step()
		b.wantStat("rx_good", n+1)
	})
}
