package netconsole

import (
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/gasp-go/gasp/board/bootarg"
	"github.com/gasp-go/gasp/board/word"
	"github.com/gasp-go/gasp/console"
	"github.com/gasp-go/gasp/stack/netpoll"
)

// Attributes configure a target, with the names and meanings of the files that
// Linux has below /sys/kernel/config/netconsole/<target>/, and some of ours.
type Attributes struct {
	Enabled    bool       `json:"enabled"`
	Extended   bool       `json:"extended"`
	Release    bool       `json:"release"`
	DevName    string     `json:"dev_name"` // or a MAC address; eth0.100: VLAN 100
	LocalPort  uint16     `json:"local_port"`
	RemotePort uint16     `json:"remote_port"`
	LocalIP    netip.Addr `json:"local_ip"` // not valid: the interface's
	RemoteIP   netip.Addr `json:"remote_ip"`
	RemoteMAC  MAC        `json:"remote_mac"` // broadcast: it is looked for

	Userdata        map[string]*string `json:"userdata"` // in the order of the keys; nil removes one
	CPUNrEnabled    bool               `json:"cpu_nr_enabled"`
	TasknameEnabled bool               `json:"taskname_enabled"`
	ReleaseEnabled  bool               `json:"release_enabled"`
	MsgIDEnabled    bool               `json:"msgid_enabled"`

	Ncrx    bool `json:"ncrx"`               // answer receivers that ask for records again
	HMACKey *Key `json:"hmac_key,omitempty"` // sign records; empty: do not
}

// Default is a target as Linux creates one, disabled.
func Default() Attributes {
	return Attributes{DevName: DefaultDevice, LocalPort: DefaultLocalPort, RemotePort: DefaultRemotePort, RemoteMAC: netpoll.Broadcast}
}

// MAC is a MAC address, as text 02:00:00:00:00:01.
type MAC [6]byte

// MarshalText implements encoding.TextMarshaler.
func (m MAC) MarshalText() ([]byte, error) { return []byte(net.HardwareAddr(m[:]).String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler; no text is broadcast.
func (m *MAC) UnmarshalText(b []byte) (err error) {
	*m = netpoll.Broadcast
	if len(b) > 0 {
		*m, err = parseMAC(string(b))
	}
	return err
}

// Key is a secret: it can be set, and shows as whether it is.
type Key struct{ b []byte }

// NewKey takes a key in hexadecimal.
func NewKey(digits string) (*Key, error) {
	k := new(Key)
	return k, k.UnmarshalText([]byte(digits))
}

// MarshalText implements encoding.TextMarshaler without telling the key.
func (k *Key) MarshalText() ([]byte, error) { return []byte("set"), nil }

// String does not tell the key either.
func (k *Key) String() string { return "set" }

// UnmarshalText implements encoding.TextUnmarshaler: hexadecimal, or nothing.
// Errors do not tell what it was.
func (k *Key) UnmarshalText(b []byte) error {
	if len(b)%2 != 0 {
		return errors.New("the key has an odd number of hexadecimal digits")
	}
	key, err := hex.DecodeString(string(b))
	if err != nil {
		return errors.New("the key is not hexadecimal")
	}
	if n := len(key); n > 0 && (n < minKey || n > maxKey) {
		return fmt.Errorf("the key has %d bytes, not %d to %d", n, minKey, maxKey)
	}
	k.b = key
	return nil
}

// Set sets one attribute as the boot argument netconsole.<name>=<value> says it: user
// data, of which there may be more, or one of those that are on or off. After an error
// nothing is changed.
func (a *Attributes) Set(p bootarg.Param) error {
	switch p.Name {
	case "userdata":
		if err := checkUserdata(p.Value); err != nil {
			return err
		}
		k, v, _ := strings.Cut(p.Value, "=")
		if a.Userdata == nil {
			a.Userdata = map[string]*string{}
		}
		a.Userdata[k] = &v
	case "cpu_nr_enabled":
		return setBool(&a.CPUNrEnabled, p)
	case "taskname_enabled":
		return setBool(&a.TasknameEnabled, p)
	case "release_enabled":
		return setBool(&a.ReleaseEnabled, p)
	case "msgid_enabled":
		return setBool(&a.MsgIDEnabled, p)
	case "ncrx":
		return setBool(&a.Ncrx, p)
	default:
		return errors.New("no such attribute")
	}
	return nil
}

func setBool(b *bool, p bootarg.Param) error {
	on, err := p.Bool()
	if err == nil {
		*b = on
	}
	return err
}

// clone returns a copy that shares nothing that can be changed.
func (a *Attributes) clone() Attributes {
	c := *a
	c.Userdata = make(map[string]*string, len(a.Userdata))
	for k, v := range a.Userdata {
		if v != nil {
			value := *v
			v = &value
		}
		c.Userdata[k] = v
	}
	if a.HMACKey != nil {
		c.HMACKey = &Key{slices.Clone(a.HMACKey.b)}
	}
	return c
}

// config returns what the attributes say as a target's Config and Options.
func (a *Attributes) config() (Config, Options, error) {
	c := Config{
		Extended: a.Extended, Release: a.Release,
		LocalPort: a.LocalPort, RemotePort: a.RemotePort,
		LocalIP: a.LocalIP.Unmap(), RemoteIP: a.RemoteIP.Unmap(), RemoteMAC: a.RemoteMAC,
	}
	o := Options{
		Sysdata: Sysdata{CPU: a.CPUNrEnabled, Taskname: a.TasknameEnabled, Release: a.ReleaseEnabled, MsgID: a.MsgIDEnabled},
		Again:   a.Ncrx, Resolve: true,
	}
	if a.HMACKey != nil {
		o.Key = a.HMACKey.b
	}
	for _, k := range slices.Sorted(maps.Keys(a.Userdata)) {
		o.Userdata = append(o.Userdata, k+"="+*a.Userdata[k])
	}
	return c, o, c.setDevice(a.DevName)
}

// checkAddrs refuses addresses that nothing can be sent to or from.
func (a *Attributes) checkAddrs() error {
	for _, ip := range []netip.Addr{a.LocalIP, a.RemoteIP} {
		if ip.IsValid() && (ip.Zone() != "" || ip.IsUnspecified()) {
			return fmt.Errorf("%v is not an address of a host", ip)
		}
	}
	return nil
}

// Of returns the attributes of a configuration as Parse returns it, enabled.
func Of(c Config) Attributes {
	return Attributes{
		Enabled: true, Extended: c.Extended, Release: c.Release, DevName: c.DevName(),
		LocalPort: c.LocalPort, RemotePort: c.RemotePort, LocalIP: c.LocalIP, RemoteIP: c.RemoteIP, RemoteMAC: c.RemoteMAC,
	}
}

// Status is a target as List tells of it.
type Status struct {
	Name string `json:"name"`
	Attributes
	LocalMAC       MAC                  `json:"local_mac"`       // broadcast while it is disabled
	TransmitErrors uint64               `json:"transmit_errors"` // attempts to send that failed; the record is tried again
	Log            console.ConsoleStats `json:"log"`             // what it got from the log, and lost
	Stats          Stats                `json:"stats"`
}

// Env is what a Set needs of the system.
type Env struct {
	// Endpoint returns the way out through a device, nil if there is none.
	Endpoint func(c *Config) *netpoll.Endpoint

	// Gateway returns the router to an address, not valid if that is on the link.
	Gateway func(ep *netpoll.Endpoint, to netip.Addr) netip.Addr

	// Options has the system's part of the options of each target: Time,
	// Release, BootID, Now.
	Options Options

	// Level is the least important level that targets get.
	Level console.Level
}

// Set is the targets of a system (Linux: /sys/kernel/config/netconsole). Unlike
// there, everything may be changed while a target is enabled: from one record to
// the next it is sent the new way. A target that is disabled keeps its place in
// the log and goes on from there when it is enabled again. Its methods are for
// any goroutine.
type Set struct {
	env Env

	mu      sync.Mutex
	members []*member
	tagged  map[*netpoll.Endpoint][]netpoll.VLANAddr // as told to them
}

// member is a target of a set, in one of its forms after another.
type member struct {
	name string
	a    Attributes
	reg  *console.Registration // nil: not enabled yet
	ep   *netpoll.Endpoint     // of cur
	gw   netip.Addr
	cur  atomic.Pointer[Target] // nil while it is disabled
}

// NewSet returns a set without targets.
func NewSet(env Env) *Set { return &Set{env: env, tagged: map[*netpoll.Endpoint][]netpoll.VLANAddr{}} }

// MaxTargets bounds the targets of a set, most of which are disabled:
// console.MaxConsoles is how many consoles of all kinds there may be.
const MaxTargets = 64

// Errors of a Set.
var (
	ErrTooMany  = fmt.Errorf("netconsole: there are %d targets", MaxTargets)
	ErrExist    = errors.New("netconsole: there is such a target")
	ErrNotExist = errors.New("netconsole: no such target")
)

// Write implements console.Console. Trap context.
func (m *member) Write(r *console.Record) bool {
	t := word.LoadPointer(&m.cur)
	return t != nil && t.Write(r)
}

// Panic implements console.PanicConsole. Trap context.
func (m *member) Panic() {
	if t := m.cur.Load(); t != nil {
		t.Panic()
	}
}

// Previous implements console.PreviousConsole.
func (m *member) Previous() {}

// Create makes a target, enabled if a says so (Linux: mkdir).
func (s *Set) Create(name string, a Attributes) error {
	if name == "" || len(name) > 64 || strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r >= 0x7f || r == '/' }) {
		return fmt.Errorf("netconsole: %q is not a name", name)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.find(name) != nil {
		return ErrExist
	}
	if len(s.members) >= MaxTargets {
		return ErrTooMany
	}
	m := &member{name: name}
	if err := s.apply(m, a); err != nil {
		return err
	}
	s.members = append(s.members, m)
	s.vlans()
	m.tell(false)
	return nil
}

// Change has fn change a copy of the attributes, which is applied as a whole if
// fn and everything else succeed; otherwise nothing changes.
func (s *Set) Change(name string, fn func(*Attributes) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := s.find(name)
	if m == nil {
		return ErrNotExist
	}
	a := m.a.clone()
	if err := fn(&a); err != nil {
		return err
	}
	was := m.a.Enabled
	if err := s.apply(m, a); err != nil {
		return err
	}
	m.tell(was)
	return nil
}

// tell says in the log what became of a target that was enabled or not.
func (m *member) tell(was bool) {
	if m.a.Enabled != was {
		text := "netconsole: network logging stopped target="
		if m.a.Enabled {
			text = "netconsole: network logging started target="
		}
		console.Log(console.Info, []byte(text+m.name))
	}
}

// Remove removes a target (Linux: rmdir).
func (s *Set) Remove(name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := s.find(name)
	if m == nil {
		return ErrNotExist
	}
	s.replace(m, nil, nil)
	if m.reg != nil {
		m.reg.Unregister()
	}
	was := m.a.Enabled
	m.a.Enabled = false
	m.tell(was)
	s.members = slices.DeleteFunc(s.members, func(o *member) bool { return o == m })
	s.vlans()
	return nil
}

func (s *Set) find(name string) *member {
	for _, m := range s.members {
		if m.name == name {
			return m
		}
	}
	return nil
}

// apply makes m what a says.
func (s *Set) apply(m *member, a Attributes) error {
	a = a.clone()
	maps.DeleteFunc(a.Userdata, func(_ string, v *string) bool { return v == nil })
	if a.HMACKey != nil && len(a.HMACKey.b) == 0 {
		a.HMACKey = nil
	}
	c, o, err := a.config()
	if err == nil {
		err = a.checkAddrs()
	}
	if err != nil {
		return fmt.Errorf("netconsole: %w", err)
	}
	a.LocalIP, a.RemoteIP = c.LocalIP, c.RemoteIP
	for _, kv := range o.Userdata {
		if err := checkUserdata(kv); err != nil {
			return err
		}
	}
	if len(o.Userdata) > MaxUserdataItems {
		return fmt.Errorf("netconsole: more than %d entries of user data", MaxUserdataItems)
	}
	if !a.Enabled {
		m.a = a
		s.replace(m, nil, nil)
		s.vlans()
		return nil
	}
	if err := c.check(); err != nil {
		return fmt.Errorf("netconsole: %w", err)
	}
	ep := s.env.Endpoint(&c)
	if ep == nil {
		return fmt.Errorf("netconsole: no such device: %s", a.DevName)
	}
	env := &s.env.Options
	o.Time, o.Release, o.BootID, o.Now, o.Read = env.Time, env.Release, env.BootID, env.Now, env.Read
	gw := netip.Addr{}
	if c.VLAN == 0 {
		gw = s.env.Gateway(ep, c.RemoteIP)
	}
	o.Gateway = gw
	t, err := New(c, ep, o)
	if err != nil {
		return err
	}
	if old := m.cur.Load(); old != nil {
		t.msgcounter = old.Stats().counter
	}
	if err := ep.HandleUDP(c.LocalPort, t); err != nil {
		return err
	}
	if m.reg == nil {
		// It gets the log from its beginning when it is registered.
		m.cur.Store(t)
		reg, err := console.Register(m, s.env.Level)
		if err != nil {
			m.cur.Store(nil)
			ep.RemoveUDP(t)
			return err
		}
		m.reg = reg
		m.ep = ep
	} else {
		s.replace(m, t, ep)
	}
	m.a, m.gw = a, gw
	s.vlans()
	return nil
}

// replace makes t, reached through ep, what m sends with.
func (s *Set) replace(m *member, t *Target, ep *netpoll.Endpoint) {
	old, oldEP := m.cur.Load(), m.ep
	m.cur.Store(t)
	m.ep = ep
	if old != nil {
		oldEP.RemoveUDP(old)
	}
}

// vlans tells the endpoints which addresses they have in VLANs.
func (s *Set) vlans() {
	addrs := s.tagged
	for ep := range addrs {
		addrs[ep] = nil
	}
	for _, m := range s.members {
		if t := m.cur.Load(); t != nil && t.cfg.VLAN != 0 {
			a := netpoll.VLANAddr{VLAN: t.cfg.VLAN, Addr: t.cfg.LocalIP}
			if !slices.Contains(addrs[m.ep], a) {
				addrs[m.ep] = append(addrs[m.ep], a)
			}
		}
	}
	for ep, a := range addrs {
		ep.SetVLANAddrs(a...)
	}
}

// Rerouted is to be called when what Env.Gateway says may have changed.
func (s *Set) Rerouted() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range s.members {
		t := m.cur.Load()
		if t == nil || t.cfg.VLAN != 0 {
			continue
		}
		if gw := s.env.Gateway(m.ep, t.cfg.RemoteIP); gw != m.gw {
			m.gw = gw
			t.SetGateway(gw)
		}
	}
}

// List returns the targets in the order they were made. Keys are not shown.
func (s *Set) List() []Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := []Status{}
	for _, m := range s.members {
		st := Status{Name: m.name, Attributes: m.a.clone(), LocalMAC: netpoll.Broadcast}
		if t := m.cur.Load(); t != nil {
			st.LocalMAC = m.ep.Device().MAC()
			st.Stats = t.Stats()
			st.TransmitErrors = st.Stats.Refused
		}
		if m.reg != nil {
			st.Log = m.reg.Stats()
		}
		list = append(list, st)
	}
	return list
}
