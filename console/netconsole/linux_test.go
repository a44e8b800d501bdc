package netconsole

import (
	"fmt"
	"strings"
	"testing"

	"github.com/gasp-go/gasp/console"
)

// The datagrams in this file are what Linux 6.12.107 (Debian, armhf) sent to
// three targets of these kinds for the same records.
var (
	linuxBasic    = "@/,@10.77.0.1/"
	linuxExtended = "+@/,@10.77.0.1/"
	linuxRelease  = "+r@/,@10.77.0.1/"
	linuxOptions  = Options{Time: true, Release: "6.12.107+deb13-armmp", Userdata: []string{"board=mcimx6ul-evk", "run=42"}}
)

// counted makes the texts used: a word and counted numbers.
func counted(word string, n int) string {
	var b strings.Builder
	b.WriteString(word)
	for i := range n {
		fmt.Fprintf(&b, " %04d", i)
	}
	return b.String() + " 0"
}

type linuxCase struct {
	prefix   int // facility and level
	seq      uint64
	usec     int64
	text     string
	dict     []string
	basic    []string
	extended []string
	release  []string
}

const linuxUser = " board=mcimx6ul-evk\n run=42\n"

func linuxCases() []linuxCase {
	long, short := counted("long line:", 200), counted("short", 118)
	const rel = "6.12.107+deb13-armmp,"
	cases := []linuxCase{
		{
			prefix: 12, seq: 243, usec: 9238818, text: long,
			basic: []string{"[    9.238818] " + long[:985], " 0195 0196 0197 0198 0199 0\n"},
			extended: []string{
				"12,243,9238818,-,ncfrag=0/1013;" + long[:969],
				"12,243,9238818,-,ncfrag=969/1013;1 0192 0193 0194 0195 0196 0197 0198 0199 0\n",
			},
			release: []string{
				rel + "12,243,9238818,-,ncfrag=0/1041;" + long[:948],
				rel + "12,243,9238818,-,ncfrag=948/1041;87 0188 0189 0190 0191 0192 0193 0194 0195 0196 0197 0198 0199 0\n" + linuxUser,
			},
		}, {
			prefix: 12, seq: 244, usec: 9283541, text: short,
			basic:    []string{"[    9.283541] " + short + "\n"},
			extended: []string{"12,244,9283541,-;" + short + "\n"},
			release:  []string{rel + "12,244,9283541,-;" + short + "\n" + linuxUser},
		}, {
			prefix: 13, seq: 245, usec: 9296499, text: "two\nlines \x01 bin \xc3\xa9 utf\x08ack",
			basic:    []string{"[    9.296499] two\n[    9.296499] lines \x01 bin \xc3\xa9 utf\x08ack\n"},
			extended: []string{`13,245,9296499,-;two\x0alines \x01 bin \xc3\xa9 utf\x08ack` + "\n"},
			release:  []string{rel + `13,245,9296499,-;two\x0alines \x01 bin \xc3\xa9 utf\x08ack` + "\n" + linuxUser},
		}, {
			prefix: 11, seq: 246, usec: 9301696, text: "with-dict\n SUBSYSTEM=net\n DEVICE=n2",
			basic:    []string{"[    9.301696] with-dict\n[    9.301696]  SUBSYSTEM=net\n[    9.301696]  DEVICE=n2\n"},
			extended: []string{`11,246,9301696,-;with-dict\x0a SUBSYSTEM=net\x0a DEVICE=n2` + "\n"},
			release:  []string{rel + `11,246,9301696,-;with-dict\x0a SUBSYSTEM=net\x0a DEVICE=n2` + "\n" + linuxUser},
		}, {
			prefix: 4, seq: 248, usec: 14365065,
			text:     "platform regulator-can-3v3: deferred probe pending: reg-fixed-voltage: can't get GPIO",
			dict:     []string{"SUBSYSTEM", "platform", "DEVICE", "+platform:regulator-can-3v3"},
			basic:    []string{"[   14.365065] platform regulator-can-3v3: deferred probe pending: reg-fixed-voltage: can't get GPIO\n"},
			extended: []string{"4,248,14365065,-;platform regulator-can-3v3: deferred probe pending: reg-fixed-voltage: can't get GPIO\n SUBSYSTEM=platform\n DEVICE=+platform:regulator-can-3v3\n"},
			release:  []string{rel + "4,248,14365065,-;platform regulator-can-3v3: deferred probe pending: reg-fixed-voltage: can't get GPIO\n SUBSYSTEM=platform\n DEVICE=+platform:regulator-can-3v3\n" + linuxUser},
		},
	}
	// A panic (sysrq-c), line by line.
	for i, l := range []struct {
		prefix int
		usec   int64
		text   string
	}{
		{6, 10197432, "sysrq: Trigger a crash"},
		{0, 10199611, "Kernel panic - not syncing: sysrq triggered crash"},
		{4, 10200701, "CPU: 0 UID: 0 PID: 1 Comm: sh Not tainted 6.12.107+deb13-armmp #1  Debian 6.12.107-1"},
		{4, 10201494, "Hardware name: Freescale i.MX6 Ultralite (Device Tree)"},
		{4, 10202070, "Call trace: "},
		{4, 10202255, " unwind_backtrace from show_stack+0x18/0x1c"},
		{4, 10203686, " show_stack from dump_stack_lvl+0x54/0x68"},
		{4, 10204285, " dump_stack_lvl from panic+0x114/0x380"},
		{4, 10204784, " panic from sysrq_reset_seq_param_set+0x0/0x90"},
		{0, 10205738, "---[ end Kernel panic - not syncing: sysrq triggered crash ]---"},
	} {
		ext := fmt.Sprintf("%d,%d,%d,-;%s\n", l.prefix, 243+i, l.usec, l.text)
		cases = append(cases, linuxCase{
			prefix: l.prefix, seq: uint64(243 + i), usec: l.usec, text: l.text,
			basic:    []string{fmt.Sprintf("[   10.%06d] %s\n", l.usec-10000000, l.text)},
			extended: []string{ext},
			release:  []string{rel + ext + linuxUser},
		})
	}
	return cases
}

func (c *linuxCase) record() *console.Record {
	r := &console.Record{Seq: c.seq, Time: c.usec*1000 + 999, Level: console.Level(c.prefix & 7), Facility: uint8(c.prefix >> 3)}
	r.N = copy(r.Text[:], c.text)
	var dict []byte
	for i := 0; i < len(c.dict); i += 2 {
		dict = console.AppendDict(dict, c.dict[i], c.dict[i+1])
	}
	r.NDict = copy(r.Dict[:], dict)
	return r
}

func TestDatagramsAreByteForByteLinuxs(t *testing.T) {
	for _, target := range []struct {
		config string
		want   func(c *linuxCase) []string
	}{
		{linuxBasic, func(c *linuxCase) []string { return c.basic }},
		{linuxExtended, func(c *linuxCase) []string { return c.extended }},
		{linuxRelease, func(c *linuxCase) []string { return c.release }},
	} {
		opts := linuxOptions
		if target.config != linuxRelease {
			opts.Userdata = nil
		}
		var link fakeLink
		tg := newTest(t, target.config, opts, &link)
		for _, c := range linuxCases() {
			link.sent = nil
			if !tg.Write(c.record()) {
				t.Fatal("not written")
			}
			want := target.want(&c)
			if len(link.sent) != len(want) {
				t.Errorf("%s: %d datagrams, Linux sends %d: %q", target.config, len(link.sent), len(want), link.sent)
				continue
			}
			for i := range want {
				if string(link.sent[i]) != want[i] {
					t.Errorf("%s:\ngot   %q\nLinux %q", target.config, link.sent[i], want[i])
				}
			}
		}
	}
}
