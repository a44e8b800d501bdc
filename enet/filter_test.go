package enet

import (
	"errors"
	"testing"

	"github.com/gasp-go/gasp/internal/macmodel"
	"github.com/gasp-go/gasp/stack/netdev"
)

// groups are group addresses whose hashes differ, and lie in both halves.
var groups = [][6]byte{
	{0x01, 0x00, 0x5e, 0x00, 0x00, 0x01}, {0x01, 0x00, 0x5e, 0x00, 0x00, 0xfb}, {0x33, 0x33, 0, 0, 0, 1},
	{0x33, 0x33, 0xff, 0x12, 0x34, 0x56}, {0x33, 0x33, 0, 0, 0, 0xfb}, {0x01, 0x80, 0xc2, 0, 0, 0x0e},
}

func (b *bench) receives(dst [6]byte) bool {
	b.t.Helper()
	b.got = nil
	if !b.model.Deliver(frame(dst, 60, 0)) {
		b.t.Fatal("no descriptor")
	}
	b.step()
	return len(b.got) == 1
}

func TestGroupsAreReceivedThatWereAskedForAndHardlyAnyOther(t *testing.T) {
	b := openBench(t)
	for _, g := range groups {
		if !b.receives(g) {
			t.Errorf("a new device does not receive %x", g)
		}
	}
	for i := range groups {
		if err := b.mac.dev.SetRxMode(netdev.RxMode{Groups: groups[:i]}); err != nil {
			t.Fatal(err)
		}
		b.step()
		for j, g := range groups {
			if got := b.receives(g); got != (j < i) {
				t.Errorf("%d groups set: %x received: %v", i, g, got)
			}
		}
		if !b.receives(bcastMAC) || !b.receives(ourMAC) || b.receives(otherMAC) {
			t.Error("broadcast and station address")
		}
	}
	b.mac.dev.SetRxMode(netdev.RxMode{AllMulti: true})
	b.step()
	for i := range 256 {
		if !b.receives([6]byte{0x01, 0, 0x5e, byte(i), byte(i * 7), byte(i * 31)}) {
			t.Fatal("all groups: one is not received")
		}
	}
	if b.receives(otherMAC) {
		t.Error("all groups are not promiscuous")
	}
	b.wantStat("mac_restarts", 0)
}

func TestFilterSurvivesARestartAndAReopening(t *testing.T) {
	b := openBench(t)
	b.mac.dev.SetRxMode(netdev.RxMode{Groups: groups[:1]})
	b.step()
	b.mac.request(todoRestart)
	b.step()
	if !b.receives(groups[0]) || b.receives(groups[1]) {
		t.Error("after a restart")
	}
	if err := b.mac.dev.Stop(); err != nil {
		t.Fatal(err)
	}
	b.mac.dev.SetRxMode(netdev.RxMode{Groups: groups[1:2], Promisc: true})
	if err := b.mac.dev.Open(); err != nil {
		t.Fatal(err)
	}
	if !b.receives(otherMAC) || !b.receives(groups[2]) {
		t.Error("promiscuous from the opening on")
	}
	b.mac.dev.SetRxMode(netdev.RxMode{Groups: groups[1:2]})
	b.step()
	if b.receives(otherMAC) || b.receives(groups[0]) || !b.receives(groups[1]) {
		t.Error("promiscuous no more")
	}
}

func TestRxModeIsChecked(t *testing.T) {
	b := openBench(t)
	if b.mac.dev.SetRxMode(netdev.RxMode{Groups: [][6]byte{otherMAC}}) == nil {
		t.Error("a station's address was taken for a group's")
	}
}

func TestStationAddressChangesWhileTheDeviceIsUp(t *testing.T) {
	b := openBench(t)
	var told [6]byte
	b.mac.dev.OnAddress(func(mac [6]byte) { told = mac })
	for _, noFilter := range []bool{false, true} {
		b.model.SetFaults(func(f *macmodel.Faults) { f.NoFilter = noFilter })
		for _, mac := range [][6]byte{otherMAC, {0x02, 0x80, 0xff, 1, 2, 3}, ourMAC} {
			if err := b.mac.dev.SetMAC(mac); err != nil {
				t.Fatal(err)
			}
			b.step()
			if b.model.StationAddress() != mac || told != mac || b.mac.dev.MAC() != mac {
				t.Errorf("the MAC has %x, told %x, want %x", b.model.StationAddress(), told, mac)
			}
			for _, dst := range [][6]byte{otherMAC, ourMAC, {0x02, 0x80, 0xff, 1, 2, 3}} {
				if b.receives(dst) != (dst == mac) {
					t.Errorf("station %x, frame for %x", mac, dst)
				}
			}
		}
	}
	for _, mac := range [][6]byte{{}, groupMAC, bcastMAC} {
		if err := b.mac.dev.SetMAC(mac); !errors.Is(err, netdev.ErrAddress) {
			t.Errorf("%x: %v", mac, err)
		}
	}
	b.wantStat("mac_restarts", 0)
	b.wantAlive()
}

func TestMTUChangesWithinWhatTheWireAllows(t *testing.T) {
	b := openBench(t)
	for _, mtu := range []int{68, 576, 1500} {
		if err := b.mac.dev.SetMTU(mtu); err != nil || b.mac.dev.MTU() != mtu {
			t.Errorf("%d: %v", mtu, err)
		}
		b.wantAlive() // with frames that are longer
	}
	for _, mtu := range []int{-1, 0, 67, 1501, 9000} {
		if err := b.mac.dev.SetMTU(mtu); !errors.Is(err, netdev.ErrMTU) || b.mac.dev.MTU() != 1500 {
			t.Errorf("%d: %v", mtu, err)
		}
	}
}
