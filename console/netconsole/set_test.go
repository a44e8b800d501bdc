package netconsole

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/gasp-go/gasp/board/bootarg"
	"github.com/gasp-go/gasp/console"
	"github.com/gasp-go/gasp/stack/netdev"
	"github.com/gasp-go/gasp/stack/netpoll"
)

// newSet is a set with one device, which is up.
func newSet(t *testing.T) (*Set, *nic, *netpoll.Endpoint) {
	t.Helper()
	hw := &nic{}
	dev := netdev.New("eth0", [6]byte{2, 0, 0, 0, 0, 1}, 1500, hw, nil)
	if err := dev.Open(); err != nil {
		t.Fatal(err)
	}
	dev.SetCarrier(true)
	ep := netpoll.New(dev, nil)
	ep.SetLocal(netip.MustParseAddr("10.0.0.1"))
	s := NewSet(Env{
		Endpoint: func(c *Config) *netpoll.Endpoint {
			if c.Matches(dev) {
				return ep
			}
			return nil
		},
		Gateway: func(*netpoll.Endpoint, netip.Addr) netip.Addr { return netip.Addr{} },
		Options: Options{Release: "1.2.3"},
		Level:   console.Debug,
	})
	t.Cleanup(func() {
		for _, st := range s.List() {
			s.Remove(st.Name)
		}
	})
	return s, hw, ep
}

func targetTo(ip string) Attributes {
	a := Default()
	a.RemoteIP, a.RemoteMAC = netip.MustParseAddr(ip), MAC{2, 0, 0, 0, 0, 9}
	return a
}

// set changes one attribute.
func set(s *Set, name, doc string) error {
	return s.Change(name, func(a *Attributes) error { return json.Unmarshal([]byte(doc), a) })
}

// said has n lines logged and returns what of them is on the wire.
func said(hw *nic, lines ...string) string {
	hw.frames = nil
	for _, l := range lines {
		console.Log(console.Info, []byte(l))
		hw.queued = 0
	}
	for range 20 {
		console.Flush()
		hw.queued = 0
	}
	return hw.lines()
}

func TestATargetIsMadeChangedDisabledAndRemoved(t *testing.T) {
	s, hw, _ := newSet(t)
	if err := s.Create("a", targetTo("10.0.0.9")); err != nil {
		t.Fatal(err)
	}
	if got := said(hw, "not yet"); got != "" {
		t.Errorf("a disabled target got %q", got)
	}
	if err := set(s, "a", `{"enabled":true}`); err != nil {
		t.Fatal(err)
	}
	said(hw)
	if got := said(hw, "basic"); got != "basic\n" {
		t.Errorf("%q", got)
	}
	if err := set(s, "a", `{"extended":true,"userdata":{"k":"v","b":"1"},"msgid_enabled":true}`); err != nil {
		t.Fatal(err)
	}
	if got := said(hw, "x"); !strings.HasSuffix(got, ";x\n b=1\n k=v\n msgid=1\n") {
		t.Errorf("%q", got)
	}
	if err := set(s, "a", `{"userdata":{"k":null},"release":true}`); err != nil {
		t.Fatal(err)
	}
	if got := said(hw, "y"); !strings.HasPrefix(got, "1.2.3,") || !strings.HasSuffix(got, ";y\n b=1\n msgid=2\n") {
		t.Errorf("%q", got)
	}
	if err := set(s, "a", `{"enabled":false}`); err != nil {
		t.Fatal(err)
	}
	hw.frames = nil
	if got := said(hw, "while disabled 1", "while disabled 2"); got != "" {
		t.Errorf("%q", got)
	}
	hw.queued = 0
	if err := set(s, "a", `{"enabled":true,"extended":false,"release":false,"msgid_enabled":false}`); err != nil {
		t.Fatal(err)
	}
	first := hw.lines() // what the change itself had sent
	if got := first + said(hw); got != "netconsole: network logging stopped target=a\nwhile disabled 1\nwhile disabled 2\nnetconsole: network logging started target=a\n" {
		t.Errorf("resumed with %q", got)
	}
	st := s.List()
	if len(st) != 1 || st[0].Name != "a" || !st[0].Enabled || st[0].LocalMAC != (MAC{2, 0, 0, 0, 0, 1}) || st[0].Log.Written == 0 {
		t.Errorf("%+v", st)
	}
	if err := s.Remove("a"); err != nil {
		t.Fatal(err)
	}
	if got := said(hw, "gone"); got != "" || len(s.List()) != 0 {
		t.Errorf("%q, %v", got, s.List())
	}
	if err := s.Remove("a"); !errors.Is(err, ErrNotExist) {
		t.Error(err)
	}
}

func TestWhatIsLostWhileATargetIsDisabledIsTold(t *testing.T) {
	for _, extended := range []bool{false, true} {
		s, hw, _ := newSet(t)
		a := targetTo("10.0.0.9")
		a.Enabled, a.Extended = true, extended
		if err := s.Create("a", a); err != nil {
			t.Fatal(err)
		}
		for range 200 {
			said(hw)
		}
		set(s, "a", `{"enabled":false}`)
		before := s.List()[0].Log.Lost
		long := strings.Repeat("z", 1500)
		const n = 400
		for i := range n {
			console.Log(console.Info, fmt.Appendf(nil, "%d %s", i, long))
		}
		hw.frames, hw.queued = nil, 0
		set(s, "a", `{"enabled":true}`)
		got := strings.Split(strings.TrimSpace(hw.lines()), "\n")
		for range n {
			got = append(got, strings.Split(strings.TrimSpace(said(hw)), "\n")...)
		}
		text := got[0]
		if extended {
			_, text, _ = strings.Cut(got[0], ";")
		}
		var lost int // among them the notice that it was disabled
		if _, err := fmt.Sscanf(text, "** %d printk messages dropped **", &lost); err != nil || lost < n/4 || uint64(lost) != s.List()[0].Log.Lost-before {
			t.Errorf("%.80q: %v, %+v", got[0], err, s.List()[0].Log)
		}
		if i := strings.Index(strings.Join(got, "\n"), fmt.Sprintf("%d z", lost-1)); i < 0 || strings.Contains(strings.Join(got, "\n"), fmt.Sprintf("%d z", lost-2)) {
			t.Errorf("extended %v: not record %d comes after the notice of %d lost", extended, lost, lost)
		}
		s.Remove("a")
	}
}

func TestAChangeThatCannotBeChangesNothing(t *testing.T) {
	s, hw, _ := newSet(t)
	a := targetTo("10.0.0.9")
	a.Enabled = true
	if err := s.Create("a", a); err != nil {
		t.Fatal(err)
	}
	said(hw)
	for _, doc := range []string{
		`{"dev_name":"eth7"}`, `{"dev_name":""}`, `{"dev_name":"eth0.9999"}`, `{"dev_name":"eth0.100"}`, `{"dev_name":"a/b"}`,
		`{"local_ip":"fd00::1"}`, `{"remote_ip":""}`, `{"remote_ip":"0.0.0.0"}`, `{"remote_port":0}`, `{"release":true}`, `{"ncrx":true}`,
		`{"userdata":{"a b":"c"}}`, `{"userdata":{"":"c"}}`, `{"hmac_key":"00112233445566778899aabbccddeeff"}`, `{"extended":true,"hmac_key":"0011"}`,
		`{"hmac_key":"xx"}`, `{"remote_mac":"1"}`, `{"cpu_nr_enabled":true}`,
	} {
		if err := set(s, "a", doc); err == nil {
			t.Errorf("%s is taken", doc)
		} else if strings.Contains(err.Error(), "0011") {
			t.Errorf("%v tells the key", err)
		}
	}
	if got := said(hw, "still"); got != "still\n" {
		t.Errorf("%q", got)
	}
	for _, name := range []string{"", "a b", "a/b", strings.Repeat("x", 65)} {
		if s.Create(name, targetTo("10.0.0.9")) == nil {
			t.Errorf("%q is a name", name)
		}
	}
	if err := s.Create("a", targetTo("10.0.0.9")); !errors.Is(err, ErrExist) {
		t.Error(err)
	}
}

func TestAKeyIsNotShown(t *testing.T) {
	s, hw, _ := newSet(t)
	a := targetTo("10.0.0.9")
	a.Extended, a.Enabled = true, true
	const key = "00112233445566778899aabbccddeeff"
	a.HMACKey, _ = NewKey(key)
	if err := s.Create("a", a); err != nil {
		t.Fatal(err)
	}
	said(hw)
	if got := said(hw, "x"); !strings.Contains(got, ";x\n BOOTID=") || !strings.Contains(got, "\n HMAC=") {
		t.Errorf("%q", got)
	}
	b, err := json.Marshal(s.List())
	if out := string(b) + fmt.Sprintf("%v %+v %s", s.List(), s.List(), a.HMACKey); err != nil || strings.Contains(out, key) || strings.Contains(out, "17 34") || !strings.Contains(out, `"hmac_key":"set"`) {
		t.Errorf("%s", out)
	}
	if err := set(s, "a", `{"hmac_key":""}`); err != nil {
		t.Fatal(err)
	}
	if got := said(hw, "x"); strings.Contains(got, "HMAC") {
		t.Errorf("%q", got)
	}
}

// What a change that fails, or the program, does to attributes that it has is not a
// target's, at the next change either.
func TestAttributesAreATargetsOwn(t *testing.T) {
	s, hw, _ := newSet(t)
	a := targetTo("10.0.0.9")
	value := "1"
	a.Extended, a.Enabled, a.Userdata = true, true, map[string]*string{"k": &value}
	a.HMACKey, _ = NewKey("00112233445566778899aabbccddeeff")
	if err := s.Create("a", a); err != nil {
		t.Fatal(err)
	}
	said(hw)
	if err := set(s, "a", `{"hmac_key":"","remote_port":0}`); err == nil {
		t.Fatal("0 is a port")
	}
	s.Change("a", func(a *Attributes) error { *a.Userdata["k"] = "2"; return ErrExist })
	a.HMACKey.UnmarshalText(nil)
	a.Userdata["l"], value = &value, "3"
	st := s.List()[0]
	*st.Userdata["k"] = "4"
	if err := set(s, "a", `{"msgid_enabled":true}`); err != nil {
		t.Fatal(err)
	}
	if got := said(hw, "x"); !strings.Contains(got, ";x\n k=1\n msgid=1\n BOOTID=") || !strings.Contains(got, "\n HMAC=") {
		t.Errorf("%q", got)
	}
}

func TestTheNumberOfTargetsIsBounded(t *testing.T) {
	s, _, _ := newSet(t)
	for i := range MaxTargets {
		if err := s.Create(fmt.Sprint(i), Default()); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Create("more", Default()); !errors.Is(err, ErrTooMany) || len(s.List()) != MaxTargets {
		t.Errorf("%v, %d targets", err, len(s.List()))
	}
	s.Remove("7")
	if err := s.Create("more", Default()); err != nil {
		t.Error(err)
	}
}

func TestBootArgumentsSetAttributes(t *testing.T) {
	a := targetTo("10.0.0.9")
	args, errs := bootarg.Parse("netconsole.ncrx=on netconsole.msgid_enabled=off netconsole.cpu-nr-enabled=Y netconsole.taskname_enabled=0 " +
		"netconsole.release_enabled=1 netconsole.userdata=a=b=c \"netconsole.userdata=d=\u00a0\xff\"")
	for _, p := range args.NetconsoleParams {
		if err := a.Set(p); err != nil {
			t.Errorf("%v: %v", p, err)
		}
	}
	if len(errs) > 0 || !a.Ncrx || a.MsgIDEnabled || !a.CPUNrEnabled || a.TasknameEnabled || !a.ReleaseEnabled ||
		len(a.Userdata) != 2 || *a.Userdata["a"] != "b=c" || *a.Userdata["d"] != "\u00a0\xff" {
		t.Errorf("%v, %+v", errs, a)
	}
	args, _ = bootarg.Parse("netconsole.ncrx= netconsole.msgid_enabled=maybe netconsole.userdata=a netconsole.userdata=a/b=c netconsole.enabled=1")
	for _, p := range args.NetconsoleParams {
		if a.Set(p) == nil || !a.Ncrx || a.MsgIDEnabled || len(a.Userdata) != 2 {
			t.Errorf("%v is taken", p)
		}
	}
}

func TestATargetInAVLANSendsTaggedFrames(t *testing.T) {
	s, hw, ep := newSet(t)
	a := targetTo("10.9.0.9")
	a.DevName, a.LocalIP, a.Enabled = "eth0.100", netip.MustParseAddr("10.9.0.2"), true
	if err := s.Create("a", a); err != nil {
		t.Fatal(err)
	}
	console.Log(console.Info, []byte("x"))
	if len(hw.frames) == 0 || [4]byte(hw.frames[0][12:16]) != [4]byte{0x81, 0, 0, 100} {
		t.Fatalf("%x", hw.frames)
	}
	ask := append([]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, 9, 0x81, 0, 0, 100, 8, 6, 0, 1, 8, 0, 6, 4, 0, 1,
		2, 0, 0, 0, 0, 9, 10, 9, 0, 9, 0, 0, 0, 0, 0, 0, 10, 9, 0, 2}, make([]byte, 18)...)
	if !ep.Filter(ask) {
		t.Error("the target's VLAN is not netpoll's")
	}
	s.Remove("a")
	if ep.Filter(ask) {
		t.Error("it still is without the target")
	}
}

func TestTheConfigurationOfABootArgumentIsKept(t *testing.T) {
	for _, arg := range []string{"+r4444@10.0.0.1/eth0,9353@10.0.0.2/12:34:56:78:9a:bc", "@/02:00:00:00:00:01,@fd00::2/", "+@10.9.0.2/eth0.7,@10.9.0.1/"} {
		c, err := Parse(arg)
		if err != nil {
			t.Fatal(err)
		}
		a := Of(c)
		if got, _, err := a.config(); err != nil || got != c {
			t.Errorf("%s: %+v, want %+v (%v)", arg, got, c, err)
		}
	}
}
