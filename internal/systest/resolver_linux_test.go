package systest

import (
	"fmt"
	"strings"
	"testing"
)

func TestGosResolverAsksTheNameServersOfTheBootArguments(t *testing.T) {
	t.Parallel()
	n := newNamespace(t)
	if out, err := n.ip("addr", "add", "10.77.0.3/24", "dev", tapName); err != nil {
		t.Fatal(out, err)
	}
	n.serveDNS("10.77.0.1:53", func(name string, typ uint16, tcp bool) (a dnsAnswer) {
		switch {
		case name == "both.test" && typ == dnsA:
			a.records = []dnsRecord{address(name, "192.0.2.1"), address(name, "192.0.2.2")}
		case name == "both.test" && typ == dnsAAAA:
			a.records = []dnsRecord{address(name, "2001:db8::1")}
		case name == "alias.test":
			a.records = []dnsRecord{{name, dnsCNAME, dnsName(nil, "real.test")}}
			if typ == dnsA {
				a.records = append(a.records, address("real.test", "192.0.2.3"))
			}
		case name == "long.test" && !tcp:
			a.truncated = true
		case name == "long.test" && typ == dnsA:
			for i := range 100 { // more than a datagram of DNS has room for
				a.records = append(a.records, address(name, fmt.Sprintf("198.51.100.%d", i)))
			}
		case name == "second.test":
			a.code = dnsServFail
		case name == "silent.test":
			a.silent = true
		case name == "long.test":
		default:
			a.code = dnsNXDomain
		}
		return a
	})
	n.serveDNS("10.77.0.3:53", func(name string, typ uint16, tcp bool) (a dnsAnswer) {
		switch {
		case name == "second.test" && typ == dnsA:
			a.records = []dnsRecord{address(name, "192.0.2.7")}
		case name == "silent.test":
			a.silent = true
		}
		return a
	})
	g := n.bootImage(buildClient(t), "ip=10.77.0.2::10.77.0.1:255.255.255.0:board:eth0:off:10.77.0.1:10.77.0.3")
	to := n.way()
	for _, c := range []struct{ name, want string }{
		{"both.test", "192.0.2.1 192.0.2.2 2001:db8::1"},
		{"alias.test", "192.0.2.3"},
		{"none.test", "not found"},
		{"second.test", "192.0.2.7"},
		{"board", "10.77.0.2"},
		{"localhost", "127.0.0.1 ::1"},
		{"192.0.2.200", "192.0.2.200"},
	} {
		if got := get(t, to, "/lookup/"+c.name+"/30000"); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
	if got := get(t, to, "/lookup/long.test/30000"); len(strings.Fields(got)) != 100 {
		t.Errorf("100 addresses, by TCP: %q", got)
	}
	if got := get(t, to, "/lookup/silent.test/1500"); got != "timeout" {
		t.Errorf("nobody answers: %q", got)
	}
	g.unharmed()
}
