// Package netconsole is a console that sends the log as UDP datagrams, in the
// formats of Linux's netconsole, so that the receivers of that work here. It
// uses netpoll: a line leaves when it is logged, whatever state the stack and
// the runtime are in, and goes on doing so in a panic.
package netconsole

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"

	"github.com/gasp-go/gasp/stack/netdev"
	"github.com/gasp-go/gasp/stack/netpoll"
)

// Ports and device that a configuration leaves out.
const (
	DefaultLocalPort  = 6665
	DefaultRemotePort = 6666
	DefaultDevice     = "eth0"
)

// Config is one target, as in Linux's admin-guide/netconsole:
//
//	[+][r][sport]@[sip]/[dev|MAC],[dport]@<dip>/[dmac]
type Config struct {
	Extended   bool // "+": the extended format, with level, sequence number and dictionary
	Release    bool // "r": the release in front of each record; needs "+"
	LocalPort  uint16
	RemotePort uint16
	LocalIP    netip.Addr // invalid: the device's own
	RemoteIP   netip.Addr
	Device     string  // name of the device, without a VLAN's number; "" if DeviceMAC is given
	VLAN       uint16  // of a device named as eth0.100; 0: none
	DeviceMAC  [6]byte // or its MAC address
	RemoteMAC  [6]byte // of the target or the router to it; broadcast if left out
}

// Parse parses one target.
func Parse(s string) (Config, error) {
	c := Config{
		LocalPort:  DefaultLocalPort,
		RemotePort: DefaultRemotePort,
		Device:     DefaultDevice,
		RemoteMAC:  netpoll.Broadcast,
	}
	if err := c.parse(s); err != nil {
		return Config{}, fmt.Errorf("netconsole %q: %w", s, err)
	}
	return c, nil
}

func (c *Config) parse(s string) error {
	s, c.Extended = strings.CutPrefix(s, "+")
	s, c.Release = strings.CutPrefix(s, "r")
	if c.Release && !c.Extended {
		return errors.New(`"r" needs the extended format "+"`)
	}
	sport, s, ok1 := strings.Cut(s, "@")
	sip, s, ok2 := strings.Cut(s, "/")
	dev, s, ok3 := strings.Cut(s, ",")
	dport, s, ok4 := strings.Cut(s, "@")
	dip, dmac, ok5 := strings.Cut(s, "/")
	if !ok1 || !ok2 || !ok3 || !ok4 || !ok5 {
		return errors.New("want [+][r][sport]@[sip]/[dev],[dport]@<dip>/[dmac]")
	}
	var err error
	if sport != "" {
		if c.LocalPort, err = parsePort(sport); err != nil {
			return err
		}
	}
	if dport != "" {
		if c.RemotePort, err = parsePort(dport); err != nil {
			return err
		}
	}
	if sip != "" {
		if c.LocalIP, err = parseIP(sip); err != nil {
			return err
		}
	}
	if c.RemoteIP, err = parseIP(dip); err != nil {
		return err
	}
	if dev != "" {
		if err := c.setDevice(dev); err != nil {
			return err
		}
	}
	if dmac != "" {
		if c.RemoteMAC, err = parseMAC(dmac); err != nil {
			return err
		}
	}
	return c.check()
}

// maxDevice is the longest name of a device (Linux: IFNAMSIZ less one).
const maxDevice = 15

// setDevice takes the name of a device, with a VLAN's number or without, or its
// MAC address.
func (c *Config) setDevice(s string) error {
	if mac, err := parseMAC(s); err == nil {
		c.Device, c.DeviceMAC, c.VLAN = "", mac, 0
		return nil
	}
	name, vlan, tagged := strings.Cut(s, ".")
	if name == "" || len(s) > maxDevice || strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r >= 0x7f || r == '/' }) {
		return fmt.Errorf("%q is not a device", s)
	}
	c.Device, c.DeviceMAC, c.VLAN = name, [6]byte{}, 0
	if tagged {
		n, err := strconv.ParseUint(vlan, 10, 16)
		if err != nil || n < 1 || n > 4094 {
			return fmt.Errorf("%q is not a VLAN, 1 to 4094", vlan)
		}
		c.VLAN = uint16(n)
	}
	return nil
}

// DevName returns the device as it is configured: its name, or MAC address.
func (c *Config) DevName() string {
	switch {
	case c.Device == "":
		return net.HardwareAddr(c.DeviceMAC[:]).String()
	case c.VLAN != 0:
		return c.Device + "." + strconv.Itoa(int(c.VLAN))
	}
	return c.Device
}

// check looks at what the fields must be together.
func (c *Config) check() error {
	switch {
	case c.Release && !c.Extended:
		return errors.New("the release needs the extended format")
	case !c.RemoteIP.IsValid():
		return errors.New("no target address")
	case c.LocalPort == 0 || c.RemotePort == 0:
		return errors.New("0 is not a port")
	case c.LocalIP.IsValid() && c.LocalIP.Is4() != c.RemoteIP.Is4():
		return errors.New("source and target address differ in family")
	case c.VLAN != 0 && !c.LocalIP.IsValid():
		return errors.New("a target in a VLAN needs a source address")
	}
	return nil
}

func parsePort(s string) (uint16, error) {
	n, err := strconv.ParseUint(s, 10, 16)
	if err != nil || n == 0 {
		return 0, fmt.Errorf("%q is not a port", s)
	}
	return uint16(n), nil
}

func parseIP(s string) (netip.Addr, error) {
	a, err := netip.ParseAddr(s)
	if err != nil || a.Zone() != "" || a.IsUnspecified() {
		return netip.Addr{}, fmt.Errorf("%q is not an address", s)
	}
	return a.Unmap(), nil
}

func parseMAC(s string) (mac [6]byte, err error) {
	m, err := net.ParseMAC(s)
	if err != nil || len(m) != 6 || !strings.Contains(s, ":") {
		return mac, fmt.Errorf("%q is not a MAC address", s)
	}
	return [6]byte(m), nil
}

// Matches reports whether the target is to be reached through dev.
func (c *Config) Matches(dev *netdev.Device) bool {
	if c.Device != "" {
		return dev.Name() == c.Device
	}
	return dev.MAC() == c.DeviceMAC
}
