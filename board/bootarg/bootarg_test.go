package bootarg

import (
	"errors"
	"net/netip"
	"reflect"
	"strings"
	"testing"
)

func addr(s string) netip.Addr { return netip.MustParseAddr(s) }

func TestAnEmptyLineGivesTheDefaults(t *testing.T) {
	for _, line := range []string{"", "   \t\n", "\x00panic=5"} {
		a, errs := Parse(line)
		if len(errs) != 0 {
			t.Errorf("%q: %v", line, errs)
		}
		want := Args{LogLevel: 7, PrintkTime: true, Watchdog: Watchdog{Thresh: 10, Hard: true, Soft: true}, Gasp: map[string]string{}}
		if !reflect.DeepEqual(a, want) {
			t.Errorf("%q: %+v", line, a)
		}
	}
}

func TestEveryArgumentOfAFullLineIsUsed(t *testing.T) {
	a, errs := Parse("ip=dhcp netconsole=+6665@10.0.2.15/eth0,6666@10.0.2.2/ panic=-1 quiet mem=64M " +
		"printk.time=0 log_buf_len=1M ramoops.mem_size=0 ramoops.mem_address=0x80100000 ramoops.record_size=8K ramoops.console-size=0x4000 gasp.watchdog=10 gasp.trace root=/dev/nfs rw -- -v one=two")
	if len(errs) != 0 {
		t.Fatal(errs)
	}
	want := Args{
		IP:         []IP{{Auto: AutoDHCP}},
		Netconsole: []string{"+6665@10.0.2.15/eth0,6666@10.0.2.2/"},
		Panic:      -1,
		Watchdog:   Watchdog{Thresh: 10, Hard: true, Soft: true},
		LogLevel:   4,
		Mem:        64 << 20,
		LogBufLen:  1 << 20,

		RecordSize: 8 << 10, ConsoleSize: 16 << 10, RamoopsOff: true,

		Gasp:    map[string]string{"watchdog": "10", "trace": ""},
		Unknown: []Param{{"root", "/dev/nfs", true}, {Name: "rw"}},
		Init:    []string{"-v", "one=two"},
	}
	if !reflect.DeepEqual(a, want) {
		t.Errorf("got  %+v\nwant %+v", a, want)
	}
}

func TestSeveralNetconsoleTargetsAddUp(t *testing.T) {
	a, errs := Parse(`netconsole="@/,@10.0.0.1/;@/,7@10.0.0.2/" netconsole=;@/,@10.0.0.3/;`)
	if len(errs) != 0 {
		t.Fatal(errs)
	}
	want := []string{"@/,@10.0.0.1/", "@/,7@10.0.0.2/", "@/,@10.0.0.3/"}
	if !reflect.DeepEqual(a.Netconsole, want) {
		t.Errorf("%q", a.Netconsole)
	}
}

func TestSysctlsKeepTheirOrderAndMayHaveSlashes(t *testing.T) {
	a, errs := Parse(`sysctl.net.core.netdev_budget=600 sysctl.net/core/dev_weight=32 sysctl.b="x y" sysctl.a=`)
	want := []Param{
		{"net.core.netdev_budget", "600", true}, {"net.core.dev_weight", "32", true},
		{"b", "x y", true}, {"a", "", true},
	}
	if len(errs) != 0 || !reflect.DeepEqual(a.Sysctl, want) || a.Unknown != nil {
		t.Errorf("%v, %+v", errs, a)
	}
}

func TestTheLastLogLevelWins(t *testing.T) {
	for line, want := range map[string]int{
		"quiet debug":            10,
		"debug quiet":            4,
		"quiet loglevel=6":       6,
		"loglevel=3 loglevel=no": 3,
		"loglevel=0":             0,
		"ignore_loglevel quiet":  10,
		"ignore_loglevel=0":      7,
	} {
		if a, _ := Parse(line); a.LogLevel != want {
			t.Errorf("%q: %d, want %d", line, a.LogLevel, want)
		}
	}
}

func TestTheLockupDetectorsAreLinuxs(t *testing.T) {
	for line, want := range map[string]Watchdog{
		"":                                      {10, true, true, false},
		"watchdog_thresh=60":                    {60, true, true, false},
		"watchdog_thresh=0 nmi_watchdog=0":      {0, false, true, false},
		"nowatchdog":                            {10, false, false, false},
		"nowatchdog nmi_watchdog=1":             {10, true, false, false},
		"nosoftlockup softlockup-panic=1":       {10, true, false, true},
		"softlockup_panic=1 softlockup_panic=0": {10, true, true, false},
	} {
		if a, errs := Parse(line); a.Watchdog != want || len(errs) != 0 {
			t.Errorf("%q: %+v %v", line, a.Watchdog, errs)
		}
	}
	if a, errs := Parse("GOTRACEBACK=single"); a.Traceback != "single" || len(errs) != 0 {
		t.Errorf("%+v %v", a, errs)
	}
}

func TestABadArgumentIsOneErrorAndIgnored(t *testing.T) {
	for _, arg := range []string{
		"panic=", "panic", "panic=soon", "panic=99999999999", "panic=1_0",
		"loglevel=-1", "loglevel=16", "loglevel=x",
		"quiet=1", "debug=", "ignore_loglevel=x", "log_buf_len=", "log_buf_len=0", "log_buf_len=1MB",
		"nowatchdog=1", "nosoftlockup=0", "nmi_watchdog=2", "nmi_watchdog", "softlockup_panic=yes",
		"watchdog_thresh=-1", "watchdog_thresh=61", "watchdog_thresh=", "GOTRACEBACK=loud", "GOTRACEBACK=crash",
		"ramoops.mem_size=", "ramoops.mem_address=here", "ramoops.record_size=0", "ramoops.console_size=4KB",
		"mem=0", "mem=", "mem=M", "mem=64MB", "mem=-1", "mem=99999999999G", "mem=64M@0x80000000",
		"printk.time=maybe", "printk.time=",
		"netconsole=", "netconsole", "netconsole=;;",
		"gasp.=1", "sysctl.=1", "sysctl.net.core.netdev_budget", "sysctl.",
		"ip=bootp", "ip=both", "ip=rarp", "ip=hello", "ip=1.2.3", "ip=1.2.3.4.5", "ip=256.1.1.1",
		"ip=fe80::1", "ip=10.0.0.1:x", "ip=10.0.0.1:::255.0.255.0", "ip=:::255.0.255.0",
		"ip=10.0.0.1::::::bootp", "ip=10.0.0.1:::::::::::", "ip=224.0.0.1", "ip=255.255.255.255",
		"ip=240.0.0.1", "ip=::::" + strings.Repeat("h", 65),
	} {
		a, errs := Parse("loglevel=5 " + arg + " panic=3")
		if len(errs) != 1 {
			t.Errorf("%s: errors %v", arg, errs)
			continue
		}
		var e *Error
		if !errors.As(errs[0], &e) || e.Arg != arg || e.Reason == "" {
			t.Errorf("%s: %v", arg, errs[0])
		}
		want := Args{LogLevel: 5, PrintkTime: true, Panic: 3, Gasp: map[string]string{}, Watchdog: Watchdog{Thresh: 10, Hard: true, Soft: true}}
		if !reflect.DeepEqual(a, want) {
			t.Errorf("%s: changed %+v", arg, a)
		}
	}
}

func TestQuotesAreLinuxs(t *testing.T) {
	for _, tt := range []struct {
		line string
		want []Param
	}{
		{`a="b c" d`, []Param{{"a", "b c", true}, {Name: "d"}}},
		{`"a=b c" d`, []Param{{"a", "b c", true}, {Name: "d"}}},
		{`"a b"`, []Param{{Name: "a b"}}},
		{`a=b"c d"e`, []Param{{"a", `b"c d"e`, true}}},
		{`a="unterminated b`, []Param{{"a", "unterminated b", true}}},
		{`a="" b=`, []Param{{"a", "", true}, {"b", "", true}}},
		{`"`, []Param{{}}},
		{`a=b=c`, []Param{{"a", "b=c", true}}},
		{"\xa0\xffa\xa0", []Param{{Name: "\xffa"}}},
		{"a\tb\nc\vd", []Param{{Name: "a"}, {Name: "b"}, {Name: "c"}, {Name: "d"}}},
	} {
		a, errs := Parse(tt.line)
		if len(errs) != 0 || !reflect.DeepEqual(a.Unknown, tt.want) {
			t.Errorf("%s: %+v %v", tt.line, a.Unknown, errs)
		}
	}
}

func TestIPUnderstandsTheWholeNfsrootSyntax(t *testing.T) {
	for _, tt := range []struct {
		value string
		want  IP
	}{
		{"", IP{}},
		{"off", IP{}},
		{"none", IP{}},
		{"dhcp", IP{Auto: AutoDHCP}},
		{"on", IP{Auto: AutoAny}},
		{"any", IP{Auto: AutoAny}},
		{":::::eth1:dhcp", IP{Device: "eth1", Auto: AutoDHCP}},
		{"::::board::", IP{Hostname: "board", Auto: AutoAny}},
		{"0.0.0.0:::::eth0", IP{Device: "eth0", Auto: AutoAny}},
		{"10.1.2.3", IP{Client: netip.MustParsePrefix("10.1.2.3/8")}},
		{"172.16.0.1:::0.0.0.0", IP{Client: netip.MustParsePrefix("172.16.0.1/16")}},
		{"192.168.0.9::", IP{Client: netip.MustParsePrefix("192.168.0.9/24")}},
		{"192.168.0.9:::255.255.255.255", IP{Client: netip.MustParsePrefix("192.168.0.9/32")}},
		{"10.0.2.15:10.0.2.2:10.0.2.3:255.255.255.0:gasp:eth0:off:10.0.2.4:10.0.2.5:10.0.2.6", IP{
			Client: netip.MustParsePrefix("10.0.2.15/24"), Server: addr("10.0.2.2"), Gateway: addr("10.0.2.3"),
			Hostname: "gasp", Device: "eth0", DNS: [2]netip.Addr{addr("10.0.2.4"), addr("10.0.2.5")}, NTP: addr("10.0.2.6"),
		}},
		{"10.0.2.15:::::eth0:dhcp", IP{Client: netip.MustParsePrefix("10.0.2.15/8"), Device: "eth0", Auto: AutoDHCP}},
	} {
		got, err := ParseIP(tt.value)
		if err != nil || got != tt.want {
			t.Errorf("ip=%s: %+v %v", tt.value, got, err)
		}
	}
}

func TestADeviceGetsItsOwnIPBeforeTheGeneralOne(t *testing.T) {
	a, _ := Parse("ip=10.0.0.1:::::eth0 ip=dhcp ip=off")
	if ip, ok := a.IPFor("eth0"); !ok || !ip.Client.IsValid() {
		t.Errorf("eth0: %+v", ip)
	}
	if ip, ok := a.IPFor("eth1"); !ok || ip.Auto != AutoNone || ip.Client.IsValid() {
		t.Errorf("eth1: %+v", ip)
	}
	a, _ = Parse("ip=:::::eth0:dhcp")
	if _, ok := a.IPFor("eth1"); ok {
		t.Error("eth1 got the configuration of eth0")
	}
}

func FuzzParse(f *testing.F) {
	f.Add(`ip=10.0.2.15:10.0.2.2::255.255.255.0:gasp:eth0:off panic=5 quiet`)
	f.Add(`netconsole="+r@/eth0,@10.0.0.1/;@/,7@10.0.0.2/" mem=64M loglevel=7 -- a "b c"`)
	f.Add("a=\"\xa0\" \"=x\" = -- =")
	f.Fuzz(func(t *testing.T, line string) {
		a, errs := Parse(line)
		for _, err := range errs {
			var e *Error
			if !errors.As(err, &e) || strings.ContainsRune(e.Reason, 0) {
				t.Errorf("bad error %v", err)
			}
		}
		if a.LogLevel < 0 || a.LogLevel > 15 || len(errs) > len(line) {
			t.Errorf("%+v", a)
		}
		for _, ip := range a.IP {
			if ip.Client.IsValid() && !ip.Client.Addr().Is4() {
				t.Errorf("%+v", ip)
			}
		}
	})
}

func FuzzParseIP(f *testing.F) {
	f.Add("10.0.2.15:10.0.2.2:10.0.2.2:255.255.255.0:gasp:eth0:off:1.1.1.1:8.8.8.8:10.0.0.9")
	f.Add("dhcp")
	f.Add("10.0.0.1::::")
	f.Fuzz(func(t *testing.T, s string) {
		ip, err := ParseIP(s)
		if err != nil {
			return
		}
		for _, a := range append(ip.DNS[:], ip.Server, ip.Gateway, ip.NTP) {
			if a.IsValid() && !a.Is4() {
				t.Errorf("%q: %v", s, a)
			}
		}
		if c := ip.Client; len(ip.Hostname) > maxHostname || c.IsValid() && (!c.Addr().Is4() || c.Addr().IsMulticast() || c.Addr().IsUnspecified()) {
			t.Errorf("%q: %+v", s, ip)
		}
	})
}

func FuzzParseSize(f *testing.F) {
	for _, s := range []string{"64M", "0x10k", "17179869184G", "1", "0", "_1", "M"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		n, err := ParseSize(s)
		if err != nil {
			return
		}
		// The value divided by its suffix is the number in front of it.
		if digits := strings.TrimRight(s, "kKmMgG"); digits != s {
			unit := map[byte]uint64{'k': 1 << 10, 'm': 1 << 20, 'g': 1 << 30}[s[len(s)-1]|0x20]
			if m, err := ParseSize(digits); err != nil || m != n/unit || n%unit != 0 {
				t.Errorf("%q is %d, and %q %d, %v", s, n, digits, m, err)
			}
		}
		if n == 0 {
			t.Errorf("%q is 0", s)
		}
	})
}

func TestNetconsoleParametersAreKeptByName(t *testing.T) {
	a, errs := Parse("netconsole.ncrx=1 netconsole.cpu-nr-enabled=0 netconsole.userdata=a-b=c netconsole.x")
	want := []Param{{"ncrx", "1", true}, {"cpu_nr_enabled", "0", true}, {"userdata", "a-b=c", true}}
	if len(errs) != 0 || !reflect.DeepEqual(a.NetconsoleParams, want) || len(a.Unknown) != 1 {
		t.Errorf("%+v, %v, unknown %v", a.NetconsoleParams, errs, a.Unknown)
	}
}
