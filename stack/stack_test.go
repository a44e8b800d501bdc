package stack

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/netip"
	"testing"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/transport/icmp"
	"gvisor.dev/gvisor/pkg/waiter"
)

func TestPing(t *testing.T) {
	a, b := pair(t)
	var wq waiter.Queue
	ep, terr := a.gv.NewEndpoint(icmp.ProtocolNumber4, ipv4.ProtocolNumber, &wq)
	if terr != nil {
		t.Fatal(terr)
	}
	defer ep.Close()
	entry, readable := waiter.NewChannelEntry(waiter.ReadableEvents)
	wq.EventRegister(&entry)
	echo := header.ICMPv4(make([]byte, header.ICMPv4MinimumSize+1400))
	echo.SetType(header.ICMPv4Echo)
	to := tcpip.FullAddress{Addr: address(netip.MustParseAddr("10.0.0.2"))}
	if _, terr := ep.Write(bytes.NewReader(echo), tcpip.WriteOptions{To: &to}); terr != nil {
		t.Fatal(terr)
	}
	select {
	case <-readable:
	case <-time.After(10 * time.Second):
		t.Fatal("no reply")
	}
	var reply bytes.Buffer
	if _, terr := ep.Read(&reply, tcpip.ReadOptions{}); terr != nil {
		t.Fatal(terr)
	}
	if r := header.ICMPv4(reply.Bytes()); len(r) != len(echo) || r.Type() != header.ICMPv4EchoReply {
		t.Errorf("reply of %d bytes, type %v", len(r), r.Type())
	}
	as, bs := a.Stats(), b.Stats()
	if as.ICMP.OutEchos != 1 || as.ICMP.InEchoReps != 1 || bs.ICMP.InEchos != 1 || bs.ICMP.OutEchoReps != 1 || bs.ARP.InRequests == 0 {
		t.Errorf("a %+v\nb %+v", as, bs)
	}
	if _, err := json.Marshal(as); err != nil {
		t.Error(err)
	}
}

func echoUDP(t *testing.T, from, to *node, network, addr, dial string) {
	t.Helper()
	srv, err := to.ListenUDP(network, addr)
	if err != nil {
		t.Fatal(err)
	}
	defer srv.Close()
	go func() {
		buf := make([]byte, 2048)
		for {
			n, peer, err := srv.ReadFrom(buf)
			if err != nil {
				return
			}
			if _, err := srv.WriteTo(buf[:n], peer); err != nil {
				t.Error(err)
			}
		}
	}()
	c, err := from.DialUDP(network, dial)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for _, size := range []int{0, 1, 18, 64, 1000, 1472, 4000} {
		msg := bytes.Repeat([]byte{byte(size)}, size)
		if _, err := c.Write(msg); err != nil {
			t.Fatalf("%d bytes: %v", size, err)
		}
		_ = c.SetReadDeadline(time.Now().Add(10 * time.Second))
		buf := make([]byte, 8192)
		n, err := c.Read(buf)
		// The echo server's buffer cuts at 2048.
		if want := msg[:min(size, 2048)]; err != nil || !bytes.Equal(buf[:n], want) {
			t.Fatalf("%d bytes: got %d, %v", size, n, err)
		}
	}
}

func TestUDPEcho(t *testing.T) {
	a, b := pair(t)
	echoUDP(t, a, b, "udp4", ":7", "10.0.0.2:7")
	echoUDP(t, a, b, "udp", ":7", "10.0.0.2:7") // a dual socket takes IPv4
}

func TestIPv6ConfiguresItself(t *testing.T) {
	a, b := pair(t)
	want := netip.MustParsePrefix("fe80::ff:fe00:2/64")
	for _, n := range []*node{a, b} {
		n.await(t, "link-local address", func(i AddrInfo) bool { return len(i.IPv6) == 1 })
	}
	if got := b.Addresses().IPv6[0]; got != want {
		t.Errorf("address %v, want %v from the MAC", got, want)
	}
	echoUDP(t, a, b, "udp6", ":7", "[fe80::ff:fe00:2]:7")
	if mac, ok := a.LinkAddr(want.Addr()); !ok || mac != b.port.dev.MAC() {
		t.Errorf("LinkAddr %x, %v", mac, ok)
	}
}

func TestTCPBulkSurvivesARingThatIsOftenFull(t *testing.T) {
	for _, full := range []bool{false, true} {
		a, b := pair(t)
		if full {
			n := 0
			inTrap(func() { a.busy = func() bool { n++; return n%50 == 0 } })
		}
		l, err := b.ListenTCP("tcp", ":9")
		if err != nil {
			t.Fatal(err)
		}
		data := make([]byte, 2<<20)
		rng := rand.NewChaCha8([32]byte{})
		_, _ = rng.Read(data)
		got := make(chan []byte)
		go func() {
			c, err := l.Accept()
			if err != nil {
				t.Error(err)
				close(got)
				return
			}
			all, err := io.ReadAll(c)
			if err != nil {
				t.Error(err)
			}
			got <- all
			c.Close()
		}()
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		c, err := a.DialTCP(ctx, "tcp", "10.0.0.2:9")
		cancel()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Write(data); err != nil {
			t.Fatal(err)
		}
		c.Close()
		if !bytes.Equal(<-got, data) {
			t.Error("the data arrived changed")
		}
		st := a.Stats()
		if full && (st.Device.TxBusy == 0 || st.Link.TxQueued == 0) || st.Link.OutNoBuffer+st.Device.TxDropped != 0 {
			t.Errorf("full ring %v: %+v", full, st)
		}
		if n := b.Stats().Link.TCPDirect; n == 0 {
			t.Error("all segments went to gVisor's goroutine")
		}
		if st.TCP.RetransSegs > 0 {
			t.Logf("retransmitted without loss: %d", st.TCP.RetransSegs)
		}
		l.Close()
	}
}

func TestHTTP(t *testing.T) {
	a, b := pair(t)
	l, err := b.Listen("tcp", ":80")
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, "hello "+r.URL.Path)
	})}
	go func() { _ = srv.Serve(l) }()
	defer srv.Close()
	client := &http.Client{Transport: &http.Transport{DialContext: a.DialContext, DisableKeepAlives: true}}
	resp, err := client.Get("http://10.0.0.2/gasp")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if body, err := io.ReadAll(resp.Body); err != nil || string(body) != "hello /gasp" {
		t.Errorf("%q, %v", body, err)
	}
}

func TestLoopbackAndOwnAddressStayInside(t *testing.T) {
	a, _ := pair(t)
	before := a.Stats().Device.TxPackets
	echoUDP(t, a, a, "udp4", ":7", "127.0.0.1:7")
	echoUDP(t, a, a, "udp4", ":7", "10.0.0.1:7")
	echoUDP(t, a, a, "udp6", ":7", "[::1]:7")
	if n := a.Stats().UDP.OutDatagrams; n == 0 {
		t.Error("nothing sent")
	}
	// Only neighbour discovery may have used the wire.
	if n := a.Stats().Device.TxPackets - before; n > 8 {
		t.Errorf("%d frames left the node", n)
	}
}

func TestWhatAFullQueueHasNoRoomForIsCountedAsLoss(t *testing.T) {
	a, b := pair(t)
	echoUDP(t, a, b, "udp4", ":7", "10.0.0.2:7") // resolve the neighbour
	inTrap(func() { a.dead, a.busy = true, func() bool { return true } })
	c, err := a.DialUDP("udp4", "10.0.0.2:7")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	// As on Linux a UDP socket does not hear of it, unless it asked (IP_RECVERR).
	for range txqPackets + 1 {
		if _, err := c.Write([]byte("x")); err != nil {
			t.Error(err)
		}
	}
	if st := a.Stats(); st.Device.TxBusy != 1 || st.Link.TxQueued != txqPackets || st.Link.OutNoBuffer < 1 || st.Device.TxDropped < 1 {
		t.Errorf("not counted: %+v", st)
	}
	// What waits goes with the carrier. (IPv6 sends something now and then, too.)
	a.port.dev.SetCarrier(false)
	if st := a.Stats(); a.link.txq.n.Load() != 0 || st.Device.TxDropped < 1+txqPackets {
		t.Errorf("%d wait still: %+v", a.link.txq.n.Load(), st.Device)
	}
}

func TestBadFramesAreCountedByCause(t *testing.T) {
	a, _ := pair(t)
	mac := a.port.dev.MAC()
	frame := func(dst [6]byte, src byte, typ uint16, size int) []byte {
		f := make([]byte, max(size, 14))
		copy(f, dst[:])
		f[6], f[12], f[13] = src, byte(typ>>8), byte(typ)
		return f[:size]
	}
	before := a.Stats()
	for _, f := range [][]byte{
		{},
		frame(mac, 2, 0x0800, 13),
		frame(mac, 2, 0x0026, 60), // 802.3
		frame(mac, 2, 0x8100, 60), // VLAN
		frame(mac, 2, 0x88cc, 60), // LLDP
		frame([6]byte{2, 9, 9, 9, 9, 9}, 2, 0x0800, 60), // not ours
		frame(mac, 3, 0x0800, 60),                       // from a group
		frame(mac, 2, 0x0800, 14),                       // empty IPv4
		frame(mac, 2, 0x0806, 20),                       // short ARP
	} {
		a.link.receive(f, 0)
	}
	after := a.Stats()
	l := after.Link
	if l.InTooShort != 2 || l.InLengthField != 1 || l.InUnknownProtos != 2 || l.InOtherHost != 1 || l.InBadSource != 1 {
		t.Errorf("%+v", l)
	}
	if n := after.Device.RxDropped - before.Device.RxDropped; n != 7 {
		t.Errorf("RxDropped grew by %d, want 7", n)
	}
	if after.IP.InHdrErrors == before.IP.InHdrErrors || after.ARP.InErrors == before.ARP.InErrors {
		t.Errorf("IP %+v, ARP %+v", after.IP, after.ARP)
	}
}

func TestLinkAddrResolvesTheNextHop(t *testing.T) {
	a, b := pair(t)
	for _, ip := range []string{"10.0.0.2", "192.0.2.1"} { // the second is behind the first
		limit := time.Now().Add(10 * time.Second)
		for {
			mac, ok := a.LinkAddr(netip.MustParseAddr(ip))
			if ok {
				if mac != b.port.dev.MAC() {
					t.Errorf("%s: %x", ip, mac)
				}
				break
			}
			if time.Now().After(limit) {
				t.Fatalf("%s does not resolve", ip)
			}
			time.Sleep(time.Millisecond)
		}
	}
	if _, ok := b.LinkAddr(netip.MustParseAddr("192.0.2.1")); ok {
		t.Error("resolved without a route")
	}
}

func TestStaticConfigurationIsChecked(t *testing.T) {
	a, _ := pair(t)
	addr := netip.MustParseAddr
	for _, c := range []IPConfig{
		{Client: addr("0.1.2.3")},
		{Client: addr("127.0.0.1")},
		{Client: addr("224.0.0.1")},
		{Client: addr("255.255.255.255")},
		{Client: addr("fe80::1")},
		{Client: addr("10.0.0.0"), Netmask: addr("255.255.255.0")},
		{Client: addr("10.0.0.255"), Netmask: addr("255.255.255.0")},
		{Client: addr("10.0.0.1"), Netmask: addr("255.0.255.0")},
		{Client: addr("10.0.0.1"), Netmask: addr("ffff::")},
		{Client: addr("10.0.0.1"), Gateway: addr("10.0.0.1")},
		{Client: addr("10.0.0.1"), Gateway: addr("224.0.0.1")},
	} {
		if err := a.Configure(t.Context(), c); err == nil {
			t.Errorf("%+v accepted", c)
		}
	}
	for want, c := range map[string]IPConfig{
		"10.1.2.3/8":     {Client: addr("10.1.2.3")},
		"172.16.0.1/16":  {Client: addr("172.16.0.1")},
		"192.168.0.1/24": {Client: addr("192.168.0.1")},
		"192.168.0.1/31": {Client: addr("192.168.0.1"), Netmask: addr("255.255.255.254")},
		"invalid Prefix": {},
	} {
		if err := a.Configure(t.Context(), c); err != nil {
			t.Error(err)
		}
		if got := a.Addresses().IPv4.String(); got != want {
			t.Errorf("%+v: address %s, want %s", c, got, want)
		}
	}
	a.Close()
	if err := a.Configure(t.Context(), IPConfig{}); !errors.Is(err, ErrClosed) {
		t.Errorf("closed stack: %v", err)
	}
}

func TestSocketAddresses(t *testing.T) {
	a, _ := pair(t)
	for _, c := range [][2]string{
		{"tcp", "nowhere"}, {"tcp", "host:1"}, {"tcp", ":70000"}, {"udp", ":1"},
		{"tcp4", "[::1]:1"}, {"tcp6", "10.0.0.1:1"}, {"tcp5", ":1"},
	} {
		if l, err := a.Listen(c[0], c[1]); err == nil {
			l.Close()
			t.Errorf("%s %s accepted", c[0], c[1])
		}
	}
	l, err := a.Listen("tcp", "10.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if port := l.Addr().(*net.TCPAddr).Port; port == 0 {
		t.Error("no port chosen")
	}
}
