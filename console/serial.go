package console

// UART is the transmitter of a serial port.
type UART interface {
	// TryWrite queues one byte and reports whether there was room. Trap
	// context.
	TryWrite(b byte) bool
}

// Bounds of the wait for one byte in a panic: the time one byte takes at 300
// baud, and a number of attempts for when the clock stands still.
const (
	serialWait     = 40e6 // ns
	serialAttempts = 1 << 20
)

// Serial is a console on a serial port. It queues as much of a record as the
// transmitter takes and goes on from there at the next flush; so the port's
// transmit interrupt, or a timer, should call Flush. In a panic it waits for
// the transmitter.
type Serial struct {
	uart  UART
	clock func() int64
	time  bool

	line    Line
	seq     uint64 // the record in work
	lost    uint64
	started bool // part of it is out

	queue  [3]byte // bytes ahead of the line's next; "\n" is sent as "\r\n"
	nqueue int
	poll   bool
}

// NewSerial returns a console on a port. time tells whether lines begin with
// it (printk.time); now is the clock in nanoseconds, callable in trap context.
func NewSerial(uart UART, time bool, now func() int64) *Serial {
	return &Serial{uart: uart, time: time, clock: now}
}

// Slow implements SlowConsole: a line takes the port milliseconds.
func (s *Serial) Slow() bool { return true }

// Panic implements PanicConsole.
func (s *Serial) Panic() { s.poll = true }

// Write implements Console. Trap context.
func (s *Serial) Write(r *Record) bool {
	if !s.started || s.seq != r.Seq || s.lost != r.Lost {
		if s.started && !s.line.done {
			// The rest of that record is gone: close the line it left open.
			s.push('\n')
		}
		s.started, s.seq, s.lost = true, r.Seq, r.Lost
		s.line.Begin(r, s.time)
	}
	for {
		for s.nqueue > 0 {
			if !s.send(s.queue[0]) {
				return false
			}
			s.queue[0], s.queue[1] = s.queue[1], s.queue[2]
			s.nqueue--
		}
		b, ok := s.line.Next(r)
		if !ok {
			s.started = false
			return true
		}
		s.push(b)
	}
}

// push queues a byte, with a carriage return before a newline. If a torn line
// overfills the queue, the newline matters least.
func (s *Serial) push(b byte) {
	if b == '\n' && s.nqueue < len(s.queue) {
		s.queue[s.nqueue] = '\r'
		s.nqueue++
	}
	if s.nqueue < len(s.queue) {
		s.queue[s.nqueue] = b
		s.nqueue++
	}
}

func (s *Serial) send(b byte) bool {
	if s.uart.TryWrite(b) {
		return true
	}
	if !s.poll {
		return false
	}
	var start int64
	if s.clock != nil {
		start = s.clock()
	}
	for i := 0; i < serialAttempts; i++ {
		if s.uart.TryWrite(b) {
			return true
		}
		if s.clock != nil && s.clock()-start > serialWait {
			break
		}
	}
	return false
}
