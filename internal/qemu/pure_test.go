package qemu

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestQuoteUsesLinuxsQuotingOrRefuses(t *testing.T) {
	for _, tt := range []struct{ in, want string }{
		{"plain", "plain"},
		{"-test.run=Foo", "-test.run=Foo"},
		{"", `""`},
		{"a b", `"a b"`},
		{"a\tb", "\"a\tb\""},
		{"-x=a b", `"-x=a b"`},
		{"é", `"é"`},
		{"\xa0", "\"\xa0\""},
		{"A=1", `"A=1"`},
		{"a=1", "a=1"},
		{`back\slash'`, `back\slash'`},
	} {
		if got, err := Quote(tt.in); err != nil || got != tt.want {
			t.Errorf("Quote(%q) = %q, %v, want %q", tt.in, got, err, tt.want)
		}
	}
	for _, in := range []string{`"`, `a"b`, "a\x00b", "\x1b[0m", "\x7f"} {
		if got, err := Quote(in); err == nil {
			t.Errorf("Quote(%q) = %q, want an error", in, got)
		}
	}
}

func TestBootArgsPutsEnvironmentAndThenArgumentsBehindTheDashes(t *testing.T) {
	for _, tt := range []struct {
		kernel    string
		env, args []string
		want      string
	}{
		{"", nil, nil, ""},
		{" quiet ", nil, nil, "quiet"},
		{"quiet", []string{"A=1", "B=x y"}, nil, `quiet -- A=1 B="x y"`},
		{"quiet", []string{"A=1"}, []string{"C=3", "-v", "a b", "", "--", "k=v"}, `quiet -- A=1 "C=3" -v "a b" "" -- k=v`},
		{"", nil, []string{"x"}, "-- x"},
		{"", []string{"E="}, nil, "-- E="},
	} {
		got, err := BootArgs(tt.kernel, tt.env, tt.args)
		if err != nil || got != tt.want {
			t.Errorf("BootArgs(%q, %q, %q) = %q, %v, want %q", tt.kernel, tt.env, tt.args, got, err, tt.want)
		}
	}
}

func TestEnvironmentThatCannotBePassedIsAnError(t *testing.T) {
	for _, e := range []string{"", "A", "=1", "a=1", "A B=1", "A=\"", "A=\r"} {
		if got, err := BootArgs("", []string{e}, nil); err == nil {
			t.Errorf("%q gave %q", e, got)
		}
	}
}

func TestBootArgsThatDoNotFitAreAnError(t *testing.T) {
	if _, err := BootArgs(strings.Repeat("x", MaxBootArgs), nil, nil); err != nil {
		t.Error(err)
	}
	_, err := BootArgs("", nil, []string{strings.Repeat("x", MaxBootArgs)})
	if err == nil || !strings.Contains(err.Error(), "4098 bytes") {
		t.Errorf("got %v", err)
	}
}

func TestForwardsAreParsedAndStayOnLoopbackUnlessTold(t *testing.T) {
	for _, tt := range []struct{ in, want string }{
		{"tcp::8080-:80", "tcp:127.0.0.1:8080-:80"},
		{"udp:0.0.0.0:7-:7", "udp:0.0.0.0:7-:7"},
		{"tcp:127.0.0.2:0-:22", "tcp:127.0.0.2:0-:22"},
	} {
		f, err := ParseForward(tt.in)
		if err != nil || f.String() != tt.want {
			t.Errorf("ParseForward(%q) = %v, %v, want %s", tt.in, f, err, tt.want)
		}
	}
	for _, in := range []string{"", "tcp", "sctp::1-:1", "tcp:1-:1", "tcp::1", "tcp::1-1", "tcp::99999-:1",
		"tcp::1-:0", "tcp::1-10.0.2.15:1", "tcp:host:1-:1", "tcp::x-:1", "tcp::1-:x"} {
		if f, err := ParseForward(in); err == nil {
			t.Errorf("ParseForward(%q) = %v, want an error", in, f)
		}
	}
	f := Forward{Proto: "tcp", Host: netip.MustParseAddr("127.0.0.9"), Port: 80}
	if f.Addr() != "127.0.0.9:80" {
		t.Error(f.Addr())
	}
}

func TestFilesWithCommasAreEscaped(t *testing.T) {
	b, err := LookupBoard(DefaultBoard)
	if err != nil {
		t.Fatal(err)
	}
	o := Options{Board: b, Kernel: "k", Net: NetUser, Load: []Load{{"a,b", 0x84000000}}, Pcap: "c,d"}
	args := o.args("/tmp")
	for _, want := range []string{
		"loader,file=a,,b,addr=0x84000000,force-raw=on",
		"filter-dump,id=dump0,netdev=net0,file=c,,d",
	} {
		if !slices.Contains(args, want) {
			t.Errorf("no %q in %q", want, args)
		}
	}
}

func TestTheBoardsSerialPortIsTheConsole(t *testing.T) {
	for name, want := range map[string]string{
		"mx6ulevk":  "-serial chardev:console0",
		"sabrelite": "-serial null -serial chardev:console0",
	} {
		b, err := LookupBoard(name)
		if err != nil {
			t.Fatal(err)
		}
		o := Options{Board: b, Kernel: "k"}
		args := strings.Join(o.args("/tmp"), " ")
		if at := strings.Index(args, "-serial"); at < 0 || !strings.HasPrefix(args[at:], want) {
			t.Errorf("%s: no %q in %q", name, want, args)
		}
	}
}

func TestContradictingOptionsAreRefused(t *testing.T) {
	b, err := LookupBoard(DefaultBoard)
	if err != nil {
		t.Fatal(err)
	}
	for name, o := range map[string]Options{
		"no board":         {Kernel: "k"},
		"no kernel":        {Board: b},
		"forward, no user": {Board: b, Kernel: "k", Forwards: []Forward{{}}},
		"dgram, no peer":   {Board: b, Kernel: "k", Net: NetDgram},
		"pcap, no network": {Board: b, Kernel: "k", Pcap: "p"},
		"arguments":        {Board: b, Kernel: "k", BootArgs: strings.Repeat("x", MaxBootArgs+1)},
		"NUL":              {Board: b, Kernel: "k", BootArgs: "a\x00b"},
	} {
		if _, err := Start(context.Background(), o); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestUnknownBoardsAreNamedWithTheKnownOnes(t *testing.T) {
	_, err := LookupBoard("toaster")
	if err == nil || !strings.Contains(err.Error(), "toaster") || !strings.Contains(err.Error(), DefaultBoard) {
		t.Errorf("got %v", err)
	}
}

func TestLogMakesLinesAndLetsWaitForThem(t *testing.T) {
	var seen []string
	l := Log{Keep: 2, Line: func(s string) { seen = append(seen, s) }}
	for _, s := range []string{"on", "e\r\ntwo\nthr", "ee\nfour\nfive\nsi"} {
		l.Write([]byte(s))
	}
	if want := []string{"one", "two", "three", "four", "five"}; !slices.Equal(seen, want) {
		t.Errorf("lines %q", seen)
	}
	if got := l.Lines(); len(got) < 2 || got[len(got)-1] != "five" || len(got) > 4 {
		t.Errorf("kept %q", got)
	}
	if l.Len() != 5 {
		t.Errorf("Len %d", l.Len())
	}
	if got := l.Tail(1); !slices.Equal(got, []string{"five", "si"}) {
		t.Errorf("Tail %q", got)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	go l.Write([]byte("x\n"))
	got, err := l.WaitFor(ctx, 5, func(s string) bool { return s != "" })
	if err != nil || got != "six" {
		t.Errorf("WaitFor = %q, %v", got, err)
	}
	cancel()
	if _, err := l.WaitFor(ctx, 6, func(string) bool { return true }); !errors.Is(err, context.Canceled) {
		t.Errorf("WaitFor after the end: %v", err)
	}
	l.Write([]byte("tail"))
	l.Flush()
	l.Flush()
	if l.Len() != 7 {
		t.Errorf("Len %d after Flush", l.Len())
	}
}

func TestALineThatDoesNotEndIsCut(t *testing.T) {
	var l Log
	for range 3 {
		l.Write(make([]byte, maxLine))
	}
	if l.Len() != 3 {
		t.Errorf("%d lines", l.Len())
	}
}

func TestMemorySizesAreReadAsQEMUDoes(t *testing.T) {
	for in, want := range map[string]uint64{"256M": 256 << 20, "256": 256 << 20, "1g": 1 << 30, "131072K": 128 << 20} {
		if got, err := ParseMemory(in); err != nil || got != want {
			t.Errorf("ParseMemory(%q) = %d, %v, want %d", in, got, err, want)
		}
	}
	for _, in := range []string{"", "M", "0", "-1M", "5G", "1T", "1.5G", "99999999999"} {
		if got, err := ParseMemory(in); err == nil {
			t.Errorf("ParseMemory(%q) = %d, want an error", in, got)
		}
	}
}
