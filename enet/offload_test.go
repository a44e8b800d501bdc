package enet

import (
	"bytes"
	"encoding/binary"
	"testing"
	"time"

	"github.com/gasp-go/gasp/internal/macmodel"
	"github.com/gasp-go/gasp/stack/netdev"
)

// packet returns a frame with a TCP (6) or UDP (17) packet over IPv4 in it,
// checksums zero, or in place.
func packet(dst [6]byte, proto byte, n int, checksums bool) []byte {
	f := frame(dst, 34+n, n)
	h := f[14:34]
	clear(h)
	h[0], h[8], h[9] = 0x45, 64, proto
	binary.BigEndian.PutUint16(h[2:], uint16(20+n))
	copy(h[12:], []byte{10, 0, 0, 1, 10, 0, 0, 2})
	field := 34 + map[byte]int{6: 16, 17: 6, 1: 2}[proto]
	f[field], f[field+1] = 0, 0
	if checksums {
		netdev.InsertChecksums(f, netdev.TxChecksumIP|netdev.TxChecksumL4)
	}
	return f
}

const bothSums = netdev.TxChecksumIP | netdev.TxChecksumL4

func TestChecksumsAreInsertedWhereAskedAndNowhereElse(t *testing.T) {
	b := openBench(t)
	for _, on := range []netdev.Features{available, 0} { // by the MAC, by the driver
		if err := b.mac.SetFeatures(on); err != nil {
			t.Fatal(err)
		}
		for _, proto := range []byte{6, 17} {
			for _, n := range []int{20, 21, 60, 1000, 1480} {
				bare, want := packet(otherMAC, proto, n, false), packet(otherMAC, proto, n, true)
				var st netdev.TxStatus
				inTrap(func() { st = b.mac.StartXmit([][]byte{bare[:14], bare[14:35], bare[35:]}, bothSums) })
				if s := b.model.Sent(); st != netdev.TxOK || len(s) != 1 || !bytes.HasPrefix(s[0], want) {
					t.Fatalf("features %#x, protocol %d, %d bytes: status %d, sent %x", on, proto, n, st, s)
				}
				if b.xmit(bare) != netdev.TxOK {
					t.Fatal("refused")
				}
				if s := b.model.Sent(); len(s) != 1 || !bytes.HasPrefix(s[0], bare) {
					t.Fatalf("features %#x: a frame that asks for nothing was changed", on)
				}
			}
		}
	}
}

func TestChecksumsThatTheMACFoundRightAreReported(t *testing.T) {
	ok := func(f []byte) []byte { return f }
	for _, c := range []struct {
		name    string
		frame   []byte
		corrupt func([]byte) []byte
		want    netdev.RxFlags
	}{
		{"TCP", packet(ourMAC, 6, 100, true), ok, netdev.RxChecksumOK},
		{"UDP", packet(ourMAC, 17, 101, true), ok, netdev.RxChecksumOK},
		{"tagged", vlan(packet(ourMAC, 17, 101, true)), ok, netdev.RxChecksumOK},
		{"bad payload", packet(ourMAC, 6, 100, true), func(f []byte) []byte { f[60]++; return f }, 0},
		{"bad UDP checksum", packet(ourMAC, 17, 100, true), func(f []byte) []byte { f[40] ^= 0x10; return f }, 0},
		{"bad header", packet(ourMAC, 17, 100, true), func(f []byte) []byte { f[22]--; return f }, 0},
		{"fragment", packet(ourMAC, 17, 100, false), func(f []byte) []byte {
			f[20] = 0x20
			netdev.InsertChecksums(f, netdev.TxChecksumIP)
			return f
		}, 0},
		{"unknown protocol", packet(ourMAC, 47, 100, true), ok, 0},
		{"not IP", frame(ourMAC, 60, 1), func(f []byte) []byte { f[13] = 6; return f }, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := openBench(t)
			var got []netdev.RxFlags
			b.mac.dev.SetReceive(func(_ []byte, fl netdev.RxFlags) { got = append(got, fl) })
			f := c.corrupt(c.frame)
			want := []netdev.RxFlags{c.want, 0, 0}
			b.model.Deliver(f)
			b.step()
			b.mac.SetFeatures(0) // switched off: nothing is known
			b.model.Deliver(f)
			b.step()
			b.mac.SetFeatures(available)
			b.model.SetFaults(func(f *macmodel.Faults) { f.NoAccel = true })
			b.model.Deliver(f)
			b.step()
			if len(got) != 3 || got[0] != want[0] || got[1] != want[1] || got[2] != want[2] {
				t.Errorf("flags %v, want %v", got, want)
			}
		})
	}
}

func TestStaleChecksumStatusIsNotBelieved(t *testing.T) {
	b := openBench(t, rings(2, 2))
	var got []netdev.RxFlags
	b.mac.dev.SetReceive(func(_ []byte, fl netdev.RxFlags) { got = append(got, fl) })
	good := packet(ourMAC, 17, 101, true)
	for i := range 6 { // into the same descriptors, first with a verdict, then without
		b.model.SetFaults(func(f *macmodel.Faults) { f.NoAccel = i >= 2 })
		b.model.Deliver(good)
		b.step()
	}
	for i, fl := range got {
		if want := i < 2; (fl != 0) != want {
			t.Errorf("frame %d: flags %v", i, fl)
		}
	}
}

func TestReceivedPayloadIsAligned(t *testing.T) {
	b := openBench(t, rings(3, 2))
	b.mac.dev.SetReceive(func(f []byte, _ netdev.RxFlags) {
		b.n++
		if a := addr(&f[header]); a%4 != 0 {
			t.Errorf("the IP header is at %#x", a)
		}
	})
	for i := range 6 {
		b.model.Deliver(frame(ourMAC, 60+i, i))
		b.step()
	}
	if b.n != 6 {
		t.Errorf("%d frames", b.n)
	}
}

func TestUnknownFeaturesAreRefused(t *testing.T) {
	b := openBench(t)
	if b.mac.SetFeatures(1<<20) == nil {
		t.Error("accepted")
	}
	if on := b.mac.dev.Features(); on != available {
		t.Errorf("%#x", on)
	}
	b = newBench(t, func(c *Config) { c.Off = netdev.FeatureTxChecksum })
	if on := b.mac.dev.Features(); on != netdev.FeatureRxChecksum {
		t.Errorf("with one off: %#x", on)
	}
}

func TestQEMUInsertsChecksums(t *testing.T) {
	e := openEVK(t)
	for _, proto := range []byte{6, 17} {
		for _, n := range []int{26, 27, 1000, 1480} {
			bare, want := packet(otherMAC, proto, n, false), packet(otherMAC, proto, n, true)
			inTrap(func() { e.mac.StartXmit([][]byte{bare[:14], bare[14:]}, bothSums) })
			if f := e.wire.Receive(5 * time.Second); !bytes.Equal(f, want) {
				t.Errorf("protocol %d, %d bytes: %x, want %x", proto, n, f, want)
			}
			e.xmit(bare)
			if f := e.wire.Receive(5 * time.Second); !bytes.Equal(f, bare) {
				t.Errorf("protocol %d, %d bytes: changed although nothing was asked for", proto, n)
			}
		}
	}
}

// QEMU has no receive accelerator: nothing may be claimed, not even of a frame
// that is right, unless the configuration says to.
func TestQEMUReceiveChecksumsAreUnknownUnlessTrusted(t *testing.T) {
	for _, trust := range []bool{false, true} {
		e := openEVK(t, func(c *Config) { c.Trust = trust })
		flags := netdev.RxFlags(99)
		e.mac.dev.SetReceive(func(_ []byte, fl netdev.RxFlags) { flags = fl; e.n++ })
		e.wire.Send(packet(ourMAC, 17, 100, true))
		e.received(1)
		if (flags == netdev.RxChecksumOK) != trust {
			t.Errorf("trust %v: flags %v", trust, flags)
		}
	}
}
