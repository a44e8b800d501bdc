// Package enet drives the ENET, the Ethernet MAC of NXP's i.MX6UL, i.MX6Q and
// i.MX7D (and, with other register fields, of more). The files follow a MAC's
// life: enet.go (make, open, stop), hw.go (the register sequences), filter.go
// (addresses), phy.go (link), irq.go (top half), rx.go, tx.go, offload.go
// (checksums), pause.go, coalesce.go, errata.go, stats.go, mib.go, ethtool.go,
// take.go for a stack that is stuck, and seize.go for the end, when a panic takes
// the MAC away from everybody.
//
// # Who may touch what
//
//   - Receive ring: whoever holds rxBusy. The NAPI poll takes it on the network
//     thread; PollRx, in trap context, does without the ring if it is taken, and
//     TakeRx, in trap context, steps in if the poll does not come back: see there.
//   - Transmit ring: trap context only, and txBusy marks the time in which it
//     is being changed, for Seize to see.
//   - EIR: written with exactly the bits that were read, never read-modify-write.
//     MII is not touched here.
//   - EIMR: trap context, except that the poll unmasks on the network thread
//     after it completed.
//   - Everything else of the MAC: Open, Stop, and the poll for what others have
//     requested (filter, restart), in trap context. Seize asks nobody.
//
// Lock order: netdev's, then MAC.mu, then an MDIO bus.
package enet

import (
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"unsafe"

	"github.com/gasp-go/gasp/board/mmio"
	"github.com/gasp-go/gasp/board/trap"
	"github.com/gasp-go/gasp/board/word"
	"github.com/gasp-go/gasp/enet/bd"
	"github.com/gasp-go/gasp/enet/mii"
	"github.com/gasp-go/gasp/stack/netdev"
)

var (
	// ErrReset is returned when the MAC does not come out of reset: it has no
	// clock, or is broken.
	ErrReset = errors.New("enet: the MAC does not come out of reset")
	// ErrNoPower is returned by Seize when the MAC was never powered up.
	ErrNoPower = errors.New("enet: the MAC has no power")
	// ErrSeized is returned by Open and Stop after Seize.
	ErrSeized = errors.New("enet: the MAC was seized")
)

// Rings, as indices.
const (
	live    = iota // the stack's
	private        // the panic path's, shared with nobody
)

// Bits of MAC.todo. Requests come from any context; the poll carries them out,
// holding rxBusy, in trap context.
const (
	todoReclaim = 1 << iota // TXF was seen
	todoFilter              // the address filter has changed
	todoRestart             // the MAC has to be restarted
)

// States of a MAC.
const (
	stateClosed = iota
	stateOpening
	stateOpen
	stateClosing
	stateSeized
)

// MAC is one ENET. It implements netdev.Driver.
type MAC struct {
	cfg  Config
	regs mmio.Block
	dev  *netdev.Device
	napi netdev.NAPI
	log  *slog.Logger

	mu    sync.Mutex // serialises Open and Stop
	irqOn bool       // Handle was called

	rings sync.Mutex // held to replace the live rings, and by goroutines that read them
	rx    [2]*bd.RX
	tx    [2]*bd.TX
	cur   atomic.Uint32 // live or private

	state   atomic.Uint32
	powered atomic.Bool
	dead    atomic.Bool   // a restart failed; tried again in Tick
	rxBusy  atomic.Bool   // the receive ring is being used
	txBusy  atomic.Bool   // the transmit ring is being changed
	todo    atomic.Uint32 // what the poll is to do besides: todoReclaim, ...
	seizing atomic.Bool   // Seize has begun and not ended
	unsent  bool          // the live ring was left with frames in it, for Seize to send
	rxAt    uint32        // inRing, inFrame, outside: what the poll does with it
	skip    bool          // in the middle of a frame that is thrown away; with rxBusy

	palr, paur atomic.Uint32 // the station address, for the next program
	promisc    atomic.Bool   // these, too
	gaur, galr atomic.Uint32 // the groups' hash
	filter     filter        // as programmed; with rxBusy
	mode       atomic.Uint32 // link as last seen, packed: see pack; 0: never
	programmed atomic.Uint32 // link mode as programmed

	bus   *mii.Bus // the MDIO bus of the port
	own   *mii.Bus // the MAC's own MDIO bus
	phy   atomic.Pointer[mii.PHY]
	fault string // why there is no PHY or link, as logged; monitor's
	stop  chan struct{}
	done  chan struct{}

	features atomic.Uint32 // netdev.Features that are on

	mib   [len(mibs)]mibCounter // trap context
	watch watchdog
	post  postmortem
	dump  func(name string, v uint32) // capture, made once: a method value allocates

	want       atomic.Pointer[mii.Settings] // what the PHY was told; nil: nothing
	pause      atomic.Uint32                // pauseAutoneg, pauseOn
	rxic, txic atomic.Uint32                // RXIC, TXIC
	n          [numCounters]atomic.Uint64
	quick      struct { // of these, that have one writer and are counted with every frame
		rxGood           word.Counter // with rxBusy
		irqs             word.Counter // the top half
		txQueued, txDone word.Counter // trap context
	}
}

// New makes the MAC and its device, closed. It allocates all the memory either
// will ever need, the panic path's included, and touches no register.
func New(cfg Config) (*MAC, error) {
	if err := cfg.complete(); err != nil {
		return nil, err
	}
	m := &MAC{cfg: cfg, regs: cfg.Regs, log: cfg.Log}
	for i, size := range [2][2]int{live: {cfg.RxRing, cfg.TxRing}, private: {privateRx, privateTx}} {
		var err error
		bufs := cfg.RxBuffers
		if i == private {
			bufs = cfg.DMA // the panic path trusts no cache
		}
		if m.rx[i], err = bd.NewRX(cfg.DMA, bufs, size[0], bufSize); err != nil {
			return nil, fmt.Errorf("enet: %s: receive ring: %w", cfg.Port.Name, err)
		}
		if m.tx[i], err = bd.NewTX(cfg.DMA, size[1], bufSize); err != nil {
			return nil, fmt.Errorf("enet: %s: transmit ring: %w", cfg.Port.Name, err)
		}
	}
	mac, err := address(cfg)
	if err != nil {
		return nil, err
	}
	m.setAddress(mac)
	m.setGroups(nil, true)
	m.dump = m.capture
	m.pause.Store(pauseAutoneg)
	m.bus, m.own = sharedBus(cfg.MDIO, cfg), sharedBus(cfg.Regs, cfg)
	m.dev = netdev.New(cfg.Port.Name, mac, mtu, m, cfg.Softnet)
	m.features.Store(uint32(available &^ cfg.Off))
	m.napi.Init(cfg.Softnet, cfg.Port.Name, 0, m.poll)
	m.napi.Attach(m.dev)
	return m, nil
}

// Device returns the network device that the MAC drives.
func (m *MAC) Device() *netdev.Device { return m.dev }

// Probe readies a closed MAC for Seize, before the first Open: power, the reset that
// stops what a boot loader may have left running, and the PHY, which begins to
// negotiate. Open does all of it too. A missing PHY does not fail it. Goroutine.
func (m *MAC) Probe() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.state.Load() != stateClosed {
		return nil
	}
	return m.probe()
}

func (m *MAC) probe() error {
	if err := m.PowerUp(); err != nil {
		return err
	}
	if err := m.section(trapReset); err != nil {
		return fmt.Errorf("enet: %s: %w", m.cfg.Port.Name, err)
	}
	m.findPHY()
	return nil
}

// PowerUp gives the MAC its clocks and pads and the PHY its reset, once. Seize
// works from then on. Goroutine.
func (m *MAC) PowerUp() error {
	if m.powered.Load() {
		return nil
	}
	if up := m.cfg.Port.PowerUp; up != nil {
		if err := up(); err != nil {
			return fmt.Errorf("enet: %s: power: %w", m.cfg.Port.Name, err)
		}
	}
	m.powered.Store(true)
	return nil
}

// Open is part of netdev.Driver. A missing PHY or link does not fail it; the
// carrier then stays down until there is one. Goroutine.
func (m *MAC) Open() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case m.state.Load() == stateOpen:
		return nil
	case !m.state.CompareAndSwap(stateClosed, stateOpening):
		return ErrSeized
	}
	if err := m.open(); err != nil {
		m.state.CompareAndSwap(stateOpening, stateClosed)
		return err
	}
	m.Tick() // the first look at the link
	if m.cfg.Period > 0 {
		m.stop, m.done = make(chan struct{}), make(chan struct{})
		go m.monitor(m.stop, m.done)
	}
	return nil
}

func (m *MAC) open() error {
	if err := m.probe(); err != nil {
		return err
	}
	m.setAddress(m.dev.MAC())
	if err := m.section(trapStart); err != nil {
		return fmt.Errorf("enet: %s: %w", m.cfg.Port.Name, err)
	}
	m.napi.Enable()
	if irq := m.cfg.IRQ; irq != nil {
		if !m.irqOn {
			irq.Handle(m.cfg.Port.IRQ, m.Interrupt)
			m.irqOn = true
		}
		irq.Enable(m.cfg.Port.IRQ)
	}
	return m.section(trapUnmask)
}

// Stop is part of netdev.Driver. The order is the reverse of Open's: nobody new
// may come in (state), then those who are in leave (monitor, poll), then the
// hardware stops. Goroutine.
func (m *MAC) Stop() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case m.state.Load() == stateClosed:
		return nil
	case !m.state.CompareAndSwap(stateOpen, stateClosing):
		return ErrSeized
	}
	if m.stop != nil {
		close(m.stop)
		<-m.done
		m.stop, m.done = nil, nil
	}
	m.regs.Write32(regEIMR, 0)
	if irq := m.cfg.IRQ; irq != nil {
		irq.Disable(m.cfg.Port.IRQ)
	}
	m.napi.Disable()
	err := m.section(trapStop)
	m.mode.Store(0)
	m.dev.SetCarrier(false)
	if !m.state.CompareAndSwap(stateClosing, stateClosed) {
		return ErrSeized
	}
	if err != nil {
		return fmt.Errorf("enet: %s: %w", m.cfg.Port.Name, err)
	}
	return nil
}

// section runs fn in trap context with m and returns the error it left.
func (m *MAC) section(fn func(unsafe.Pointer)) error {
	x := section{m: m}
	trap.Run(fn, unsafe.Pointer(&x))
	switch {
	case x.seized:
		return ErrSeized
	case x.failed:
		return ErrReset
	}
	return nil
}

// section carries a MAC into trap context and the outcome back.
type section struct {
	m      *MAC
	failed bool
	seized bool
}
