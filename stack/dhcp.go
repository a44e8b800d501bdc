package stack

import (
	"context"
	"math/rand/v2"
	"net/netip"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv4"
	"gvisor.dev/gvisor/pkg/tcpip"
)

// Bounds on what the client sends, whatever servers do.
const (
	dhcpFirstWait = 1 * time.Second  // for an answer; doubles with every attempt
	dhcpMaxWait   = 64 * time.Second // RFC 2131, 4.1
	dhcpRequests  = 4                // REQUESTs for one offer
	dhcpReboots   = 3                // REQUESTs after the link came back
	dhcpMinRenew  = 5 * time.Second  // between attempts to extend a lease
)

// dhcpClient is the DHCPv4 client of RFC 2131: one goroutine, one lease. The
// functions are its states and follow each other in the file as in a lease's
// life: acquire (INIT, SELECTING, REQUESTING), hold (BOUND), extend (RENEWING,
// REBINDING), reboot (INIT-REBOOT).
type dhcpClient struct {
	s   *Stack
	cfg IPConfig
	mac [6]byte

	xid   dhcpv4.TransactionID
	began tcpip.MonotonicTime // of the acquisition, for the secs field

	replies chan []byte // from the tap; what does not fit is lost, as on any socket
	event   chan struct{}
	timer   tcpip.Timer
	changes uint64 // of the carrier, that have been events
}

func newDHCP(s *Stack, cfg IPConfig) *dhcpClient {
	return &dhcpClient{
		s: s, cfg: cfg, mac: s.link.addr.Load().mac,
		replies: make(chan []byte, 8),
		changes: s.dev.Counters().CarrierChanges.Load(),
	}
}

// run is the client, until ctx is done.
func (c *dhcpClient) run(ctx context.Context) {
	defer func() {
		c.listen(false)
		c.stopTimer()
		c.apply(ipv4State{hostname: c.cfg.Hostname, dns: c.cfg.DNS})
	}()
	c.apply(ipv4State{hostname: c.cfg.Hostname, dns: c.cfg.DNS})
	attempt := 0
	for ctx.Err() == nil {
		l := c.acquire(ctx, &attempt)
		if l == nil {
			continue // the link went, or ctx is done
		}
		if !c.hold(ctx, l) {
			// Refused: a server that gives and takes must not make us spin.
			c.pause(ctx, attempt)
			attempt++
			continue
		}
		attempt = 0
	}
}

// apply installs st.
func (c *dhcpClient) apply(st ipv4State) bool {
	if err := c.s.setIPv4(st); err != nil {
		c.logf(levelWarning, "%v", err)
		return false
	}
	return true
}

// acquire gets a lease from nothing. It returns nil if the link went or ctx is
// done. attempt counts the DISCOVERs since a lease was last held.
func (c *dhcpClient) acquire(ctx context.Context, attempt *int) *lease {
	for !c.s.dev.Carrier() {
		*attempt = 0
		c.stopTimer()
		if e, _ := c.wait(ctx); e == eventDone {
			return nil
		}
	}
	c.began = c.now()
	for ; ; *attempt++ {
		c.newTransaction()
		c.listen(true)
		c.broadcast(c.discover())
		if *attempt == 4 {
			c.logf(levelWarning, "no answer from any server, still asking")
		}
		c.setTimer(waitFor(*attempt))
	selecting:
		for {
			e, m := c.wait(ctx)
			switch e {
			case eventDone, eventLink:
				return nil
			case eventTimer:
				break selecting
			}
			if m.MessageType() != dhcpv4.MessageTypeOffer {
				continue
			}
			offer, err := leaseFrom(m)
			if err != nil {
				c.logf(levelNotice, "offer ignored: %v", err)
				continue
			}
			l, refused, lost := c.request(ctx, offer)
			if l != nil || lost {
				return l
			}
			if refused && !c.pause(ctx, *attempt) {
				return nil
			}
			break selecting
		}
	}
}

// request asks for what was offered (REQUESTING). It returns the lease, or
// whether it was refused, or whether the link or ctx is gone.
func (c *dhcpClient) request(ctx context.Context, offer *lease) (l *lease, refused, lost bool) {
	for try := range dhcpRequests {
		sent := c.now()
		c.broadcast(c.requestFor(offer))
		c.setTimer(waitFor(try))
		for {
			e, m := c.wait(ctx)
			if e == eventDone || e == eventLink {
				return nil, false, true
			}
			if e == eventTimer {
				break
			}
			l, nak := c.answer(m, offer, sent)
			if l != nil {
				return l, false, false
			}
			if nak {
				return nil, true, false
			}
		}
	}
	return nil, false, false
}

// answer judges an answer to a REQUEST for the address of l, sent at the given
// time: a lease, a refusal, or neither. l.server, if valid, must be its sender.
func (c *dhcpClient) answer(m *dhcpv4.DHCPv4, l *lease, sent tcpip.MonotonicTime) (got *lease, nak bool) {
	if l.server.IsValid() && fromIP(m.ServerIdentifier()) != l.server {
		return nil, false
	}
	switch m.MessageType() {
	case dhcpv4.MessageTypeNak:
		c.logf(levelNotice, "%v refused: %q", l.state.prefix.Addr(), clean(m.Message()))
		return nil, true
	case dhcpv4.MessageTypeAck:
		got, err := leaseFrom(m)
		if err != nil {
			c.logf(levelNotice, "acknowledgement ignored: %v", err)
			return nil, false
		}
		if got.state.prefix.Addr() != l.state.prefix.Addr() {
			c.logf(levelNotice, "acknowledgement for %v ignored, asked for %v",
				got.state.prefix.Addr(), l.state.prefix.Addr())
			return nil, false
		}
		got.start = sent
		return got, false
	}
	return nil, false
}

// hold uses l and extends it for as long as that goes (BOUND). It removes the
// address before it returns; false means that the server refused or we could
// not use it.
func (c *dhcpClient) hold(ctx context.Context, l *lease) (ok bool) {
	for first := true; ; first = false {
		c.listen(false)
		if !c.use(l, first) {
			return false
		}
		next, nak := c.extend(ctx, l)
		if next == nil {
			c.logf(levelNotice, "%v given up", l.state.prefix)
			c.apply(ipv4State{hostname: c.cfg.Hostname, dns: c.cfg.DNS})
			return !nak
		}
		l = next
	}
}

// use installs the lease.
func (c *dhcpClient) use(l *lease, first bool) bool {
	st := l.state
	st.dns = append(append([]netip.Addr(nil), c.cfg.DNS...), st.dns...)
	if c.cfg.Hostname != "" {
		st.hostname = c.cfg.Hostname
	}
	if first {
		c.logf(levelInfo, "%v from %v for %v, gateway %v", st.prefix, l.server, l.length(), st.gateway)
	}
	return c.apply(st)
}

// extend waits for the time to extend l and does (RENEWING, REBINDING). It
// returns the extended lease, or nil if l expired, was refused, or ctx is done.
func (c *dhcpClient) extend(ctx context.Context, l *lease) (next *lease, nak bool) {
	server := *l // in RENEWING only the server that gave it may answer
	anyone := *l // in REBINDING any may
	anyone.server = netip.Addr{}
	asked, sent := &server, tcpip.MonotonicTime{}
	if l.infinite {
		c.stopTimer()
	} else {
		c.setTimer(l.t1 - c.now().Sub(l.start))
	}
	for {
		e, m := c.wait(ctx)
		switch e {
		case eventDone:
			return nil, false
		case eventReply:
			if got, nak := c.answer(m, asked, sent); got != nil || nak {
				return got, nak
			}
			continue
		case eventLink:
			if !c.s.dev.Carrier() {
				continue
			}
			if got, nak := c.reboot(ctx, &anyone); got != nil || nak {
				return got, nak
			}
			// No answer at all: the lease is still ours.
			if l.infinite {
				c.stopTimer()
				continue
			}
		}
		age := c.now().Sub(l.start)
		end := l.t2
		switch {
		case age < l.t1:
			c.setTimer(l.t1 - age)
			continue
		case age < l.t2:
			asked = &server
			c.newTransaction()
			c.listen(true)
			sent = c.now()
			c.unicast(c.extension(l), l)
		case age < l.expiry:
			asked, end = &anyone, l.expiry
			c.newTransaction()
			c.listen(true)
			sent = c.now()
			c.broadcastFrom(l.state.prefix.Addr(), c.extension(l))
		default:
			c.logf(levelWarning, "lease of %v expired", l.state.prefix)
			return nil, false
		}
		// Half of what is left, but not faster and not beyond the state's end.
		c.setTimer(min(max((end-age)/2, dhcpMinRenew), end-age))
	}
}

// reboot asks whether the lease still holds after the link was lost
// (INIT-REBOOT). Without an answer it returns neither.
func (c *dhcpClient) reboot(ctx context.Context, l *lease) (got *lease, nak bool) {
	c.began = c.now()
	c.newTransaction()
	c.listen(true)
	defer c.listen(false)
	for try := 0; try < dhcpReboots; try++ {
		sent := c.now()
		c.broadcast(c.reminder(l))
		c.setTimer(waitFor(try))
	waiting:
		for {
			switch e, m := c.wait(ctx); e {
			case eventReply:
				if got, nak := c.answer(m, l, sent); got != nil || nak {
					return got, nak
				}
			case eventTimer:
				break waiting
			case eventLink:
				if !c.s.dev.Carrier() {
					return nil, false
				}
				// It came and went: what was asked before says nothing.
				c.newTransaction()
				try = -1
				break waiting
			case eventDone:
				return nil, false
			}
		}
	}
	return nil, false
}

// waitFor is how long to wait for an answer: exponential, with up to a quarter
// taken off at random so that boards switched on together drift apart.
func waitFor(attempt int) time.Duration {
	d := dhcpMaxWait
	if attempt < 6 {
		d = dhcpFirstWait << attempt
	}
	return d - rand.N(d/4)
}

// pause waits before another attempt, deaf to replies. It returns false if the
// link or ctx is gone.
func (c *dhcpClient) pause(ctx context.Context, attempt int) bool {
	c.listen(false)
	c.setTimer(waitFor(attempt))
	for {
		switch e, _ := c.wait(ctx); e {
		case eventTimer:
			return true
		case eventDone, eventLink:
			return false
		}
	}
}

func (c *dhcpClient) logf(level int, format string, args ...any) {
	c.s.logf(level, c.s.dev.Name()+": DHCP: "+format, args...)
}

func (c *dhcpClient) now() tcpip.MonotonicTime { return c.s.clock.NowMonotonic() }
