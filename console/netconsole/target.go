package netconsole

import (
	"errors"
	"net/netip"
	"unsafe"

	"github.com/gasp-go/gasp/board/trap"
	"github.com/gasp-go/gasp/console"
	"github.com/gasp-go/gasp/stack/netpoll"
)

// Options are what a target needs beyond its Config.
type Options struct {
	// Time begins the lines of the basic format with the time (printk.time).
	Time bool

	// Release identifies the firmware, for Config.Release and Sysdata.Release.
	// netconsd takes the first field for one only if there is a dot in its first
	// 64 bytes.
	Release string

	// Userdata are KEY=value pairs that follow each record of the extended
	// format, and Sysdata what the sender adds to them.
	Userdata []string
	Sysdata  Sysdata

	// Key authenticates the records of the extended format if it is not empty,
	// 16 to 64 bytes, and BootID tells this life of the firmware from others.
	Key    []byte
	BootID [16]byte

	// Again answers receivers that ask for records again, in the extended
	// format (see netpoll.Endpoint.HandleUDP).
	Again bool

	// Resolve looks for the target's MAC address, or its router's, by ARP or
	// neighbour discovery if the configuration gives none. Until it is known, and
	// if it is not found, frames are broadcast, as Linux does.
	Resolve bool

	// Gateway is the router to the target, for Resolve; invalid if the target
	// is on the link.
	Gateway netip.Addr

	// Now is the clock in nanoseconds, callable in trap context.
	Now func() int64

	// Read reads the log in trap context: record seq, or the next there is. Nil:
	// console.Read.
	Read func(seq uint64, r *console.Record) bool
}

// sender is what a Target needs of netpoll.Endpoint.
type sender interface {
	SendDatagram(d *netpoll.Dest, p *netpoll.Datagram, n int) bool
	Resolve(d *netpoll.Dest) bool
	Panic()
}

// Target is one receiver of the log. Register it with package console. A
// record that cannot be sent stays in the log's ring and is sent later.
type Target struct {
	cfg     Config
	ep      sender
	dest    netpoll.Dest
	time    bool
	resolve bool // the configuration has no MAC address
	now     func() int64
	read    func(seq uint64, r *console.Record) bool

	stamp      stamp
	bare       bool // extended, and there is nothing behind a record's text and dictionary
	msgcounter uint32

	again *again // nil: not wanted

	stats Stats
	live  stream // large, so last
}

// stream is the state of sending one record after the other.
type stream struct {
	started bool   // a record is in work
	torn    bool   // and part of it is out
	seq     uint64 // the record in work
	lost    uint64
	n       int // bytes of the datagram that wait to be sent
	line    console.Line
	out     netpoll.Datagram
	ext     extended
}

// Stats counts what a target did. What it lost the log counts
// (console.Registration.Stats).
type Stats struct {
	Packets     uint64 `json:"packets"`      // datagrams sent
	Refused     uint64 `json:"refused"`      // attempts to send that failed
	Torn        uint64 `json:"torn"`         // records whose rest was overwritten while it waited
	Truncated   uint64 `json:"truncated"`    // records that were too long for the format's receivers
	Requests    uint64 `json:"requests"`     // acknowledgements and requests of the receiver
	BadRequests uint64 `json:"bad_requests"` // what could not be understood
	Again       uint64 `json:"again"`        // records sent again
	Unanswered  uint64 `json:"unanswered"`   // records asked for that were not in the log any more, or too many at a time

	counter uint32 // of msgid
}

// New returns a target that is reached through ep.
func New(cfg Config, ep *netpoll.Endpoint, opts Options) (*Target, error) {
	return newTarget(cfg, ep, opts)
}

func newTarget(cfg Config, ep sender, opts Options) (*Target, error) {
	t := &Target{cfg: cfg, ep: ep, time: opts.Time, now: opts.Now, read: opts.Read}
	var err error
	t.dest, err = newDest(&cfg, opts.Gateway)
	if err != nil {
		return nil, err
	}
	t.resolve = opts.Resolve && cfg.RemoteMAC == netpoll.Broadcast
	if t.now == nil {
		t.now = func() int64 { return 0 }
	}
	if t.read == nil {
		t.read = func(seq uint64, r *console.Record) bool {
			ok, _ := console.Read(seq, r)
			return ok
		}
	}
	if !cfg.Extended {
		if opts.Again || len(opts.Key) > 0 || opts.Sysdata != (Sysdata{}) {
			return nil, errors.New("netconsole: system data, acknowledgements and a key need the extended format")
		}
	}
	if t.stamp, err = makeStamp(&cfg, &opts); err != nil {
		return nil, err
	}
	t.bare = cfg.Extended && len(t.stamp.userdata) == 0 && t.stamp.sysdata.Sysdata == (Sysdata{}) && t.stamp.auth == nil
	if opts.Again {
		t.again = &again{credit: againBurst * againEvery}
	}
	return t, nil
}

// newDest is where the datagrams go, through a router if gw is valid.
func newDest(cfg *Config, gw netip.Addr) (netpoll.Dest, error) {
	d, err := netpoll.NewDest(netip.AddrPortFrom(cfg.RemoteIP, cfg.RemotePort), cfg.LocalPort, cfg.RemoteMAC)
	if err != nil {
		return d, err
	}
	if cfg.LocalIP.IsValid() {
		if err := d.SetSource(cfg.LocalIP); err != nil {
			return d, err
		}
	}
	if gw.IsValid() {
		d.SetHop(gw)
	}
	d.SetVLAN(cfg.VLAN)
	return d, nil
}

// Config returns the configuration.
func (t *Target) Config() Config { return t.cfg }

// SetGateway makes gw the router to the target, or, if gw is not valid, the
// target reached directly. Goroutine.
func (t *Target) SetGateway(gw netip.Addr) {
	dest, err := newDest(&t.cfg, gw)
	if err != nil {
		return // New took the same configuration
	}
	s := gatewaySection{t, dest}
	trap.Run(setGateway, unsafe.Pointer(&s))
}

type gatewaySection struct {
	t    *Target
	dest netpoll.Dest
}

func setGateway(p unsafe.Pointer) {
	s := (*gatewaySection)(p)
	s.t.dest = s.dest
}

// Previous implements console.PreviousConsole.
func (t *Target) Previous() {}

// Panic implements console.PanicConsole.
func (t *Target) Panic() { t.ep.Panic() }

// Write implements console.Console: it sends the datagrams of r, going on with
// the one that failed the last time. Trap context.
func (t *Target) Write(r *console.Record) bool {
	if t.resolve {
		t.ep.Resolve(&t.dest)
	}
	s := &t.live
	n := 0
	if t.bare && !s.started {
		n = s.ext.line((*[maxChunk]byte)(s.out.Payload()), r, t.stamp.release) // as most are
	}
	if n > 0 {
		if !t.ep.SendDatagram(&t.dest, &s.out, n) {
			t.stats.Refused++
			s.seq, s.lost, s.torn, s.n, s.started = r.Seq, r.Lost, false, n, true
			return false
		}
		t.stats.Packets++
	} else if !t.send(s, r) {
		return false
	}
	if t.again != nil {
		t.again.sent(r.Seq, t.now())
	}
	return true
}

// send sends the datagrams of r, going on where s stopped, and reports whether
// all are out.
func (t *Target) send(s *stream, r *console.Record) bool {
	if !s.started || s.seq != r.Seq || s.lost != r.Lost {
		t.begin(s, r)
	}
	for {
		if s.n == 0 {
			if s.n = t.fill(s, r); s.n == 0 {
				s.started, s.torn = false, false
				return true
			}
		}
		if !t.ep.SendDatagram(&t.dest, &s.out, s.n) {
			t.stats.Refused++
			return false
		}
		t.stats.Packets++
		s.n, s.torn = 0, true
		if t.cfg.Extended && s.ext.off >= s.ext.total {
			s.started, s.torn = false, false
			return true
		}
	}
}

func (t *Target) begin(s *stream, r *console.Record) {
	torn := s.started && s.torn
	// Until all is made there is nothing: a panic may begin meanwhile.
	s.started, s.torn, s.seq, s.lost, s.n = false, false, r.Seq, r.Lost, 0
	if !t.cfg.Extended {
		s.line.Begin(r, t.time)
	} else {
		n, whole := s.ext.begin(s.out.Payload(), r, &t.stamp, t.msgid(r.Seq, s == &t.live))
		if s.n = n; !whole && s == &t.live {
			t.stats.Truncated++
		}
	}
	if torn {
		t.stats.Torn++
		if !t.cfg.Extended {
			s.out.Payload()[0], s.n = '\n', 1 // end the line whose rest is gone
		}
	}
	s.started = true
}

func (t *Target) fill(s *stream, r *console.Record) int {
	if t.cfg.Extended {
		return s.ext.fill(s.out.Payload())
	}
	return s.line.Fill(r, s.out.Payload()[:maxChunk])
}

// Stats returns a snapshot of the counters. Goroutine.
func (t *Target) Stats() Stats {
	s := statsSection{t: t}
	trap.Run(getStats, unsafe.Pointer(&s))
	return s.stats
}

type statsSection struct {
	t     *Target
	stats Stats
}

func getStats(p unsafe.Pointer) {
	s := (*statsSection)(p)
	s.stats = s.t.stats
	s.stats.counter = s.t.msgcounter
}
