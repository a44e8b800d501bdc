package main

import (
	"bytes"
	"context"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gasp-go/gasp/internal/ncrx"
	"github.com/gasp-go/gasp/internal/qemu"
)

// gasp runs the tool as from a command line.
func gasp(ctx context.Context, args ...string) (status int, stdout, stderr string) {
	var out, err lockedBuffer
	t := &tool{stdout: &out, stderr: &err}
	status = t.main(ctx, args)
	return status, out.String(), err.String()
}

// lockedBuffer can be read while others write to it.
type lockedBuffer struct {
	lockedWriter
	b bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func bound(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	t.Cleanup(cancel)
	return ctx
}

func TestEveryCommandExplainsItselfOnStdout(t *testing.T) {
	_, usage, _ := gasp(bound(t), "help")
	for _, c := range commands {
		if !strings.Contains(usage, "\n  "+c.name) {
			t.Errorf("%s is not in the usage text", c.name)
		}
		for _, args := range [][]string{{c.name, "-h"}, {"help", c.name}} {
			status, out, err := gasp(bound(t), args...)
			if status != exitOK || !strings.Contains(out, "Usage: gasp "+c.name) || err != "" {
				t.Errorf("%q: status %d, %q, %q", args, status, out, err)
			}
		}
	}
}

func TestWrongUsageIsStatus2WithAReason(t *testing.T) {
	for _, tt := range []struct {
		args []string
		want string
	}{
		{nil, "Usage"},
		{[]string{"fly"}, `unknown command "fly"`},
		{[]string{"help", "fly"}, `unknown command "fly"`},
		{[]string{"build", "-fly"}, "-fly"},
		{[]string{"build", "-board", "toaster"}, "toaster"},
		{[]string{"build", "a", "b"}, "more than one package"},
		{[]string{"run", "-http", "x"}, "bad port"},
		{[]string{"run", "-hostfwd", "tcp"}, "bad forward"},
		{[]string{"exec"}, "no program"},
		{[]string{"exec", "-net", "cloud", "x"}, "unknown network"},
		{[]string{"test", "-board", "toaster"}, "toaster"},
		{[]string{"listen", "-p", "65536"}, "no such port"},
		{[]string{"listen", "-bind", "nowhere"}, "nowhere"},
		{[]string{"listen", "extra"}, "extra"},
		{[]string{"demo", "a", "b"}, "more than one package"},
	} {
		status, out, err := gasp(bound(t), tt.args...)
		if status != exitUsage || !strings.Contains(err, tt.want) || out != "" {
			t.Errorf("%q: status %d, stdout %q, stderr %q", tt.args, status, out, err)
		}
	}
}

func TestUsersBootArgumentsGoBeforeOurs(t *testing.T) {
	got := networkArgs("loglevel=7", 6666)
	if !strings.HasPrefix(got, "ip=dhcp netconsole=+@/eth0,6666@10.0.2.2/ gasp.seed=") || !strings.HasSuffix(got, " loglevel=7") {
		t.Errorf("got %q", got)
	}
	const own = "ip=off gasp.seed=00 netconsole=@/,@10.0.2.9/"
	if got := networkArgs(own, 6666); got != own {
		t.Errorf("got %q", got)
	}
	// What follows "--" is the program's.
	if got := withDefaults("-- ip=x", arg{"ip", "dhcp"}); got != "ip=dhcp -- ip=x" {
		t.Errorf("got %q", got)
	}
	if got := withDefaults("tip=x", arg{"ip", "dhcp"}); got != "ip=dhcp tip=x" {
		t.Errorf("got %q", got)
	}
}

func TestSeedsAreNotUsedTwice(t *testing.T) {
	if a, b := seed(), seed(); a == b || len(a.value) != 64 {
		t.Errorf("%v, %v", a, b)
	}
}

func TestOnlyWhatTheRuntimeReadsOfTheEnvironmentIsPassed(t *testing.T) {
	got := programEnv([]string{"HOME=/root", "GODEBUG=gctrace=1", "GOGC=", "GOMAXPROCS=2", "GODEBUGX=1", "GOPATH=/x"})
	if !slices.Equal(got, []string{"GODEBUG=gctrace=1", "GOMAXPROCS=2"}) {
		t.Errorf("got %q", got)
	}
}

func TestATestBinarysOwnTimeoutComesFirst(t *testing.T) {
	for _, tt := range []struct {
		args []string
		want time.Duration
	}{
		{nil, defaultTimeout},
		{[]string{"-test.timeout=5s"}, 5*time.Second + timeoutMargin},
		{[]string{"-test.timeout=0"}, 0},
		{[]string{"-test.timeout=0s"}, 0},
		{[]string{"-test.timeout=x"}, defaultTimeout},
	} {
		if got := programTimeout(tt.args); got != tt.want {
			t.Errorf("%q: %v, want %v", tt.args, got, tt.want)
		}
	}
}

func TestTestSplitsItsFlagsFromGoTests(t *testing.T) {
	for _, tt := range []struct{ in, own, rest string }{
		{"", "", ""},
		{"./...", "", "./..."},
		{"-v ./...", "", "-v ./..."},
		{"-net loop -v -board x", "-net loop", "-v -board x"},
		{"--net=loop -m=64M -run X", "--net=loop -m=64M", "-run X"},
		{"-board", "-board", ""},
		{"-net loop -h", "-h", ""},
		{"-v -h", "", "-v -h"},
	} {
		own, rest := splitOwn(strings.Fields(tt.in), testOwn)
		if strings.Join(own, " ") != tt.own || strings.Join(rest, " ") != tt.rest {
			t.Errorf("%q: %q, %q", tt.in, own, rest)
		}
	}
	if line, err := execLine([]string{"/a b/gasp", "exec", "-append", "it's"}); err != nil || line != `'/a b/gasp' exec -append "it's"` {
		t.Errorf("got %s, %v", line, err)
	}
}

func TestListenAddresses(t *testing.T) {
	for in, want := range map[string]string{"127.0.0.1": "127.0.0.1:6666", "all": "[::]:6666", "::1": "[::1]:6666"} {
		if got, err := listenAddr(in, 6666); err != nil || got != netip.MustParseAddrPort(want) {
			t.Errorf("%q: %v, %v", in, got, err)
		}
	}
}

func TestWhatATerminalWouldObeyIsNotPrinted(t *testing.T) {
	for in, want := range map[string]string{
		"plain\ttext é": "plain\ttext é", "\x1b[31m": `\x1b[31m`, "a\x00\x7f\r": `a\x00\x7f\x0d`,
		"\xff": `\xff`, "\u009b": `\xc2\x9b`, "\ufffd": "\ufffd",
	} {
		if got := printable(in); got != want {
			t.Errorf("printable(%q) = %q, want %q", in, got, want)
		}
	}
	var b bytes.Buffer
	p := newPrinter(&b)
	p.serial("a\x1b")
	p.netcon("b")
	if b.String() != "serial | a\\x1b\nnetcon | b\n" {
		t.Errorf("got %q", b.String())
	}
}

func TestRemarksSayWhatIsWrongWithARecord(t *testing.T) {
	r := &ncrx.Record{Seq: 10, Gap: 3, Late: true, Restarted: true, Missing: 5, Malformed: true}
	got := strings.Join(remarks(r), "\n")
	for _, want := range []string{"7 to 9", "late", "booted", "5 bytes", "malformed"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in %q", want, got)
		}
	}
	if got := remarks(&ncrx.Record{Seq: 10, Gap: 1}); len(got) != 1 || !strings.Contains(got[0], "record 9 ") {
		t.Errorf("got %q", got)
	}
	if got := remarks(&ncrx.Record{}); got != nil {
		t.Errorf("got %q", got)
	}
}

func TestALineIsMissingUnlessItCameInOrder(t *testing.T) {
	for _, tt := range []struct{ want, got, missing string }{
		{"", "", ""},
		{"a b c", "a b c", ""},
		{"a b c", "x a y b z c", ""},
		{"a b c", "a c", "b"},
		{"a b", "b a", "b"},
		{"a a", "a", "a"},
		{"a b", "", "a b"},
	} {
		got := missingLines(strings.Fields(tt.want), strings.Fields(tt.got))
		if strings.Join(got, " ") != tt.missing {
			t.Errorf("%q in %q: missing %q, want %q", tt.want, tt.got, got, tt.missing)
		}
	}
}

func TestConsoleTextsAreLinesWithoutTime(t *testing.T) {
	got := consoleTexts([]string{"[    1.000000] a\r", "[    1.000000] ", "", "bare", "[   12.345678]  indented"})
	if want := []string{"a", "", "bare", " indented"}; !reflect.DeepEqual(got, want) {
		t.Errorf("got %q", got)
	}
}

func TestProgramsThatDoNotFitIntoRAMAreRefused(t *testing.T) {
	b, err := qemu.LookupBoard(qemu.DefaultBoard)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := sizeInRAM(b, "main_test.go", b.Exec, "64M"); err == nil || !strings.Contains(err.Error(), "-m") {
		t.Errorf("got %v", err)
	}
	if n, err := sizeInRAM(b, "main_test.go", b.Exec, ""); err != nil || n == 0 {
		t.Errorf("got %d, %v", n, err)
	}
	if _, err := sizeInRAM(b, "main_test.go", b.Exec, "much"); err == nil {
		t.Error("no error")
	}
}
