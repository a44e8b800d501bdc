package systest

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/gasp-go/gasp/internal/qemu"
)

// put writes to a file of /proc or /sys over HTTP.
func put(t *testing.T, to way, path, value string) (status int, body string) {
	t.Helper()
	c := connect(t, to, "tcp", portHTTP)
	fmt.Fprintf(c, "PUT %s HTTP/1.1\r\nHost: guest\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s", path, len(value), value)
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

func TestNetworkParametersAreSetAtBootAndAtRunTime(t *testing.T) {
	t.Parallel()
	bad := []string{
		"sysctl.net.core.dev_weight=0", "sysctl.net.core.netdev_max_backlog=many", "sysctl.vm.swappiness=60",
		"gasp.eth7.gro_flush_timeout=1", "gasp.eth0.gro_flush_timeout=-1", "gasp.eth0.ifalias=x",
	}
	g, to := bootUser(t, qemu.Options{BootArgs: strings.Join(bad, " ") +
		" sysctl.net.core.netdev_budget=600 sysctl.net/core/netdev_budget_usecs=8000 gasp.eth0.napi_defer_hard_irqs=2"})
	for _, arg := range bad {
		g.line(fmt.Sprintf("boot argument %q ignored", arg))
	}
	const core, eth0 = "/proc/sys/net/core/", "/sys/class/net/eth0/"
	for path, want := range map[string]string{
		core + "netdev_budget": "600\n", core + "netdev_budget_usecs": "8000\n", core + "dev_weight": "64\n",
		core + "netdev_max_backlog": "1000\n", eth0 + "napi_defer_hard_irqs": "2\n", eth0 + "gro_flush_timeout": "0\n",
	} {
		if got := get(t, to, path); got != want {
			t.Errorf("%s is %q, want %q", path, got, want)
		}
	}
	for path, why := range map[string]string{
		core + "netdev_budget": `"0x10" is not a number`, core + "somaxconn": "no such parameter",
		"/sys/class/net/eth9/gro_flush_timeout": "no such device", "/proc/version": "no such parameter",
	} {
		if status, body := put(t, to, path, "0x10"); status != http.StatusBadRequest || !strings.Contains(body, why) {
			t.Errorf("%s: %d %q, want 400 and %q", path, status, body, why)
		}
	}
	st := getStats(t, to)
	if n := st.napi("eth0"); n.Deferred != 0 || n.Timer != 0 {
		t.Errorf("deferred without a timeout: %+v", n)
	}
	if status, body := put(t, to, eth0+"gro_flush_timeout", "200000"); status != http.StatusNoContent {
		t.Fatal(status, body)
	}
	if got := get(t, to, eth0+"gro_flush_timeout"); got != "200000\n" {
		t.Errorf("gro_flush_timeout is %q", got)
	}
	testTCPEcho(t, to, 100_000)
	st = getStats(t, to)
	if n := st.napi("eth0"); n.Deferred == 0 || n.Timer == 0 || n.Polls < n.Timer {
		t.Errorf("no interrupt was deferred: %+v", n)
	}
	if b := st.Interfaces[0].Stack.Softnet.Bugs; b != 0 {
		t.Errorf("%d NAPI rules broken", b)
	}

	line := strings.Fields(get(t, to, "/proc/net/softnet_stat"))
	if len(line) != 15 || line[0] == "00000000" || line[12] != "00000000" {
		t.Errorf("softnet_stat: %q", line)
	}
	if dev := get(t, to, "/proc/net/dev"); strings.Count(dev, "\n") != 3 || !strings.Contains(dev, "\n  eth0: ") {
		t.Errorf("/proc/net/dev: %q", dev)
	}
	g.unharmed()
}
