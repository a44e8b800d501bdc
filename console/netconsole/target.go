package netconsole

import (
	"errors"
	"net/netip"
	"strings"
	"unsafe"

	"github.com/gasp-go/gasp/board/trap"
	"github.com/gasp-go/gasp/console"
	"github.com/gasp-go/gasp/stack/netpoll"
)

// Options are what a target needs beyond its Config.
type Options struct {
	// Time begins the lines of the basic format with the time (printk.time).
	Time bool

	// Release identifies the firmware, for Config.Release. netconsd takes the
	// first field for one only if there is a dot in its first 64 bytes.
	Release string

	// Userdata are KEY=value pairs that follow each record of the extended
	// format.
	Userdata []string

	// Resolve looks for the target's MAC address, or its router's, by ARP or
	// neighbour discovery if the configuration gives none. Until it is known, and if it is not found, frames are
	// broadcast, as Linux does.
	Resolve bool

	// Gateway is the router to the target, for Resolve; invalid if the target
	// is on the link.
	Gateway netip.Addr
}

// sender is what a Target needs of netpoll.Endpoint.
type sender interface {
	SendUDP(d *netpoll.Dest, payload []byte) bool
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

	started bool   // a record is in work
	torn    bool   // and part of it is out
	seq     uint64 // the record in work
	lost    uint64
	line    console.Line
	ext     extended
	n       int // bytes of buf that wait to be sent
	buf     [maxChunk]byte

	stats Stats
}

// Stats counts what a target did. What it lost the log counts
// (console.Registration.Stats).
type Stats struct {
	Packets uint64 // datagrams sent
	Refused uint64 // attempts to send that failed
	Torn    uint64 // records whose rest was overwritten while it waited
}

// New returns a target that is reached through ep.
func New(cfg Config, ep *netpoll.Endpoint, opts Options) (*Target, error) {
	return newTarget(cfg, ep, opts)
}

func newTarget(cfg Config, ep sender, opts Options) (*Target, error) {
	t := &Target{cfg: cfg, ep: ep, time: opts.Time}
	var err error
	t.dest, err = netpoll.NewDest(netip.AddrPortFrom(cfg.RemoteIP, cfg.RemotePort), cfg.LocalPort, cfg.RemoteMAC)
	if err != nil {
		return nil, err
	}
	if cfg.LocalIP.IsValid() {
		if err := t.dest.SetSource(cfg.LocalIP); err != nil {
			return nil, err
		}
	}
	if opts.Gateway.IsValid() {
		t.dest.SetHop(opts.Gateway)
	}
	t.resolve = opts.Resolve && cfg.RemoteMAC == netpoll.Broadcast
	if cfg.Release {
		if opts.Release == "" || len(opts.Release) > maxRelease-1 || strings.ContainsAny(opts.Release, ",;\n") {
			return nil, errors.New("netconsole: the release is missing, too long or contains a separator")
		}
		t.ext.release = append([]byte(opts.Release), ',')
	}
	for _, kv := range opts.Userdata {
		if strings.ContainsAny(kv, "\n\x00") || !strings.Contains(kv, "=") {
			return nil, errors.New("netconsole: user data is KEY=value on one line")
		}
		t.ext.userdata = append(append(append(t.ext.userdata, ' '), kv...), '\n')
	}
	return t, nil
}

// Config returns the configuration.
func (t *Target) Config() Config { return t.cfg }

// SetGateway makes gw the router to the target, or, if gw is not valid, the
// target reached directly. Goroutine.
func (t *Target) SetGateway(gw netip.Addr) {
	if !gw.IsValid() {
		gw = t.cfg.RemoteIP
	}
	dest, err := netpoll.NewDest(netip.AddrPortFrom(t.cfg.RemoteIP, t.cfg.RemotePort), t.cfg.LocalPort, t.cfg.RemoteMAC)
	if err != nil {
		return // New took the same configuration
	}
	if t.cfg.LocalIP.IsValid() {
		dest.SetSource(t.cfg.LocalIP)
	}
	dest.SetHop(gw)
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

// Panic implements console.PanicConsole.
func (t *Target) Panic() { t.ep.Panic() }

// Write implements console.Console: it sends the datagrams of r, going on with
// the one that failed the last time. Trap context.
func (t *Target) Write(r *console.Record) bool {
	if t.resolve {
		t.ep.Resolve(&t.dest)
	}
	if !t.started || t.seq != r.Seq || t.lost != r.Lost {
		t.begin(r)
	}
	for {
		if t.n == 0 {
			if t.n = t.fill(r); t.n == 0 {
				t.started, t.torn = false, false
				return true
			}
		}
		if !t.ep.SendUDP(&t.dest, t.buf[:t.n]) {
			t.stats.Refused++
			return false
		}
		t.stats.Packets++
		t.n, t.torn = 0, true
	}
}

func (t *Target) begin(r *console.Record) {
	torn := t.started && t.torn
	t.started, t.torn, t.seq, t.lost, t.n = true, false, r.Seq, r.Lost, 0
	if t.cfg.Extended {
		t.ext.begin(r)
	} else {
		t.line.Begin(r, t.time)
	}
	if torn {
		t.stats.Torn++
		if !t.cfg.Extended {
			t.buf[0], t.n = '\n', 1 // end the line whose rest is gone
		}
	}
}

func (t *Target) fill(r *console.Record) int {
	if t.cfg.Extended {
		return t.ext.fill(r, t.buf[:])
	}
	return t.line.Fill(r, t.buf[:])
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
}
