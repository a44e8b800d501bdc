package guest

import (
	"fmt"
	"regexp"
	"time"

	"github.com/gasp-go/gasp/internal/bench/wire"
)

// rows are what can be measured. idle: frames come one by one and find the CPU
// idle.
var rows = []struct {
	name, unit string
	idle       bool
	run        func(b *bench) Result
}{
	{"drop-saturated", "frame", false, (*bench).dropSaturated},
	{"drop-isolated", "frame", true, (*bench).dropIsolated},
	{"xdp-drop", "frame", false, func(b *bench) Result { return b.xdp(false) }},
	{"xdp-tx", "frame", false, func(b *bench) Result { return b.xdp(true) }},
	{"udp-unread", "datagram", false, (*bench).udpUnread},
	{"udp-app", "datagram", true, (*bench).udpApp},
	{"icmp-echo", "echo", true, (*bench).icmpEcho},
	{"udp-echo", "echo", true, (*bench).udpEcho},
	{"udp-transmit", "datagram", false, (*bench).udpTransmit},
	{"raw-transmit", "frame", false, (*bench).rawTransmit},
	{"tcp-receive", "byte", false, func(b *bench) Result { return b.tcp(true, 0) }},
	{"tcp-transmit", "byte", false, func(b *bench) Result { return b.tcp(false, burst) }},
	{"tcp-transmit-ack2", "byte", false, func(b *bench) Result { return b.tcp(false, 2) }},
	{"rate-1k", "datagram", true, func(b *bench) Result { return b.rate(1_000) }},
	{"rate-5k", "datagram", false, func(b *bench) Result { return b.rate(5_000) }},
	{"rate-20k", "datagram", false, func(b *bench) Result { return b.rate(20_000) }},
	{"rate-50k", "datagram", false, func(b *bench) Result { return b.rate(50_000) }},
	{"rate-saturated", "datagram", false, (*bench).rateSaturated},
	{"irq-to-poll", "interrupt", true, (*bench).irqToPoll},
}

// Names returns the names of the rows that match, of those that want a wire with
// Delay, so that the far end is at rest when its frame arrives, or of the others.
func Names(match *regexp.Regexp, delayed bool) []string {
	var names []string
	for _, r := range rows {
		if r.idle == delayed && match.MatchString(r.name) {
			names = append(names, r.name)
		}
	}
	return names
}

// Delay is the period at which a wire with delay delivers what was sent.
const Delay = 300 * time.Microsecond

const (
	size     = 64 // bytes of payload, as ping's
	saturate = 8000
	isolated = 500

	isolation = time.Millisecond // between isolated frames
	tail      = 20 * time.Millisecond

	// patience is how long frames may take that are already on the wire, or
	// a connection.
	patience = 20 * time.Second
)

// paced sends n frames, one a period, and measures until they are received and
// all is quiet. send false: the same without the frames.
func (b *bench) paced(frame []byte, n int, period time.Duration, send bool) Counts {
	b.Far(wire.Job{Op: wire.Load, Frame: frame})
	b.Far(wire.Job{Op: wire.Drain})
	job := wire.Job{Op: wire.Pace, N: n, Period: period}
	measure, frames := b.baseline, uint64(0)
	if send {
		job.Length = len(frame)
		measure, frames = b.measure, uint64(n)
	}
	defer b.Far(wire.Job{Op: wire.Stop})
	return measure(func() {
		first := b.Count().Frames
		b.Far(job)
		time.Sleep(time.Duration(n)*period + tail)
		b.await(first + frames)
	})
}

// await waits until so many frames were received, within a bound.
func (b *bench) await(frames uint64) {
	for wait := time.Duration(0); b.Count().Frames < frames && wait < patience; wait += tail {
		time.Sleep(tail)
	}
}

// onePer measures frames that come one a period, without what the same time
// costs without them.
func (b *bench) onePer(frame []byte, n int, period time.Duration) Counts {
	base := b.paced(frame, n, period, false)
	return b.paced(frame, n, period, true).less(base)
}

// saturated sends n frames at once and measures until they are received.
func (b *bench) saturated(frame []byte, n int) (Counts, error) {
	b.Far(wire.Job{Op: wire.Load, Frame: frame})
	c := b.measure(func() {
		first := b.Count().Frames
		b.Far(wire.Job{Op: wire.Burst, N: n, Length: len(frame)})
		b.await(first + uint64(n))
	})
	if c.Frames < uint64(n) {
		return c, fmt.Errorf("%d of %d frames were received", c.Frames, n)
	}
	return c, nil
}

func (b *bench) dropSaturated() Result {
	n := saturate / b.scale
	c, err := b.saturated(wire.Unknown(Far, b.Self()), n)
	if err != nil {
		return failed(err)
	}
	return c.per(int64(n))
}

func (b *bench) dropIsolated() Result {
	// Each costs so little that what the runtime does once in a while (a collection's
	// sweep is 150,000) would weigh a tenth of 500 of them.
	n := 6 * isolated / b.scale
	return b.onePer(wire.Unknown(Far, b.Self()), n, isolation).per(int64(n))
}

func (b *bench) icmpEcho() Result {
	n := isolated / b.scale
	c := b.onePer(wire.Echo(Far, b.Self(), 56), n, isolation)
	if got := b.drain(wire.KindEchoReply); got != n {
		return failed(fmt.Errorf("%d of %d answers came", got, n))
	}
	return c.per(int64(n))
}

func (b *bench) rawTransmit() Result {
	n := isolated / b.scale
	frame := wire.Unknown(b.Self(), Far)
	b.drain(wire.KindAny)
	send, err := b.Sender(frame, n)
	if err != nil {
		return failed(err)
	}
	c := b.measure(func() {
		err = send()
		time.Sleep(tail)
	})
	if got := b.drain(wire.KindAny); err != nil || got < n {
		return failed(fmt.Errorf("%d of %d frames left (%v)", got, n, err))
	}
	return c.per(int64(n))
}

// drain takes what the far end received and returns how much was of a kind.
func (b *bench) drain(k wire.Kind) int { return b.Far(wire.Job{Op: wire.Drain, Kind: k}).N }

func (b *bench) irqToPoll() Result {
	const n = 200
	mean, most, ok := b.PollLatency(n)
	if !ok {
		return Result{Err: "cannot be told"}
	}
	return Result{N: n, Cost: float64(mean), Most: most}
}
