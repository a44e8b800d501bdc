package bootarg

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
)

// Auto is how a device gets the addresses that ip= does not give.
type Auto uint8

const (
	AutoNone Auto = iota // off, none: not at all
	AutoDHCP             // dhcp
	AutoAny              // on, any: by whatever works (DHCP)
)

func (a Auto) String() string {
	switch a {
	case AutoDHCP:
		return "dhcp"
	case AutoAny:
		return "any"
	}
	return "none"
}

// IP is one ip= argument. Linux describes it in admin-guide/nfs/nfsroot:
//
//	ip=<client>:<server>:<gateway>:<netmask>:<hostname>:<device>:<autoconf>:<dns0>:<dns1>:<ntp0>
//	ip=dhcp|on|any|off|none
//
// Fields that were left out are invalid addresses and empty strings.
type IP struct {
	Client   netip.Prefix // address and netmask; without a netmask that of its class, as in Linux
	Server   netip.Addr
	Gateway  netip.Addr
	Hostname string
	Device   string // "": every device
	Auto     Auto
	DNS      [2]netip.Addr
	NTP      netip.Addr
}

const maxHostname = 64 // __NEW_UTS_LEN

// ParseIP parses the value of an ip= argument. An empty value means off, as in
// Linux. An empty autoconf field means none if a client address is given, and
// any otherwise: what Linux ends up doing.
func ParseIP(value string) (IP, error) {
	var ip IP
	if value == "" {
		return ip, nil
	}
	if !strings.Contains(value, ":") {
		if auto, err := parseAuto(value); err == nil {
			ip.Auto = auto
			return ip, nil
		} else if !startsWithDigit(value) {
			return IP{}, err
		}
	}
	f := strings.Split(value, ":")
	if len(f) > 10 {
		return IP{}, fmt.Errorf("%d fields, at most 10 are defined", len(f))
	}
	f = append(f, make([]string, 10-len(f))...)

	var client, mask netip.Addr
	for _, field := range []struct {
		name string
		text string
		addr *netip.Addr
	}{
		{"client", f[0], &client},
		{"server", f[1], &ip.Server},
		{"gateway", f[2], &ip.Gateway},
		{"netmask", f[3], &mask},
		{"first DNS", f[7], &ip.DNS[0]},
		{"second DNS", f[8], &ip.DNS[1]},
		{"NTP", f[9], &ip.NTP},
	} {
		if field.text == "" {
			continue
		}
		addr, err := netip.ParseAddr(field.text)
		if err != nil || !addr.Is4() {
			return IP{}, fmt.Errorf("%s %q is not an IPv4 address", field.name, field.text)
		}
		*field.addr = addr
	}
	if ip.Hostname = f[4]; len(ip.Hostname) > maxHostname {
		return IP{}, fmt.Errorf("host name longer than %d bytes", maxHostname)
	}
	ip.Device = f[5]

	if client.IsValid() && client.IsUnspecified() {
		client = netip.Addr{} // 0.0.0.0: not given
	}
	if client.IsValid() {
		if client.IsMulticast() || client.As4() == [4]byte{255, 255, 255, 255} {
			return IP{}, fmt.Errorf("client %v is not a host address", client)
		}
		bits, err := maskBits(client, mask)
		if err != nil {
			return IP{}, err
		}
		ip.Client = netip.PrefixFrom(client, bits)
	} else if mask.IsValid() {
		if _, err := maskBits(mask, mask); err != nil {
			return IP{}, err
		}
	}

	switch {
	case f[6] != "":
		auto, err := parseAuto(f[6])
		if err != nil {
			return IP{}, err
		}
		ip.Auto = auto
	case !client.IsValid():
		ip.Auto = AutoAny
	}
	return ip, nil
}

func startsWithDigit(s string) bool { return s[0] >= '0' && s[0] <= '9' }

func parseAuto(s string) (Auto, error) {
	switch s {
	case "off", "none":
		return AutoNone, nil
	case "on", "any":
		return AutoAny, nil
	case "dhcp":
		return AutoDHCP, nil
	case "bootp", "rarp", "both":
		return 0, fmt.Errorf("%s is not supported, use dhcp", s)
	}
	return 0, fmt.Errorf("%q is no way to configure (dhcp, on, any, off, none)", s)
}

// maskBits returns the prefix length of a netmask. Without a mask it is that
// of the address's class.
func maskBits(addr, mask netip.Addr) (int, error) {
	if !mask.IsValid() || mask.IsUnspecified() {
		switch first := addr.As4()[0]; {
		case first < 128:
			return 8, nil
		case first < 192:
			return 16, nil
		case first < 224:
			return 24, nil
		}
		return 0, errors.New("no netmask, and the client address has no class that tells it")
	}
	m := mask.As4()
	v := uint32(m[0])<<24 | uint32(m[1])<<16 | uint32(m[2])<<8 | uint32(m[3])
	bits := 0
	for v&(1<<31) != 0 {
		v <<= 1
		bits++
	}
	if v != 0 {
		return 0, fmt.Errorf("netmask %v has holes", mask)
	}
	return bits, nil
}
