// Package stack is the TCP/IP stack: gVisor's, on a netdev.Device. Received
// frames enter it straight from the NAPI poll, sent packets leave it straight
// into the driver; there is no queue and no goroutine of ours in between.
package stack

import (
	"context"
	"fmt"
	"io"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"gvisor.dev/gvisor/pkg/log"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/link/loopback"
	"gvisor.dev/gvisor/pkg/tcpip/network/arp"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv6"
	gv "gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/icmp"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/tcpip/transport/udp"

	"github.com/gasp-go/gasp/stack/netdev"
	_ "github.com/gasp-go/gasp/stack/random" // gVisor's source of randomness
)

// The levels of Config.Log, as in printk.
const (
	levelWarning = 4
	levelNotice  = 5
	levelInfo    = 6
	levelDebug   = 7
)

// nicID is the interface of the device, loopbackID the one of 127.0.0.1 and ::1.
const (
	nicID      tcpip.NICID = 1
	loopbackID tcpip.NICID = 2
)

// Scope is the interface's number in the scope of link-local addresses.
const Scope = uint32(nicID)

// Buffers of one TCP connection, bytes. Half of a receive buffer is its window:
// 128 KB at first, so that a poll finds a packet's worth of segments, which GRO
// makes one of. Only data that nobody has read yet takes memory.
const (
	tcpBufferMin     = 4 << 10
	tcpBufferDefault = 256 << 10
	tcpBufferMax     = 1 << 20
)

// Config says what a Stack is made of.
type Config struct {
	// Device is the network device. It must not be open yet.
	Device *netdev.Device

	// Hostname is sent to the DHCP server, if not empty.
	Hostname string

	// Log takes the stack's messages; level is 0 (emergency) to 7 (debug). It
	// is called from goroutines and must not block. nil: no messages.
	Log func(level int, msg string)

	// Rand is a cryptographically secure source of randomness, safe for
	// concurrent use. nil: package stack/random's.
	Rand io.Reader

	// Clock is the time of all protocols. nil: the system's.
	Clock tcpip.Clock

	// Now is a monotonic clock in ns that may be read in any context. nil: the
	// system's.
	Now func() int64
}

// Stack is a TCP/IP stack with one Ethernet interface and a loopback.
type Stack struct {
	gv       *gv.Stack
	link     *link
	dev      *netdev.Device
	clock    tcpip.Clock
	hostname string
	logf     func(level int, format string, args ...any)

	configure sync.Mutex // serialises Configure and Close
	dhcp      context.CancelFunc
	dhcpDone  chan struct{}
	closed    bool

	enabled  atomic.Bool   // the NIC; from the first carrier on
	linkPoke chan struct{} // for the DHCP client: the carrier changed

	// refresh makes routes and listeners follow the state below it. Lock
	// order: refreshMu, then stateMu; gVisor calls us with its own locks held
	// and then only stateMu may be taken, so no gVisor call under stateMu.
	refreshMu sync.Mutex
	onAddress []func(AddrInfo)
	last      AddrInfo

	stateMu sync.Mutex
	v4      ipv4State
	v6      ipv6State

	stale   chan struct{} // the state changed and refresh has not run
	regroup chan struct{} // a group may have been left
	quit    chan struct{}
	done    chan struct{}
}

// New makes a stack and puts it on the device. The device is opened by the
// caller afterwards; IPv6 configures itself when the carrier comes, IPv4 by
// Configure.
func New(cfg Config) (*Stack, error) {
	s := &Stack{
		dev:      cfg.Device,
		clock:    cfg.Clock,
		hostname: cfg.Hostname,
		linkPoke: make(chan struct{}, 1),
		stale:    make(chan struct{}, 1),
		regroup:  make(chan struct{}, 1),
		quit:     make(chan struct{}),
		done:     make(chan struct{}),
	}
	s.v6.init()
	s.logf = func(level int, format string, args ...any) {
		if cfg.Log != nil {
			cfg.Log(level, fmt.Sprintf(format, args...))
		}
	}
	redirect.Do(func() { log.SetTarget(gvisorLog{s.logf}) })
	if cfg.Now == nil {
		start := time.Now()
		cfg.Now = func() int64 { return int64(time.Since(start)) }
	}
	if s.clock == nil {
		s.clock = &clock{tcpip.NewStdClock(), cfg.Now}
	}
	proto := new(tcpProtocol)
	look := &lookups{clock: s.clock, byAddr: map[tcpip.Address]*lookup{}, lost: map[tcpip.Address]*lookup{}}
	s.gv = gv.New(gv.Options{
		NetworkProtocols: []gv.NetworkProtocolFactory{
			arp.NewProtocol,
			// Switches and routers are told of the groups that are wanted.
			look.protocol(ipv4.NewProtocolWithOptions(ipv4.Options{IGMP: ipv4.IGMPOptions{Enabled: true}})),
			look.protocol(ipv6.NewProtocolWithOptions(s.ipv6Options())),
		},
		TransportProtocols: []gv.TransportProtocolFactory{
			proto.newTCP, udp.NewProtocol, icmp.NewProtocol4, icmp.NewProtocol6,
		},
		Clock:       s.clock,
		NUDDisp:     look,
		SecureRNG:   cfg.Rand,
		HandleLocal: true,
	})
	if err := s.setOptions(); err != nil {
		return nil, err
	}
	s.link = newLink(cfg.Device, cfg.Now)
	s.link.tcp = proto
	s.link.lookups = look
	s.link.groups = groups{
		dev: cfg.Device, left: s.Left, logf: s.logf, joined: map[netip.Addr]uint64{},
	}
	s.link.hasSocket = func(id gv.TransportEndpointID) bool {
		return s.gv.FindTransportEndpoint(ipv4.ProtocolNumber, udp.ProtocolNumber, id, nicID) != nil
	}
	if err := s.createNICs(); err != nil {
		return nil, err
	}
	cfg.Device.SetReceive(s.link.receive)
	cfg.Device.SetGROFlush(s.link.groFlush)
	cfg.Device.OnTxWake(s.link.dequeue)
	cfg.Device.OnCarrier(s.carrier)
	cfg.Device.OnAddress(s.link.stationChanged)
	if cfg.Device.Carrier() {
		s.carrier(true)
	}
	go s.maintain()
	return s, nil
}

func (s *Stack) setOptions() error {
	sack := tcpip.TCPSACKEnabled(true)
	snd := tcpip.TCPSendBufferSizeRangeOption{Min: tcpBufferMin, Default: tcpBufferDefault, Max: tcpBufferMax}
	rcv := tcpip.TCPReceiveBufferSizeRangeOption{Min: tcpBufferMin, Default: tcpBufferDefault, Max: tcpBufferMax}
	moderate := tcpip.TCPModerateReceiveBufferOption(true)
	nagle := tcpip.TCPDelayEnabled(true) // until TCP_NODELAY is set, which package net does
	for _, o := range []tcpip.SettableTransportProtocolOption{&sack, &snd, &rcv, &moderate, &nagle} {
		if err := s.gv.SetTransportProtocolOption(tcp.ProtocolNumber, o); err != nil {
			return fmt.Errorf("stack: TCP option %T: %s", o, err)
		}
	}
	return nil
}

func (s *Stack) createNICs() error {
	// Disabled until there is a carrier: router solicitations and duplicate
	// address detection must not go nowhere.
	opts := gv.NICOptions{Name: s.dev.Name(), Disabled: true}
	if err := s.gv.CreateNICWithOptions(nicID, s.link, opts); err != nil {
		return fmt.Errorf("stack: %s: %s", s.dev.Name(), err)
	}
	if err := s.gv.CreateNICWithOptions(loopbackID, loopback.New(), gv.NICOptions{Name: "lo"}); err != nil {
		return fmt.Errorf("stack: lo: %s", err)
	}
	// Nobody else can have an address of the loopback; without this ::1 would
	// be unusable for the second that looking for him takes.
	lo, err := s.gv.GetNetworkEndpoint(loopbackID, ipv6.ProtocolNumber)
	if err != nil {
		return fmt.Errorf("stack: lo: %s", err)
	}
	if d, ok := lo.(gv.DuplicateAddressDetector); ok {
		d.SetDADConfigurations(gv.DADConfigurations{})
	}
	for _, p := range []string{"127.0.0.1/8", "::1/128"} {
		if err := s.addAddress(loopbackID, netip.MustParsePrefix(p)); err != nil {
			return err
		}
	}
	s.gv.SetRouteTable(loopbackRoutes())
	return nil
}

func loopbackRoutes() []tcpip.Route {
	return []tcpip.Route{
		{Destination: header.IPv4LoopbackSubnet, NIC: loopbackID},
		{Destination: subnet(netip.MustParsePrefix("::1/128")), NIC: loopbackID},
	}
}

// carrier follows the link. Addresses stay while the link is down, as on other
// systems, so that a short loss does not end connections.
func (s *Stack) carrier(up bool) {
	s.link.dst.flush(s.link.now())
	if up {
		s.logf(levelInfo, "%s: link up", s.dev.Name())
		if s.enabled.CompareAndSwap(false, true) {
			if err := s.gv.EnableNIC(nicID); err != nil {
				s.logf(levelWarning, "%s: cannot enable: %s", s.dev.Name(), err)
			}
		} else {
			s.solicitRouters()
		}
	} else {
		s.logf(levelInfo, "%s: link down", s.dev.Name())
		s.link.dequeue()
	}
	poke(s.linkPoke)
}

// poke puts a token in c unless there is one.
func poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// maintain runs refresh whenever gVisor changed the IPv6 state, and follows the
// groups that it leaves.
func (s *Stack) maintain() {
	defer close(s.done)
	for {
		select {
		case <-s.stale:
			s.refresh()
		case <-s.regroup:
			s.link.groups.prune(s.inGroup)
		case <-s.quit:
			return
		}
	}
}

// Netstack returns gVisor's stack, for what serves sockets on it.
func (s *Stack) Netstack() *gv.Stack { return s.gv }

// Device returns the device the stack is on.
func (s *Stack) Device() *netdev.Device { return s.dev }

// Close ends DHCP, all connections and the stack's goroutines. The device, if
// it is still open, goes on; frames it receives are dropped.
func (s *Stack) Close() {
	s.configure.Lock()
	defer s.configure.Unlock()
	if s.closed {
		return
	}
	s.closed = true
	s.stopDHCP()
	close(s.quit)
	<-s.done
	s.link.Attach(nil)
	s.gv.Destroy()
}
