package netdev

import (
	"slices"
	"strconv"
	"strings"
	"testing"
)

type value struct {
	name  string
	value uint64
}

func values(all []Param) (v []value) {
	for _, p := range all {
		v = append(v, value{p.Name, p.Get()})
	}
	return v
}

func TestSysctlsAreLinuxsAndSayWhatIsWrong(t *testing.T) {
	s := NewSoftnet(func() {})
	want := []value{
		{"dev_weight", 64}, {"netdev_budget", 300},
		{"netdev_budget_usecs", 2000}, {"netdev_max_backlog", 1000},
	}
	if got := values(s.Sysctls()); !slices.Equal(got, want) {
		t.Errorf("defaults %v, want %v", got, want)
	}
	for i := range want {
		want[i].value = 17
		if err := s.SetSysctl(want[i].name, " 17\n"); err != nil {
			t.Error(err)
		}
	}
	if got := values(s.Sysctls()); !slices.Equal(got, want) {
		t.Errorf("set to %v, want %v", got, want)
	}
	for _, bad := range [][2]string{
		{"netdev_budget", "0"}, {"netdev_budget", "-1"}, {"netdev_budget", ""}, {"netdev_budget", "12x"},
		{"netdev_budget", "99999999999999999999"}, {"netdev_budget_usecs", "4000001"},
		{"dev_weight", "0"}, {"dev_weight", "32769"}, {"netdev_max_backlog", "1048577"}, {"nonsense", "1"}, {"", ""},
	} {
		err := s.SetSysctl(bad[0], bad[1])
		if err == nil || !strings.Contains(err.Error(), "net.core."+bad[0]) {
			t.Errorf("%s=%q: %v", bad[0], bad[1], err)
		}
	}
	if got := values(s.Sysctls()); !slices.Equal(got, want) {
		t.Errorf("bad values left %v, want %v", got, want)
	}
}

func TestDeviceAttributesAreLinuxs(t *testing.T) {
	d := newDeferScene(t, 0, 0).dev
	for _, name := range []string{"gro_flush_timeout", "napi_defer_hard_irqs"} {
		if err := d.SetAttribute(name, "20000"); err != nil {
			t.Error(err)
		}
		for _, bad := range []string{"", "-1", "4294967296", "1us"} {
			if err := d.SetAttribute(name, bad); err == nil || !strings.Contains(err.Error(), "eth0/"+name) {
				t.Errorf("%s=%q: %v", name, bad, err)
			}
		}
	}
	if d.SetAttribute("mtu", "1500") == nil {
		t.Error("an unknown attribute was set")
	}
	if d.DeferHardIRQs() != 20000 || d.GROFlushTimeout() != 20000 {
		t.Errorf("%v", values(d.Attributes()))
	}
}

func TestWeightAndBudgetTakeEffectAtRunTime(t *testing.T) {
	s := NewSoftnet(func() {})
	var order []string
	a, b := newSource(s, "a", &order), newSource(s, "b", &order)
	a.waiting, b.waiting = 40, 40
	inTrap(func() { a.Schedule(); b.Schedule() })
	for name, v := range map[string]string{"dev_weight": "10", "netdev_budget": "30"} {
		if err := s.SetSysctl(name, v); err != nil {
			t.Fatal(err)
		}
	}
	if !s.Poll() || a.waiting != 20 || b.waiting != 30 {
		t.Errorf("left %d and %d, want 20 and 30", a.waiting, b.waiting)
	}
	if err := s.SetSysctl("dev_weight", "15"); err != nil {
		t.Fatal(err)
	}
	if !s.Poll() || a.waiting != 5 || b.waiting != 15 {
		t.Errorf("left %d and %d, want 5 and 15", a.waiting, b.waiting)
	}
}

// TestSettingsMayChangeWhilePolling is for the race detector.
func TestSettingsMayChangeWhilePolling(t *testing.T) {
	s := NewSoftnet(func() {})
	left := 20000
	var n NAPI
	n.Init(s, "n", 0, func(budget int) int {
		k := min(budget, left)
		left -= k
		if k < budget {
			n.CompleteDone(k)
		}
		return k
	})
	n.Enable()
	inTrap(func() { n.Schedule() })
	stop := make(chan bool)
	go func() {
		defer close(stop)
		for i := range 200 {
			v := string(rune('1' + i%9))
			for _, p := range s.Sysctls() {
				if err := s.SetSysctl(p.Name, v); err != nil {
					t.Error(err)
				}
			}
			s.NAPIStats()
			s.Stat()
		}
	}()
	for s.Poll() {
	}
	<-stop
	if left != 0 || n.Scheduled() || s.Stat().Bugs != 0 {
		t.Errorf("left %d, scheduled %v, %+v", left, n.Scheduled(), s.Stat())
	}
}

// FuzzSetting sets any parameter to any text: what is refused changes nothing,
// what is taken is within bounds.
func FuzzSetting(f *testing.F) {
	f.Add("netdev_budget", "300\n")
	f.Add("dev_weight", "-1")
	f.Add("netdev_max_backlog", "18446744073709551616")
	f.Add("gro_flush_timeout", "0x10")
	f.Add("napi_defer_hard_irqs", " 7 ")
	f.Fuzz(func(t *testing.T, name, text string) {
		s := NewSoftnet(func() {})
		d := New("eth0", [6]byte{2}, 1500, nil, s)
		before := append(values(s.Sysctls()), values(d.Attributes())...)
		err1, err2 := s.SetSysctl(name, text), d.SetAttribute(name, text)
		after := append(values(s.Sysctls()), values(d.Attributes())...)
		for i, v := range after {
			switch {
			case v == before[i]:
			case v.name != name || err1 != nil && err2 != nil:
				t.Errorf("%q=%q: %v, %v; %+v", name, text, err1, err2, v)
			case strings.TrimLeft(strings.TrimSpace(text), "0") != strings.TrimLeft(strconv.FormatUint(v.value, 10), "0"):
				t.Errorf("%q=%q: %+v", name, text, v)
			}
		}
	})
}
