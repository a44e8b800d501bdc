package systest

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gasp-go/gasp/internal/qemu"
)

// ram returns what is in the guest's memory, from offset on.
func (g *guest) ram(offset, size uint32) []byte {
	g.t.Helper()
	file := filepath.Join(g.t.TempDir(), "ram")
	if err := g.machine.SaveMemory(built.board.RAM+offset, size, file); err != nil {
		g.t.Fatal(err)
	}
	var b []byte
	g.retry("memory", func() (err error) {
		if b, err = os.ReadFile(file); err == nil && len(b) != int(size) {
			err = fmt.Errorf("%d bytes", len(b))
		}
		return err
	})
	return b
}

// The keys of netconsole are told to nobody: not by the files, pages and logs that
// show everything else, and not by the memory in which the loader left them.
func TestNetconsoleKeysAreToldNowhere(t *testing.T) {
	t.Parallel()
	const (
		memory   = 64 << 20
		loaded   = 0x8000 // where the loader leaves the boot arguments
		argument = "netconsole.hmac_key=" + testHMACKey
		other    = "ffeeddccbbaa99887766554433221100"
	)
	w := newWire(t)
	c := w.collect(6666)
	g := w.boot(qemu.Options{Memory: "64M", BootArgs: staticIP + " gasp.die=1 " + argument + " netconsole=+@/,6666@10.77.0.1/ " + argument + " loglevel=8 -- last"})
	g.line("http: listening")
	w.reachable()
	w.target("POST", "", `{"name":"b","extended":true,"enabled":true,"remote_ip":"10.77.0.1","remote_port":7777,"hmac_key":"`+other+`"}`)
	tells := func(where, text string) {
		t.Helper()
		for _, key := range []string{testHMACKey, other} {
			if strings.Contains(strings.ToLower(text), key) {
				t.Errorf("%s tells a key", where)
			}
		}
	}
	// There is no /proc/cmdline.
	for path, has := range map[string]string{
		"/proc/self/cmdline": "last", "/debug/pprof/cmdline": "last", "/dmesg": "Kernel command line: ",
		"/dmesg?format=json": "Kernel command line: ", "/dmesg?format=kmsg": "Kernel command line: ", "/": "eth0 address",
		"/stats.json": `"cmdline0"`, "/netconsole": `"hmac_key"`,
	} {
		page, err := w.fetch("GET", path)
		if err != nil || !strings.Contains(page, has) {
			t.Errorf("%s: %v: no %q in %.300q", path, err, has, page)
		}
		tells(path, page)
	}
	for _, bad := range []string{other + "f", other + "xx", strings.Repeat(other, 5)} {
		_, err := w.request("PATCH", "/netconsole/b", `{"hmac_key":"`+bad+`"}`)
		if err == nil {
			t.Errorf("%s is a key", bad)
			continue
		}
		tells("the refusal", err.Error())
	}

	ram := g.ram(0, memory)
	if args := ram[loaded : loaded+4096]; !bytes.Equal(args, make([]byte, len(args))) {
		t.Errorf("of what the loader left there is still %q", bytes.TrimRight(args, "\x00"))
	}
	if bytes.Contains(ram, []byte(argument)) {
		t.Error("the boot argument is in memory")
	}
	if !bytes.Contains(ram, []byte("gasp.die=1 netconsole=+@/,6666@10.77.0.1/ loglevel=8 -- last")) {
		t.Error("the command line without it is not found in memory, so the search is worth nothing")
	}

	if _, err := w.fetch("POST", "/die?how=panic"); err != nil {
		t.Fatal(err)
	}
	g.line(endLine)
	tells("netconsole", strings.Join(linesOf(c.awaitLine(g, endLine)), "\n"))
	for _, p := range w.since(0) { // the dictionaries too
		if p.proto == protoUDP {
			tells("a datagram", string(p.data))
		}
	}
	tells("the serial console", strings.Join(g.serial.Lines(), "\n"))
}
