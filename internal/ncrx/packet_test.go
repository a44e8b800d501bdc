package ncrx

import (
	"errors"
	"reflect"
	"strings"
	"testing"
)

func TestParseReadsEveryHeaderField(t *testing.T) {
	got, err := Parse([]byte("6.1.0-rc1,30,18446744073709551615,5,c,caller=T1,ncfrag=3/10,x=;ab"))
	want := Packet{
		Head:    "6.1.0-rc1,30,18446744073709551615,5,c,caller=T1,x=;",
		Release: "6.1.0-rc1", Level: 6, Facility: 3, Seq: 1<<64 - 1, Usec: 5, Cont: true,
		Fields: []KV{{"caller", "T1"}, {"x", ""}}, Body: []byte("ab"), Fragment: true, Offset: 3, Total: 10,
	}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestParseTakesPlainTextForBasic(t *testing.T) {
	for _, d := range []string{
		"", "\n", "text\n", "[    1.000000] a;b\n", ";", ",;", "6,1,2;x", "6,1,2,x;y", "a,1,2,-;x",
		"+6,1,2,-;x", "6,1_0,2,-;x", "0x6,1,2,-;x", "6,1,2,-,", "6,18446744073709551616,2,-;x",
		"norelease,6,1,2,-;x", strings.Repeat("a", maxRelease) + ".,6,1,2,-;x",
		strings.Repeat(" ", maxHeader) + ";x",
	} {
		if p, err := Parse([]byte(d)); !errors.Is(err, ErrBasic) {
			t.Errorf("Parse(%q) = %+v, %v", d, p, err)
		}
	}
}

func TestParseRefusesWhatNoSenderSends(t *testing.T) {
	for _, d := range []string{
		"6,1,2,-,;x", "6,1,2,-,key;x", "6,1,2,-,=v;x",
		"6,1,2,-,ncfrag=;x", "6,1,2,-,ncfrag=1;x", "6,1,2,-,ncfrag=-1/5;x", "6,1,2,-,ncfrag=0/0;x",
		"6,1,2,-,ncfrag=0/5;", "6,1,2,-,ncfrag=5/5;x", "6,1,2,-,ncfrag=4/5;xy", "6,1,2,-,ncfrag=0/32769;x",
		"6,1,2,-,ncfrag=4294967295/5;x", "6,1,2,-,ncfrag=2147483647/2147483647;x",
		"6,1,2,-,ncfrag=99999999999999999999/5;x", "6,1,2,-,ncfrag=0/1,ncfrag=0/1;x",
		"6,1,2,-" + strings.Repeat(",a=b", maxFields+1) + ";x",
	} {
		if p, err := Parse([]byte(d)); !errors.Is(err, ErrMalformed) {
			t.Errorf("Parse(%q) = %+v, %v", d, p, err)
		}
	}
}

func TestBodyAndUnescape(t *testing.T) {
	text, dict := Body([]byte(`a\x5cb\x0Ac\x` + "\n K=v\\x20w=x\n odd\nnot\n\n =\n"))
	want := []KV{{"K", "v w=x"}, {"", " odd"}, {"", "not"}, {"", ""}}
	if text != "a\\b\nc\\x" || !reflect.DeepEqual(dict, want) {
		t.Errorf("got %q, %q", text, dict)
	}
	for in, want := range map[string]string{`\`: `\`, `\x`: `\x`, `\x1`: `\x1`, `\xg1`: `\xg1`, `\\x41`: `\A`, `\x41`: "A"} {
		if got := Unescape([]byte(in)); got != want {
			t.Errorf("Unescape(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestCutTimeTakesOnlyTimeStamps(t *testing.T) {
	for _, tt := range []struct {
		in   string
		usec uint64
		rest string
		ok   bool
	}{
		{"[    1.234567] x", 1234567, "x", true},
		{"[12345678.000001]  x", 12345678000001, " x", true},
		{"[    1.234567] ", 1234567, "", true},
		{"[    1.23456] x", 0, "[    1.23456] x", false},
		{"[] x", 0, "[] x", false},
		{"[a.123456] x", 0, "[a.123456] x", false},
		{"[99999999999999999999.123456] x", 0, "[99999999999999999999.123456] x", false},
		{"x [    1.234567]", 0, "x [    1.234567]", false},
		{"", 0, "", false},
	} {
		usec, rest, ok := CutTime(tt.in)
		if usec != tt.usec || rest != tt.rest || ok != tt.ok {
			t.Errorf("CutTime(%q) = %d, %q, %v", tt.in, usec, rest, ok)
		}
	}
}

func TestStampIsLinuxs(t *testing.T) {
	r := Record{HasTime: true, Usec: 10197432}
	if got := r.Stamp(); got != "[   10.197432] " {
		t.Errorf("got %q", got)
	}
	if usec, _, ok := CutTime(r.Stamp()); !ok || usec != r.Usec {
		t.Errorf("CutTime gives %d, %v", usec, ok)
	}
	r.HasTime = false
	if r.Stamp() != "" {
		t.Errorf("got %q", r.Stamp())
	}
}
