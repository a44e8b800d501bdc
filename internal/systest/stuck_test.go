package systest

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/gasp-go/gasp/internal/qemu"
)

const portWedge = 4711 // cmd/firmware's

// wedgeStack has somebody keep a lock of gVisor's, and the network thread wait for it.
func wedgeStack(t *testing.T, how string) (*guest, *wire, *collector) {
	w := newWire(t)
	c := w.collect(6666)
	g := w.boot(qemu.Options{BootArgs: staticIP + deathTarget + " gasp.die=1"})
	g.line("http: listening")
	w.reachable()
	if _, err := w.fetch("POST", "/die?how="+how); err != nil {
		t.Fatal(err)
	}
	g.line("the stack has one lock less")
	w.udpEcho([]byte("alive"))
	w.send(w.to4(udp(netip.AddrPortFrom(peerIP, 40000), netip.AddrPortFrom(guestIP, portWedge), []byte("x"))))
	w.send(w.to4(udp(netip.AddrPortFrom(peerIP, 40000), netip.AddrPortFrom(guestIP, portWedge), []byte("x"))))
	g.line("NAPI stuck for")
	return g, w, c
}

func TestAStackThatIsStuckLeavesTheDeviceReachable(t *testing.T) {
	t.Parallel()
	g, w, c := wedgeStack(t, "wedge")
	// Longer than the ring is, and with frames for the stack between.
	for i := range 200 {
		w.ping(i)
		if i%10 == 0 {
			w.whoHas(guestIP)
			w.send(w.to4(udp(netip.AddrPortFrom(peerIP, 40000), netip.AddrPortFrom(guestIP, portEcho), []byte("lost"))))
		}
	}
	w.reachable()
	c.awaitLine(g, "NETDEV WATCHDOG: eth0: NAPI stuck for")
	w.silentTCP(t)
	g.unharmed()
}

func TestAStackThatWasStuckTakesBackOver(t *testing.T) {
	t.Parallel()
	g, w, c := wedgeStack(t, "stall")
	for i := range 20 {
		w.ping(i)
	}
	g.line("the lock is free again")
	g.line("NAPI polls again after")
	// What the firmware has is what it had before.
	for i := range 50 {
		w.udpEcho(pattern(i))
		w.ping(i)
	}
	s := w.stats()
	if st := s.Interfaces[0].Netpoll; st.Stuck != 1 || st.Recovered != 1 || st.Echo < 20 {
		t.Errorf("%+v", st)
	}
	if n := s.Interfaces[0].driver("rx_taken"); n < 20 {
		t.Errorf("netpoll took %d descriptors", n)
	}
	unbroken(t, c.sameAsSerial(g))
	g.unharmed()
}

// A healthy network thread is not taken for a stuck one under load.
func TestALoadedStackIsNotTakenForAStuckOne(t *testing.T) {
	t.Parallel()
	g, w := bootWire(t, staticIP)
	g.line("http: listening")
	stop := w.flood()
	time.Sleep(3 * time.Second) // three times what it takes to call it stuck
	stop()
	w.reachable()
	for _, l := range g.serial.Lines() {
		if strings.Contains(l, "NETDEV WATCHDOG") {
			t.Error(l)
		}
	}
	if st := w.stats().Interfaces[0].Netpoll; st.Stuck != 0 {
		t.Errorf("%+v", st)
	}
	g.unharmed()
}
