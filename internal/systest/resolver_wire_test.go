package systest

import (
	"strings"
	"testing"

	"github.com/gasp-go/gasp/internal/qemu"
)

func TestGosResolverUsesTheNameServerAndDomainOfTheLease(t *testing.T) {
	t.Parallel()
	image := buildClient(t)
	z := zone(func(name string, typ uint16, _ bool) (a dnsAnswer) {
		switch {
		case name == "short.lab.test" && typ == dnsA:
			a.records = []dnsRecord{address(name, "192.0.2.5")}
		case name != "short.lab.test":
			a.code = dnsNXDomain
		}
		return a
	})
	w := newWire(t)
	w.on(func(p packet) {
		if m, ok := readDHCP(p); ok {
			o := lease(dhcpLeaseSec, 0, 0)
			o[optDNS], o[optDomain] = peerIP.AsSlice(), []byte("lab.test")
			switch m.kind() {
			case dhcpDiscover:
				w.send(dhcpFrame(m, dhcpAnswer(m, dhcpOffer, o)))
			case dhcpRequest:
				w.send(dhcpFrame(m, dhcpAnswer(m, dhcpAck, o)))
			}
		}
		if p.proto == protoUDP && p.to.Port() == 53 && p.to.Addr() == peerIP {
			if r := z.reply(p.data, false); r != nil {
				w.send(ethernet(p.src, peerMAC, typeIPv4, udp(p.to, p.from, r)))
			}
		}
	})
	g := w.boot(qemu.Options{Kernel: image, BootArgs: "ip=dhcp"})
	g.line("eth0: DHCP: 10.77.0.2/24 from 10.77.0.1")
	w.reachable()
	for _, c := range []struct{ name, want string }{
		{"short", "192.0.2.5"},
		{"short.lab.test", "192.0.2.5"},
		{"absent", "not found"},
	} {
		got := ""
		g.retry("looking up "+c.name, func() (err error) {
			got, err = w.fetch("GET", "/lookup/"+c.name+"/30000")
			return err
		})
		if strings.TrimSpace(got) != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
	g.unharmed()
}
