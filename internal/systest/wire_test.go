package systest

import (
	"context"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gasp-go/gasp/internal/qemu"
)

// Who is on the wire: the guest and us. What ip= a guest on a wire gets by
// default makes no use of DHCP.
var (
	guestIP = netip.MustParseAddr("10.77.0.2")
	peerIP  = netip.MustParseAddr("10.77.0.1")
	peerIP6 = netip.MustParseAddr("fe80::77")
	peerMAC = mac{0x02, 0, 0, 0, 0x77, 1}
)

const staticIP = "ip=10.77.0.2::10.77.0.1:255.255.255.0::eth0:off"

// wire is the Ethernet of which the test is everybody but the guest: a socket
// whose datagrams are frames. It answers for our addresses by itself and keeps
// everything the guest sends.
type wire struct {
	t    *testing.T
	conn *net.UDPConn
	g    *guest // once it is booted

	sent, received atomic.Uint64 // frames put on the wire, and by the guest
	badFrames      atomic.Bool   // the guest's frames may be damaged (gasp.fault=)

	mu      sync.Mutex
	guest   netip.AddrPort // the socket of QEMU, known once it has sent
	mac     mac            // the guest's
	owned   map[netip.Addr]mac
	hook    func(packet)      // sees what comes, on the receiver
	forget  func(packet) bool // what is not kept; nil: everything is
	got     []packet
	changed chan struct{}
}

// bootWire boots on a wire. args are the boot arguments.
func bootWire(t *testing.T, args string) (*guest, *wire) {
	t.Helper()
	w := newWire(t)
	return w.boot(qemu.Options{BootArgs: args}), w
}

func newWire(t *testing.T) *wire {
	t.Helper()
	prepare(t)
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	conn.SetReadBuffer(4 << 20)
	w := &wire{
		t: t, conn: conn, changed: make(chan struct{}),
		owned: map[netip.Addr]mac{peerIP: peerMAC, peerIP6: peerMAC},
	}
	t.Cleanup(func() { conn.Close() })
	return w
}

// boot starts the guest and waits until it sends something.
func (w *wire) boot(o qemu.Options) *guest {
	w.t.Helper()
	o.Net = qemu.NetDgram
	o.DgramLocal = netip.MustParseAddrPort("127.0.0.1:0")
	o.DgramRemote = w.conn.LocalAddr().(*net.UDPAddr).AddrPort()
	received := make(chan struct{})
	go func() {
		defer close(received)
		w.receive()
	}()
	w.t.Cleanup(func() {
		w.conn.Close()
		<-received
	})
	g := boot(w.t, o)
	w.g = g
	w.await(0, "any frame", func(packet) bool { return true })
	return g
}

// receive runs until the socket is closed.
func (w *wire) receive() {
	buf := make([]byte, 64<<10)
	for {
		n, from, err := w.conn.ReadFromUDPAddrPort(buf)
		if err != nil {
			return
		}
		w.received.Add(1)
		p, err := dissect(append([]byte(nil), buf[:n]...))
		if err != nil {
			if !w.badFrames.Load() {
				w.t.Errorf("the guest sent a malformed frame: %v: %v", err, p)
			}
			continue
		}
		w.mu.Lock()
		w.guest = from
		if (p.arp.spa.IsValid() || p.proto != 0) && (w.mac == mac{} || !w.badFrames.Load()) {
			w.mac = p.src // no checksum covers it
		}
		hook := w.hook
		answer := w.answer(p)
		if w.forget == nil || !w.forget(p) {
			w.got = append(w.got, p)
			close(w.changed)
			w.changed = make(chan struct{})
		}
		w.mu.Unlock()
		if answer != nil {
			w.send(answer)
		}
		if hook != nil {
			hook(p)
		}
	}
}

// answer is what the owner of an address says when it is looked for, nil if
// nobody does. w.mu is held.
func (w *wire) answer(p packet) []byte {
	switch {
	case p.typ == typeARP && p.arp.op == arpRequest:
		if m, ok := w.owned[p.arp.tpa]; ok && p.arp.spa.IsValid() {
			return ethernet(p.src, m, typeARP, arp(arpReply, m, p.arp.tpa, p.arp.sha, p.arp.spa))
		}
	case p.proto == protoICMPv6 && p.icmpType == neighborSolicit && len(p.data) >= 20:
		target := netip.AddrFrom16([16]byte(p.data[4:20]))
		if m, ok := w.owned[target]; ok && !p.from.Addr().IsUnspecified() {
			return ethernet(p.src, m, typeIPv6,
				icmp(target, p.from.Addr(), neighborAdvert, 0, neighbor(0x60, target, 2, m)))
		}
	}
	return nil
}

// own makes the wire answer for an address.
func (w *wire) own(a netip.Addr, m mac) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.owned[a] = m
}

// on sets a function that sees every frame of the guest from now on.
func (w *wire) on(hook func(packet)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.hook = hook
}

// guestMAC is the guest's address, as its frames have it.
func (w *wire) guestMAC() mac {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.mac
}

// send puts a frame on the wire.
func (w *wire) send(frame []byte) {
	w.mu.Lock()
	to := w.guest
	w.mu.Unlock()
	if _, err := w.conn.WriteToUDPAddrPort(frame, to); err == nil {
		w.sent.Add(1)
	}
}

// mark is how many frames there have been.
func (w *wire) mark() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.got)
}

// since returns the frames from the from-th on.
func (w *wire) since(from int) []packet {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.got[from:len(w.got):len(w.got)]
}

// await waits for a frame, from the from-th on, that match accepts.
func (w *wire) await(from int, what string, match func(packet) bool) packet {
	w.t.Helper()
	return w.ask(nil, from, what, match)
}

// ask does the same and puts a frame on the wire, again each second: frames
// may be lost.
func (w *wire) ask(frame []byte, from int, what string, match func(packet) bool) packet {
	w.t.Helper()
	ctx, cancel := w.g.bounded()
	defer cancel()
	again := time.NewTicker(time.Second)
	defer again.Stop()
	if frame != nil {
		w.send(frame)
	}
	for {
		w.mu.Lock()
		for ; from < len(w.got); from++ {
			if match(w.got[from]) {
				defer w.mu.Unlock()
				return w.got[from]
			}
		}
		changed := w.changed
		w.mu.Unlock()
		select {
		case <-changed:
		case <-again.C:
			if frame != nil {
				w.send(frame)
			}
		case <-ctx.Done():
			w.t.Fatalf("waiting on the wire for %s: %v", what, context.Cause(ctx))
		}
	}
}
