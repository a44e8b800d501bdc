package systest

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// way6 is how Linux's stack connects to an IPv6 address of the guest.
func (n *namespace) way6(a netip.Addr) way {
	return func(network string, port int) (c net.Conn, err error) {
		n.do(func() {
			if a.IsLinkLocalUnicast() {
				i, e := net.InterfaceByName(tapName)
				if e != nil {
					err = e
					return
				}
				a = a.WithZone(strconv.Itoa(i.Index))
			}
			d := net.Dialer{Timeout: patience}
			c, err = d.Dial(network, netip.AddrPortFrom(a, uint16(port)).String())
		})
		return c, err
	}
}

// linkLocal is the guest's link-local address.
func linkLocal(t *testing.T, g *guest, to way) (a netip.Addr) {
	t.Helper()
	g.retry("a link-local address", func() error {
		for _, s := range getStats(t, to).Interfaces[0].Addresses.IPv6 {
			p, err := netip.ParsePrefix(s)
			if err == nil && p.Addr().IsLinkLocalUnicast() {
				a = p.Addr()
				return nil
			}
		}
		return errors.New("none yet")
	})
	return a
}

// checksumErrors are what Linux's stack in the namespace found wrong.
func (n *namespace) checksumErrors() (bad []string) {
	n.do(func() {
		for _, file := range []string{"snmp", "snmp6"} {
			b, err := os.ReadFile("/proc/thread-self/net/" + file)
			if err != nil {
				bad = append(bad, err.Error())
			}
			bad = append(bad, wrongSums(string(b))...)
		}
	})
	return bad
}

// wrongSums finds the counters of checksum errors that are not 0, in the format
// of /proc/net/snmp (two lines: names, values) or snmp6 (name and value).
func wrongSums(text string) (bad []string) {
	var names []string
	for l := range strings.Lines(text) {
		f := strings.Fields(l)
		if len(f) == 2 && strings.HasSuffix(f[0], "InCsumErrors") && f[1] != "0" {
			bad = append(bad, l)
		}
		if len(names) == len(f) && names[0] == f[0] {
			for i, name := range names {
				if name == "InCsumErrors" && f[i] != "0" {
					bad = append(bad, f[0]+name+" "+f[i])
				}
			}
			names = nil
		} else {
			names = f
		}
	}
	return bad
}

func TestChecksumErrorsAreFoundInLinuxsCounters(t *testing.T) {
	for text, want := range map[string]int{
		"Tcp: InSegs InCsumErrors\nTcp: 5 2\nUdp: InCsumErrors\nUdp: 0\n": 1,
		"Udp6InCsumErrors  \t3\nUdp6InErrors 4\n":                         1,
		"Tcp: InSegs InCsumErrors\nTcp: 5 0\n":                            0,
	} {
		if got := wrongSums(text); len(got) != want {
			t.Errorf("%q: %q", text, got)
		}
	}
}

func TestLinuxReachesItOverIPv6(t *testing.T) {
	t.Parallel()
	n := newNamespace(t)
	g := n.boot(staticIP)
	a := linkLocal(t, g, n.way())
	to := n.way6(a)
	g.serving(to)
	before := getStats(t, to).Interfaces[0].Stack.Link
	t.Run("services", func(t *testing.T) { testServices(t, to, 4<<20, 20) })
	after := getStats(t, to).Interfaces[0].Stack.Link
	for _, c := range []string{"GROMerged", "TSOSegments"} {
		if after[c] < before[c]+1000 {
			t.Errorf("%s %d, then %d: bulk takes another way", c, before[c], after[c])
		}
	}
	t.Run("UDP echo", func(t *testing.T) { testUDPEcho(t, to, 0, 1, 511, 1451, 1452) })
	t.Run("UDP echo in fragments", func(t *testing.T) { testUDPEcho(t, to, 1453, 9000, 65507) })
	t.Run("many small datagrams go past gVisor", func(t *testing.T) {
		early := func() uint64 { return getStats(t, to).Interfaces[0].Stack.Link["InEarly"] }
		was := early()
		c := connect(t, to, "udp", portDiscard)
		g.retry("datagrams", func() error {
			for range 200 {
				if _, err := c.Write(pattern(100)); err != nil {
					return err
				}
			}
			if got := early(); got < was+100 {
				return fmt.Errorf("%d of them", got-was)
			}
			return nil
		})
	})
	t.Run("a closed port is refused", func(t *testing.T) {
		if _, err := to("tcp", 4242); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("TCP: %v", err)
		}
		c := connect(t, to, "udp", 4242)
		g.retry("UDP to a closed port", func() error {
			c.Write([]byte("x"))
			c.SetReadDeadline(time.Now().Add(time.Second))
			if _, err := c.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNREFUSED) {
				return fmt.Errorf("got %v", err)
			}
			return nil
		})
	})
	if bad := n.checksumErrors(); len(bad) > 0 {
		t.Errorf("Linux received wrong checksums: %q", bad)
	}
	consistent(t, &getStats(t, to).Interfaces[0])
	g.unharmed()
}
