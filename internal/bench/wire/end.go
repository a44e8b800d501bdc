package wire

import "time"

// Op is something that the far end can do.
type Op string

const (
	// Load puts Frame into every buffer, for Burst and Pace.
	Load Op = "load"
	// Burst sends N frames of Length bytes at once.
	Burst Op = "burst"
	// Pace sends N frames of Length bytes, one each Period; with Length 0 it
	// does nothing, N times.
	Pace Op = "pace"
	// Connect opens a TCP connection From To and serves it each Period until
	// Stop.
	Connect Op = "connect"
	// Stop ends what Pace or Connect began.
	Stop Op = "stop"
	// Drain takes all that was received; Report.N is how much was of Kind.
	Drain Op = "drain"
)

// Job tells the far end what to do.
type Job struct {
	Op       Op
	Frame    []byte        `json:",omitempty"`
	N        int           `json:",omitempty"`
	Length   int           `json:",omitempty"`
	Period   time.Duration `json:",omitempty"`
	Kind     Kind          `json:",omitempty"`
	From, To Host
	Sends    bool // of Connect, as in TCP
	AckEvery int  `json:",omitempty"`
}

// Report is the far end's answer.
type Report struct {
	N          int
	Odd, Again uint64 // of Connect, as in TCP
}

// Kind is what a received frame is.
type Kind int

const (
	KindAny Kind = iota
	KindUDP
	KindEchoReply
	KindUnknown
)

func (k Kind) is(f []byte) bool {
	switch k {
	case KindUDP:
		return isUDP(f)
	case KindEchoReply:
		return isEchoReply(f)
	case KindUnknown:
		return isUnknown(f)
	}
	return true
}

// End is the far end at work on a Port.
type End struct {
	port   *Port
	tcp    *TCP // served by Tick; nil: Pace
	left   int
	length int
}

// NewEnd returns the far end at p.
func NewEnd(p *Port) *End { return &End{port: p} }

// Do does j. If ticks is true, the caller then calls Tick each j.Period until
// it returns false. Not while it is called.
func (e *End) Do(j Job) (r Report, ticks bool) {
	switch j.Op {
	case Load:
		e.port.Load(j.Frame)
	case Burst:
		e.port.Burst(j.N, j.Length)
	case Pace:
		e.tcp, e.left, e.length = nil, j.N, j.Length
		return r, j.N > 0
	case Connect:
		e.tcp = NewTCP(e.port, j.From, j.To)
		e.tcp.Sends, e.tcp.AckEvery = j.Sends, max(j.AckEvery, 1)
		return r, true
	case Stop:
		if e.tcp != nil {
			r.Odd, r.Again = e.tcp.Odd, e.tcp.Again
		}
		e.tcp, e.left = nil, 0
	case Drain:
		r.N = e.port.Drain(j.Kind)
	}
	return r, false
}

// Tick does one period's work and reports whether there is more. It allocates
// nothing. Any context.
func (e *End) Tick() bool {
	if e.tcp != nil {
		e.tcp.Tick()
		return true
	}
	if e.left <= 0 {
		return false
	}
	if e.length > 0 {
		e.port.Queue(e.length)
		e.port.Kick()
	}
	e.left--
	return e.left > 0
}
