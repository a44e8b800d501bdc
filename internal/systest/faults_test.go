package systest

import (
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/gasp-go/gasp/internal/qemu"
)

func TestTCPDeliversOverABadWireInTheFirmware(t *testing.T) {
	t.Parallel()
	const config = "rx:loss=2%,duplicate=2%,corrupt=1%;tx:loss=2%,duplicate=2%,reorder=20%,delay=5ms,jitter=1ms;seed=8"
	g, to := bootUser(t, qemu.Options{BootArgs: "gasp.fault=" + config})
	g.line("lost or damaged on purpose")
	for i := range 2 {
		c := connectPastHandshake(t, to)
		if err := echo(c, pattern(30000+i)); err != nil {
			t.Error(err)
		}
		c.Close()
	}
	body, err := fetch(to, http.MethodGet, "/stats.json")
	if err != nil {
		t.Fatal(err)
	}
	s := parseStats(t, string(body))
	n := s.Interfaces[0]
	if n.Fault.Config != config {
		t.Errorf("the firmware says %q", n.Fault.Config)
	}
	for dir, c := range map[string]counters{"rx": n.Fault.Rx, "tx": n.Fault.Tx} {
		if c["frames"]+c["duplicate"] != c["passed"]+c["loss"]+c["limit"]+c["refused"]+c["flushed"]+c["queued"] {
			t.Errorf("%s does not add up: %v", dir, c)
		}
		if c["loss"] == 0 || c["duplicate"] == 0 {
			t.Errorf("%s: nothing happened: %v", dir, c)
		}
	}
	if n.Fault.Rx["corrupt"] == 0 || n.Fault.Tx["reorder"] == 0 || n.Fault.Tx["delayed"] == 0 {
		t.Errorf("%v, %v", n.Fault.Rx, n.Fault.Tx)
	}
	g.unharmed()
}

// connectPastHandshake connects to the echo and waits until the guest has nothing of
// the handshake to send any more. QEMU's user network throws away what it holds for
// the guest when it gets a second SYN-ACK (libslirp: tcp_mss calls sbreserve), be it
// doubled by the wire or sent again, and then ends the stream as if all had been sent.
func connectPastHandshake(t *testing.T, to way) net.Conn {
	t.Helper()
	for range 20 {
		c := connect(t, to, "tcp", portEcho)
		// What the faults hold back is late by less than a few round trips.
		var err error
		for range 4 {
			c.SetDeadline(time.Now().Add(5 * time.Second))
			if _, err = c.Write([]byte{1}); err == nil {
				_, err = io.ReadFull(c, make([]byte, 1))
			}
			if err != nil {
				break
			}
		}
		if err == nil {
			c.SetDeadline(time.Time{})
			return c
		}
		c.Close()
	}
	t.Fatal("no connection gets past its handshake")
	return nil
}

func TestABadFaultArgumentIsReportedAndTheWireStaysGood(t *testing.T) {
	t.Parallel()
	g, w := bootWire(t, "gasp.fault=rx:los=1% gasp.pcap=1 "+staticIP)
	g.line(`unknown fault \"los\"`)
	g.line("gasp.pcap ignored")
	w.reachable()
	g.unharmed()
}
