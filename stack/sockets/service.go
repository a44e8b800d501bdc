//go:build arm

package sockets

import (
	"sync"
	"sync/atomic"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv6"
	gv "gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/tcpip/transport/udp"
	"gvisor.dev/gvisor/pkg/waiter"

	"github.com/gasp-go/gasp/board/kernel"
	"github.com/gasp-go/gasp/stack"
)

// Service serves sockets. Run is called on one goroutine.
type Service struct {
	stack *stack.Stack
	gv    *gv.Stack
	wake  func()
	conns map[int]*conn // by the kernel's index
	buf   []byte        // one datagram
	work  kernel.SocketWork

	news  atomic.Bool // noted is not empty
	mu    sync.Mutex
	noted []*conn // have news from the stack
	spare []*conn
}

// New returns the service of a stack. wake has Run called soon; it may be called
// from any goroutine.
func New(st *stack.Stack, wake func()) *Service {
	s := &Service{stack: st, gv: st.Netstack(), wake: wake, conns: map[int]*conn{}, buf: make([]byte, 64<<10)}
	kernel.DirectHook = s.sendDirect
	return s
}

// conn is one socket's endpoint.
type conn struct {
	svc   *Service
	id    kernel.SocketID
	inet6 bool
	tcp   bool
	ep    tcpip.Endpoint
	wq    *waiter.Queue
	entry waiter.Entry
	news  atomic.Bool // in Service.noted

	connecting bool
	listening  bool
	connected  bool
	readDone   bool // EOF or error was passed on
	finSent    bool
	closing    bool
	linger     *time.Timer // nil: not needed yet
	expired    atomic.Bool // closing took too long

	// What is on its way between ring and endpoint.
	out source
	in  sink

	// Datagrams, see direct.go.
	early   *stack.UDPSocket // nil: all go through gVisor
	special bool             // has options that matter to what is sent
	behind  bool             // gVisor holds datagrams the ring has no room for
}

// NotifyEvent implements waiter.EventListener: it may be called with the
// endpoint's locks held, so it only notes who has news.
func (c *conn) NotifyEvent(waiter.EventMask) { c.note() }

func (c *conn) note() {
	if c.news.Swap(true) {
		return
	}
	s := c.svc
	s.mu.Lock()
	s.noted = append(s.noted, c)
	s.news.Store(true)
	s.mu.Unlock()
	s.wake()
}

// budget is how many sockets one Run serves.
const budget = 64

// Run serves what there is to do, up to a bound, and reports whether something
// is left.
func (s *Service) Run() bool {
	n := 0
	for ; n < budget && kernel.NextSocket(&s.work); n++ {
		s.serve(&s.work)
	}
	if s.news.Load() {
		s.advanceNoted()
	}
	return n == budget
}

// advanceNoted serves those who have news from the stack.
func (s *Service) advanceNoted() {
	s.mu.Lock()
	noted := s.noted
	s.noted, s.spare = s.spare[:0], noted
	s.news.Store(false)
	s.mu.Unlock()
	for i, c := range noted {
		c.news.Store(false)
		c.advance()
		noted[i] = nil
	}
}

// serve does what the kernel wants of one socket.
func (s *Service) serve(w *kernel.SocketWork) {
	c := s.conns[w.ID.Index]
	if c == nil || c.id != w.ID {
		if w.Work&(kernel.WorkClose|kernel.WorkSend) == kernel.WorkClose && w.Op == kernel.OpNone {
			kernel.FreeSocket(w.ID) // it never had an endpoint, and needs none
			return
		}
		var err tcpip.Error
		c, err = s.create(w)
		if err != nil {
			kernel.FinishSocket(w.ID, errnoOf(err), nil)
			if w.Work&kernel.WorkClose != 0 {
				kernel.FreeSocket(w.ID)
			}
			return
		}
	}
	if w.Op != kernel.OpNone {
		c.request(w)
	}
	if w.Work&kernel.WorkClose != 0 {
		c.closing = true
	}
	c.advance()
}

// create makes the endpoint of a socket, on its first use.
func (s *Service) create(w *kernel.SocketWork) (*conn, tcpip.Error) {
	transport, network := udp.ProtocolNumber, ipv4.ProtocolNumber
	c := &conn{svc: s, id: w.ID}
	if w.Type == sockStream {
		c.tcp = true
		transport = tcp.ProtocolNumber
	}
	if w.Domain == afInet6 {
		c.inet6 = true
		network = ipv6.ProtocolNumber
	}
	c.wq = new(waiter.Queue)
	ep, err := s.gv.NewEndpoint(transport, network, c.wq)
	if err != nil {
		return nil, err
	}
	c.attach(ep)
	return c, nil
}

// attach makes ep the endpoint of c and watches it.
func (c *conn) attach(ep tcpip.Endpoint) {
	c.ep = ep
	c.entry.Init(c, waiter.EventIn|waiter.EventOut|waiter.EventErr|waiter.EventHUp|waiter.EventRdHUp)
	c.wq.EventRegister(&c.entry)
	c.svc.conns[c.id.Index] = c
}

// advance takes the socket as far as it goes without waiting.
func (c *conn) advance() {
	switch {
	case c.ep == nil:
		return
	case c.listening:
		c.accept()
	case c.connecting:
		c.connectResult()
	}
	if c.tcp && c.connected {
		c.sendStream()
		c.receiveStream()
	} else if !c.tcp {
		c.sendDatagrams()
		c.receiveDatagrams()
	}
	if c.closing {
		c.finishClose()
	}
}

// lingerTime is how long a closed socket may take to hand over what was sent on
// it to a peer that does not read.
const lingerTime = time.Minute

// finishClose ends a closed socket once everything that was sent was handed to
// the stack, which sees to the rest.
func (c *conn) finishClose() {
	lingers := c.ep.SocketOptions().GetLinger()
	reset := lingers.Enabled && lingers.Timeout == 0
	if c.tcp && c.connected && !reset && !c.expired.Load() && !kernel.SocketFinished(c.id) {
		if c.linger == nil {
			c.linger = time.AfterFunc(lingerTime, func() {
				c.expired.Store(true)
				c.note()
			})
		}
		return
	}
	if c.linger != nil {
		c.linger.Stop()
	}
	c.indirect()
	c.wq.EventUnregister(&c.entry)
	if c.expired.Load() {
		c.ep.Abort()
	} else {
		c.ep.Close()
	}
	c.ep = nil
	delete(c.svc.conns, c.id.Index)
	kernel.FreeSocket(c.id)
}
