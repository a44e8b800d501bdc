package netdev

import (
	"errors"
	"testing"
)

// fake is a driver that keeps what it was told to send.
type fake struct {
	dev     *Device
	status  TxStatus
	frames  int
	bytes   int
	opens   int
	openErr error
}

func (f *fake) Open() error {
	f.opens++
	if f.openErr == nil {
		f.dev.SetCarrier(true)
	}
	return f.openErr
}
func (f *fake) Stop() error { return nil }
func (f *fake) StartXmit(parts [][]byte, _ TxFlags) TxStatus {
	if f.status == TxOK {
		f.frames++
		for _, p := range parts {
			f.bytes += len(p)
		}
	}
	return f.status
}
func (f *fake) PollController()                    {}
func (f *fake) PollRx(int, func(frame []byte)) int { return 0 }
func (f *fake) TxIdle() bool                       { return true }
func (f *fake) Seize() error                       { return nil }

func newFake() (*Device, *fake) {
	f := &fake{}
	f.dev = New("eth0", [6]byte{2, 0, 0, 0, 0, 1}, 1500, f, NewSoftnet(func() {}))
	return f.dev, f
}

func TestXmitCountsWhatTheDriverTook(t *testing.T) {
	d, f := newFake()
	parts := [][]byte{make([]byte, 14), make([]byte, 46)}
	if st := d.Xmit(parts, 0); st != TxDropped || f.frames != 0 {
		t.Fatalf("closed device: %v, %d frames reached the driver", st, f.frames)
	}
	if err := d.Open(); err != nil {
		t.Fatal(err)
	}
	for _, st := range []TxStatus{TxOK, TxBusy, TxDropped, TxOK} {
		f.status = st
		if got := d.Xmit(parts, 0); got != st {
			t.Errorf("Xmit = %v, driver said %v", got, st)
		}
	}
	d.SetCarrier(false)
	if st := d.Xmit(parts, 0); st != TxDropped {
		t.Errorf("without carrier: %v", st)
	}
	got := d.Stats()
	// The driver's own TxDropped is the driver's to count, so two remain.
	want := Stats{TxPackets: 2, TxBytes: 120, TxBusy: 1, TxDropped: 2, CarrierChanges: 2}
	if got != want {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestReceiveCountsAndDelivers(t *testing.T) {
	d, _ := newFake()
	d.Receive(make([]byte, 60), 0)
	var n int
	d.SetReceive(func(frame []byte, _ RxFlags) { n += len(frame) })
	for _, dst := range [][]byte{
		{2, 0, 0, 0, 0, 1},
		{0xff, 0xff, 0xff, 0xff, 0xff, 0xff},
		{0x33, 0x33, 0, 0, 0, 1},
		{1}, // nonsense must not panic
		{},
	} {
		d.Receive(dst, 0)
	}
	got := d.Stats()
	want := Stats{RxDropped: 1, RxPackets: 5, RxBytes: 19, Multicast: 1}
	if got != want || n != 19 {
		t.Errorf("%d bytes delivered\ngot  %+v\nwant %+v", n, got, want)
	}
}

func TestOpenAndStopOnce(t *testing.T) {
	d, f := newFake()
	var events []bool
	d.OnCarrier(func(up bool) { events = append(events, up) })
	for range 2 {
		if err := d.Open(); err != nil {
			t.Fatal(err)
		}
	}
	d.SetCarrier(true) // no change, no event
	if f.opens != 1 || !d.Up() || !d.Carrier() {
		t.Errorf("opens %d, up %v, carrier %v", f.opens, d.Up(), d.Carrier())
	}
	if err := d.SetMAC([6]byte{2}); !errors.Is(err, ErrUp) {
		t.Errorf("SetMAC on an open device: %v", err)
	}
	for range 2 {
		if err := d.Stop(); err != nil {
			t.Fatal(err)
		}
	}
	mac := [6]byte{0x02, 0x11, 0x22, 0x33, 0x44, 0xf5}
	if err := d.SetMAC(mac); err != nil || d.MAC() != mac {
		t.Errorf("SetMAC: %v, MAC %x", err, d.MAC())
	}
	if len(events) != 2 || !events[0] || events[1] {
		t.Errorf("carrier events %v, want up then down", events)
	}
	f.openErr = errors.New("no PHY")
	if err := d.Open(); err == nil || d.Up() {
		t.Errorf("failed Open: %v, up %v", err, d.Up())
	}
}

func TestXmitDoesNotAllocate(t *testing.T) {
	d, _ := newFake()
	if err := d.Open(); err != nil {
		t.Fatal(err)
	}
	var hdr [14]byte
	if n := testing.AllocsPerRun(100, func() {
		var gather [2][]byte
		gather[0], gather[1] = hdr[:], hdr[:]
		d.Xmit(gather[:], 0)
		d.XmitTrap(gather[:], 0)
	}); n != 0 {
		t.Errorf("%v allocations a frame", n)
	}
}
