package systest

import (
	"context"
	"encoding/json"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gasp-go/gasp/internal/gobuild"
	"github.com/gasp-go/gasp/internal/qemu"
)

// Overload is measured in the guest's own time, which -icount makes one of
// instructions: how fast this host is, and what else it does, changes nothing.
// The sender is outside and puts more on the wire than the guest can take; the
// guest says itself in which stretches its receive ring never ran empty, and
// only those count.

// creditEvery is loadfw's: its counting port sends one back for so many.
const creditEvery = 32

// progress is what loadfw says of itself every 100 ms.
type progress struct {
	Time, Idle                 int64 // ns
	Spins, Sunk, Echoed        uint64
	Received, Raised, Squeezed uint64
	Used                       uint64
}

func (p progress) since(q progress) progress {
	return progress{p.Time - q.Time, p.Idle - q.Idle, p.Spins - q.Spins, p.Sunk - q.Sunk, p.Echoed - q.Echoed,
		p.Received - q.Received, p.Raised - q.Raised, p.Squeezed - q.Squeezed, p.Used - q.Used}
}

// add sums stretches up.
func (p *progress) add(q progress) {
	p.Time += q.Time
	p.Idle += q.Idle
	p.Spins += q.Spins
	p.Sunk += q.Sunk
	p.Echoed += q.Echoed
	p.Received += q.Received
	p.Raised += q.Raised
	p.Squeezed += q.Squeezed
}

// load is a guest that runs loadfw.
type load struct {
	t     *testing.T
	g     *guest
	w     *wire
	lines int // of the serial console that were read
	at    progress
	used  uint64 // bytes of memory, at most

	sent    atomic.Uint64 // frames of floods
	answers atomic.Uint64 // credits and echoes
}

// loadImage is loadfw, made once.
var loadImage struct {
	once sync.Once
	path string
	err  error
}

// loadFirmware builds loadfw and returns its path.
func loadFirmware(t *testing.T) string {
	t.Helper()
	loadImage.once.Do(func() {
		loadImage.path = filepath.Join(built.dir, "load.elf")
		f := gobuild.Firmware{Board: &built.board, Dir: "../..", Package: "./internal/systest/loadfw", Output: loadImage.path}
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
		defer cancel()
		loadImage.err = f.Build(ctx)
	})
	if loadImage.err != nil {
		t.Fatal(loadImage.err)
	}
	return loadImage.path
}

func bootLoad(t *testing.T, args string) *load {
	w := newWire(t)
	l := &load{t: t, w: w}
	image := loadFirmware(t)
	w.forget = func(p packet) bool {
		if p.proto != protoUDP {
			return false
		}
		l.answers.Add(1)
		return true
	}
	// Idle time passes as real time does: there is somebody on the wire.
	l.g = w.boot(qemu.Options{Kernel: image, Icount: "shift=0,sleep=on", BootArgs: args + " " + staticIP})
	w.reachable()
	l.next()
	return l
}

// next waits for the guest's next line and returns what happened since the one
// before.
func (l *load) next() progress {
	l.t.Helper()
	ctx, cancel := l.g.bounded()
	defer cancel()
	const mark = "load: "
	text, err := l.g.serial.WaitFor(ctx, l.lines, func(s string) bool { return strings.Contains(s, mark) })
	if err != nil {
		l.t.Fatalf("waiting for the guest's progress: %v: %v", err, context.Cause(ctx))
	}
	for !strings.Contains(l.g.serial.Lines()[l.lines], mark) {
		l.lines++
	}
	l.lines++
	var p progress
	_, text, _ = strings.Cut(text, mark)
	if err := json.Unmarshal([]byte(text), &p); err != nil {
		l.t.Fatalf("%s: %v", text, err)
	}
	d := p.since(l.at)
	l.at, l.used = p, max(l.used, p.Used)
	return d
}

// latest skips the lines that are there already.
func (l *load) latest() {
	for l.lines < l.g.serial.Len() {
		l.next()
	}
	l.next() // made after we asked
}

// frame is a datagram of n bytes to a port of the guest.
func (l *load) frame(port uint16, n int) []byte {
	return l.w.to4(udp(netip.AddrPortFrom(peerIP, 50000), netip.AddrPortFrom(guestIP, port), pattern(n)))
}

// flood puts frames on the wire until the function it returns is called: some
// ten thousand a second, far more than the guest can take under -icount.
func (l *load) flood(frames ...[]byte) (stop func()) {
	over := make(chan struct{})
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := 0; ; {
			select {
			case <-over:
				return
			case <-l.g.ctx.Done():
				return
			default:
			}
			for range 256 {
				l.w.send(frames[i%len(frames)])
				i++
				l.sent.Add(1)
			}
			time.Sleep(time.Millisecond) // others want to run too
		}
	}()
	stop = func() {
		select {
		case <-over:
		default:
			close(over)
		}
		<-done
	}
	l.t.Cleanup(stop)
	return stop
}

// saturated adds up stretches in which at least twice as many frames were sent
// as the guest took and its ring hardly ever ran empty, at least ns of its time
// and soak of ours.
func (l *load) saturated(ns int64, soak time.Duration) (sum progress) {
	l.t.Helper()
	l.latest()
	sent, start := l.sent.Load(), time.Now()
	for sum.Time < ns || time.Since(start) < soak {
		d := l.next()
		now := l.sent.Load()
		if now-sent >= 2*d.Received && d.Raised*500 <= d.Received && d.Idle*100 <= d.Time {
			sum.add(d)
		}
		sent = now
		if time.Since(start) > soak+5*time.Minute {
			l.t.Fatalf("the sender could not keep the guest busy: %+v", sum)
		}
	}
	l.t.Logf("saturated for %v of its time: %+v", time.Duration(sum.Time), sum)
	return sum
}

// soakTime is how long GASP_SOAK says that a flood or a soak test is to last at
// least; 0 if it does not.
func soakTime() time.Duration {
	d, _ := time.ParseDuration(os.Getenv("GASP_SOAK"))
	return d
}

// closedLoop sends datagrams to a port so that never more than window of them
// are not accounted for by answers, each of which stands for worth of them, and
// returns what happened meanwhile: the most the guest can do, without a loss.
func (l *load) closedLoop(frame []byte, total, window, worth int) progress {
	l.t.Helper()
	l.latest()
	before := l.at
	start := l.answers.Load()
	for sent := 0; sent < total; {
		if done := int(l.answers.Load()-start) * worth; sent-done >= window {
			time.Sleep(50 * time.Microsecond)
			if l.g.ctx.Err() != nil {
				l.t.Fatal(context.Cause(l.g.ctx))
			}
			continue
		}
		l.w.send(frame)
		sent++
	}
	l.latest()
	return l.at.since(before)
}

// rate is how many n were in each millisecond in which the CPU had something to
// do.
func (p progress) rate(n uint64) float64 { return float64(n) * 1e6 / float64(p.Time-p.Idle) }

// pings has the guest answer n pings one after the other and returns how many
// other frames it got meanwhile.
func (l *load) pings(n uint64) (others int64) {
	l.t.Helper()
	l.latest()
	before := l.at
	for range n {
		l.w.ping(56)
	}
	l.latest()
	return int64(l.at.since(before).Received - n)
}

// quiet returns a stretch without traffic.
func (l *load) quiet() (sum progress) {
	l.latest()
	for range 5 {
		sum.add(l.next())
	}
	return sum
}

func TestUnderOverloadApplicationsKeepAQuarterOfTheCPU(t *testing.T) {
	t.Parallel()
	soak := min(soakTime(), 3*time.Minute)
	l := bootLoad(t, "gasp.spin=1")
	alone := l.quiet()
	// To a port that is read, one that echoes, and one where nobody listens.
	stop := l.flood(l.frame(9, 18), l.frame(7, 18), l.frame(4242, 18))
	l.saturated(100e6, soak/2)
	used := l.used // the heap has grown to its working size
	flood := l.saturated(300e6, soak/2)
	stop()
	share := flood.rate(flood.Spins) / alone.rate(alone.Spins)
	t.Logf("a goroutine that computes kept %.0f %% of its CPU", 100*share)
	if share < 0.25 {
		t.Errorf("the share is below a quarter")
	}
	if flood.Squeezed == 0 || flood.Sunk == 0 || flood.Echoed == 0 {
		t.Errorf("the network did not run out of budget, or nothing got through: %+v", flood)
	}
	l.wellAgain(used)
}

func TestUnderOverloadGoodputHoldsAndPingsRecoverAtOnce(t *testing.T) {
	t.Parallel()
	soak := min(soakTime(), 3*time.Minute)
	l := bootLoad(t, "")
	var used uint64
	for _, c := range []struct {
		what  string
		frame []byte
		worth int
		n     func(progress) uint64
	}{
		{"datagrams read", l.frame(9, 18), creditEvery, func(p progress) uint64 { return p.Sunk }},
		{"datagrams echoed", l.frame(7, 18), 1, func(p progress) uint64 { return p.Echoed }},
	} {
		peak := l.closedLoop(c.frame, 3000, 96, c.worth)
		stop := l.flood(c.frame)
		l.saturated(100e6, soak/2)
		used = l.used // the heap has grown to its working size
		flood := l.saturated(300e6, soak/2)
		stop()
		l.w.ping(56) // behind what was left of the flood
		// None of what follows waits behind the flood any more. A second ping
		// is sent if the answer takes a second; ARP may look for us.
		if others := l.pings(50); others < 0 || others > 10 {
			t.Errorf("%s: %d other frames came between the pings after the flood", c.what, others)
		}
		ratio := flood.rate(c.n(flood)) / peak.rate(c.n(peak))
		t.Logf("%s: at best %.1f a ms, under flood %.1f (%.0f %%)",
			c.what, peak.rate(c.n(peak)), flood.rate(c.n(flood)), 100*ratio)
		if ratio < 0.9 {
			t.Errorf("%s: goodput fell to %.0f %% of its peak", c.what, 100*ratio)
		}
	}
	l.wellAgain(used)
}

// wellAgain checks that the flood has left nothing behind in the guest.
func (l *load) wellAgain(used uint64) {
	l.t.Helper()
	l.w.ping(56)
	l.quiet()
	if now := l.at.Used; now > used+2<<20 {
		l.t.Errorf("memory in use grew from %d to %d bytes", used, now)
	}
	l.g.unharmed()
}
