package netconsole

import (
	"net/netip"
	"testing"

	"github.com/gasp-go/gasp/stack/netdev"
	"github.com/gasp-go/gasp/stack/netpoll"
)

func TestParseUnderstandsLinuxsSyntax(t *testing.T) {
	mac := [6]byte{0, 0x13, 0x32, 0x20, 0x59, 0x9b}
	for s, want := range map[string]Config{
		"4444@10.0.0.1/eth1,9353@10.0.0.2/12:34:56:78:9a:bc": {LocalPort: 4444, RemotePort: 9353,
			LocalIP: netip.MustParseAddr("10.0.0.1"), RemoteIP: netip.MustParseAddr("10.0.0.2"), Device: "eth1",
			RemoteMAC: [6]byte{0x12, 0x34, 0x56, 0x78, 0x9a, 0xbc}},
		"@/,@192.168.0.1/":                                {LocalPort: 6665, RemotePort: 6666, RemoteIP: netip.MustParseAddr("192.168.0.1"), Device: "eth0", RemoteMAC: netpoll.Broadcast},
		"+@/eth0,@10.0.2.2/":                              {Extended: true, LocalPort: 6665, RemotePort: 6666, RemoteIP: netip.MustParseAddr("10.0.2.2"), Device: "eth0", RemoteMAC: netpoll.Broadcast},
		"+r@/eth0,@10.0.2.2/":                             {Extended: true, Release: true, LocalPort: 6665, RemotePort: 6666, RemoteIP: netip.MustParseAddr("10.0.2.2"), Device: "eth0", RemoteMAC: netpoll.Broadcast},
		"@/00:13:32:20:59:9b,@10.0.2.2/00:13:32:20:59:9B": {LocalPort: 6665, RemotePort: 6666, RemoteIP: netip.MustParseAddr("10.0.2.2"), DeviceMAC: mac, RemoteMAC: mac},
		"@fd00::1/eth1,6666@fd00::2/":                     {LocalPort: 6665, RemotePort: 6666, LocalIP: netip.MustParseAddr("fd00::1"), RemoteIP: netip.MustParseAddr("fd00::2"), Device: "eth1", RemoteMAC: netpoll.Broadcast},
	} {
		if got, err := Parse(s); err != nil || got != want {
			t.Errorf("%s: %+v %v", s, got, err)
		}
	}
}

func TestParseRefusesWhatItDoesNotUnderstand(t *testing.T) {
	for _, s := range []string{
		"", "@", "@/", "@/,", "@/,@", "@/,@/", "@/,@10.0.0.1", "r@/,@10.0.0.1/", "x@/,@10.0.0.1/", "0@/,@10.0.0.1/",
		"65536@/,@10.0.0.1/", "@10.0.0/,@10.0.0.1/", "@/,x@10.0.0.1/", "@/,@10.0.0.256/", "@/,@0.0.0.0/", "@/,@host/",
		"@/,@10.0.0.1/00:11", "@/,@10.0.0.1/00:11:22:33:44:55/", "@fd00::1/,@10.0.0.1/", "@/,@fe80::1%eth0/",
		"@/,@10.0.0.1/0011.2233.4455", "++@/,@10.0.0.1/",
	} {
		if c, err := Parse(s); err == nil {
			t.Errorf("%q: %+v", s, c)
		}
	}
}

func TestADeviceIsFoundByNameOrAddress(t *testing.T) {
	dev := netdev.New("eth1", [6]byte{2, 0, 0, 0, 0, 1}, 1500, nil, nil)
	for s, want := range map[string]bool{"eth1": true, "eth0": false, "": false, "02:00:00:00:00:01": true, "02:00:00:00:00:02": false} {
		c, err := Parse("@/" + s + ",@10.0.0.1/")
		if err != nil || c.Matches(dev) != want {
			t.Errorf("%q: %v %v", s, !want, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("+r4444@10.0.0.1/eth1,9353@10.0.0.2/12:34:56:78:9a:bc")
	f.Add("@/,@fd00::2/")
	f.Fuzz(func(t *testing.T, s string) {
		c, err := Parse(s)
		if err == nil && (!c.RemoteIP.IsValid() || c.LocalPort == 0 || c.RemotePort == 0 || c.Release && !c.Extended) {
			t.Errorf("%q: %+v", s, c)
		}
	})
}
