//go:build arm

package gasp

import (
	"context"
	"log/slog"
	"net/netip"
	"slices"
	"sync/atomic"
	"time"
	"unsafe"

	"github.com/gasp-go/gasp/board"
	"github.com/gasp-go/gasp/board/bootarg"
	"github.com/gasp-go/gasp/board/dma"
	"github.com/gasp-go/gasp/board/kernel"
	"github.com/gasp-go/gasp/board/mmio"
	"github.com/gasp-go/gasp/board/trap"
	"github.com/gasp-go/gasp/console"
	"github.com/gasp-go/gasp/enet"
	panics "github.com/gasp-go/gasp/panic"
	"github.com/gasp-go/gasp/stack"
	"github.com/gasp-go/gasp/stack/netdev"
	"github.com/gasp-go/gasp/stack/netem"
	"github.com/gasp-go/gasp/stack/netpoll"
	"github.com/gasp-go/gasp/stack/pcap"
	"github.com/gasp-go/gasp/stack/sockets"
)

// Interface is one Ethernet port with all that was built on it.
type Interface struct {
	Port   board.Ethernet
	MAC    *enet.MAC
	Device *netdev.Device
	Stack  *stack.Stack
	Poll   *netpoll.Endpoint // the way out below the stack

	Capture *pcap.Recorder // off unless gasp.pcap= switched it on
	Faults  *netem.Netem   // nil unless gasp.fault= was given

	boot     bootarg.IP                     // what ip= says of it
	presumed []netip.Addr                   // see presume
	addrs    atomic.Pointer[stack.AddrInfo] // as it is configured
	report   netReport
	watch    watcher
}

// prepareNetwork makes the interfaces of the board's first port, and of others that
// an ip= argument names, as far as the panic path needs them: MAC, way out and
// netconsole targets.
func (s *System) prepareNetwork() {
	mem, phys := kernel.DMA()
	s.dma = dma.NewRegion(mem, phys)
	s.rxBuffers = s.dma
	if s.cachedReceive() {
		mem, phys := kernel.StreamingDMA()
		s.rxBuffers = dma.NewStreaming(mem, phys, dma.CPU)
	}
	s.prepareNetconsole()
	s.Softnet = netdev.NewSoftnet(s.softirq.Signal)
	s.Softnet.SetClock(kernel.Nanotime)
	s.Softnet.SetTimers(newTimer)
	panics.AddReport(panics.Report{Name: "softnet", Line: s.softnetLine})
	for i, port := range s.Board.Ethernet {
		cfg, ok := s.Args.IPFor(port.Name)
		if i > 0 && (!ok || cfg.Device == "") {
			continue
		}
		if !ok {
			cfg.Auto = bootarg.AutoDHCP
		}
		n, err := s.addInterface(port)
		if err != nil {
			slog.Error("network interface", "dev", port.Name, "err", err)
			continue
		}
		n.boot = cfg
		s.Interfaces = append(s.Interfaces, n)
		panics.AddPoller(n.Poll)
		panics.AddReport(n.networkReport())
		if err := n.MAC.Probe(); err != nil {
			slog.Error("network interface", "dev", port.Name, "err", err)
		}
		if c := cfg.Client; c.IsValid() {
			n.presume(c.Addr())
			n.addrs.Store(&stack.AddrInfo{IPv4: c, Gateway: cfg.Gateway})
		}
		s.addTargets(n)
	}
}

// startNetwork opens the interfaces and gives each a stack. Without an ip= argument
// the first one's address comes by DHCP.
func (s *System) startNetwork() {
	go s.networkThread()
	s.Interfaces = slices.DeleteFunc(s.Interfaces, func(n *Interface) bool {
		err := n.addStack()
		if err != nil {
			slog.Error("network interface", "dev", n.Port.Name, "err", err)
		}
		return err != nil
	})
	for _, n := range s.Interfaces {
		s.startCapture(n)
		s.startFaults(n)
		if s.sockets.Load() == nil {
			// The first interface's stack is the program's: package net's.
			s.sockets.Store(sockets.New(n.Stack, s.softirq.Wake))
			kernel.ServeSockets(&s.softirq)
		}
		if err := n.Device.Open(); err != nil {
			slog.Error("network interface", "dev", n.Port.Name, "err", err)
		}
		n.startWatch()
		n.configure(n.boot)
	}
	s.addFiles()
	s.bootParams()
	s.reportTargets()
	go s.workNetpoll()
}

// workNetpoll is what keeps the targets' MAC addresses fresh while nothing is
// logged, and goes on with what receivers asked for.
func (s *System) workNetpoll() {
	for range time.Tick(flushPeriod) {
		for _, n := range s.Interfaces {
			trap.Run(work, unsafe.Pointer(n.Poll))
		}
	}
}

func work(p unsafe.Pointer) { (*netpoll.Endpoint)(p).Work() }

// addInterface builds driver, device and the way out below the stack of a port.
func (s *System) addInterface(port board.Ethernet) (*Interface, error) {
	off, trust := s.offloads()
	m, err := enet.New(enet.Config{
		Port:      port,
		Regs:      mmio.At(port.Base),
		MDIO:      mmio.At(port.MDIO),
		DMA:       s.dma,
		RxBuffers: s.rxBuffers,
		Softnet:   s.Softnet,
		IRQ:       irqs{},
		Now:       kernel.Nanotime,
		Quirks:    enet.QuirksOf(s.Board.SoC.Name),
		Off:       off,
		Trust:     trust,
	})
	if err != nil {
		return nil, err
	}
	n := &Interface{Port: port, MAC: m, Device: m.Device()}
	n.Poll = netpoll.New(n.Device, kernel.Nanotime)
	n.Poll.OnLink(n.linkInPanic)
	n.Device.SetFilter(n.Poll.Filter)
	return n, nil
}

// addStack puts the protocol stack on the interface.
func (n *Interface) addStack() (err error) {
	n.Stack, err = stack.New(stack.Config{
		Device: n.Device,
		Now:    kernel.Nanotime,
		Log:    func(level int, msg string) { console.Log(console.Level(level), []byte(msg)) },
	})
	if err != nil {
		return err
	}
	n.Stack.OnAddress(n.addressChanged)
	return nil
}

// presume has the way out below the stack use an address that boot arguments give the
// interface, for deaths before the stack tells which it has: the first of each family.
func (n *Interface) presume(a netip.Addr) {
	if !a.IsValid() || slices.ContainsFunc(n.presumed, func(b netip.Addr) bool { return a.Is4() == b.Is4() }) {
		return
	}
	n.presumed = append(n.presumed, a)
	n.Poll.SetLocal(n.presumed...)
}

// configure applies an ip= argument.
func (n *Interface) configure(a bootarg.IP) {
	c := stack.IPConfig{Hostname: a.Hostname}
	for _, d := range a.DNS {
		if d.IsValid() {
			c.DNS = append(c.DNS, d)
		}
	}
	switch {
	case a.Client.IsValid():
		c.Client = a.Client.Addr()
		c.Netmask = netmask(a.Client.Bits())
		c.Gateway = a.Gateway
	case a.Auto != bootarg.AutoNone:
		c.DHCP = true
	}
	if err := n.Stack.Configure(context.Background(), c); err != nil {
		slog.Error("network configuration", "dev", n.Port.Name, "err", err)
	}
}

// netmask is the IPv4 netmask of a prefix length.
func netmask(bits int) netip.Addr {
	m := ^uint32(0) << (32 - bits)
	if bits == 0 {
		m = 0
	}
	return netip.AddrFrom4([4]byte{byte(m >> 24), byte(m >> 16), byte(m >> 8), byte(m)})
}

// addressChanged tells the way out below the stack what the interface's
// addresses are, and which way its targets are reached.
func (n *Interface) addressChanged(a stack.AddrInfo) {
	local := []netip.Addr{a.IPv4.Addr()}
	for _, p := range a.IPv6 {
		local = append(local, p.Addr())
	}
	n.Poll.SetLocal(local...)
	if len(system.Interfaces) > 0 && system.Interfaces[0] == n {
		configureResolver(a)
	}
	n.addrs.Store(&a)
	system.netconsole.Rerouted()
}

// newTimer returns one of the kernel's timers, as netdev wants them.
func newTimer(fire func()) netdev.Timer {
	if t := kernel.NewTimer(fire); t != nil {
		return t
	}
	return nil
}

// irqs is the interrupt controller as the driver sees it.
type irqs struct{}

func (irqs) Handle(irq int, top func()) { kernel.HandleIRQ(irq, top) }
func (irqs) Enable(irq int)             { kernel.EnableIRQ(irq) }
func (irqs) Disable(irq int)            { kernel.DisableIRQ(irq) }
