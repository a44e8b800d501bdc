package netdev

import (
	"errors"
	"fmt"
	"slices"
)

var (
	// ErrUp is returned by operations that need the device closed.
	ErrUp = errors.New("netdev: device is up")
	// ErrAddress is returned for what cannot be a station's address.
	ErrAddress = errors.New("netdev: not a station address")
	// ErrMTU is returned for an MTU that the device cannot have.
	ErrMTU = errors.New("netdev: MTU out of range")
	// ErrUnsupported is returned for what the driver does not offer.
	ErrUnsupported = errors.New("netdev: operation not supported")
)

// RxMode is what a device receives besides frames for its own address and
// broadcasts (Linux: ndo_set_rx_mode).
type RxMode struct {
	Promisc  bool      // everything
	AllMulti bool      // every group
	Groups   [][6]byte // these groups; more may come, since devices filter by a hash
}

// Configurer is a Driver whose device can be configured, open or not. Its
// methods are called from a goroutine, one at a time, and except for SetRxMode
// never during Open or Stop.
type Configurer interface {
	// SetMAC sets the station address; an open device uses it at once.
	SetMAC(mac [6]byte) error
	// MTULimits returns the smallest and the largest MTU.
	MTULimits() (least, most int)
	// SetMTU tells the driver a new MTU within the limits.
	SetMTU(mtu int) error
	// SetRxMode sets what is received. It must not wait for Open or Stop: a
	// protocol calls it with its locks held.
	SetRxMode(mode RxMode) error
}

// MTU returns the largest payload of a frame in bytes. Any context.
func (d *Device) MTU() int { return int(d.mtu.Load()) }

// SetMTU changes the MTU, of an open device too. Protocols use it from their
// next packet on. Goroutine.
func (d *Device) SetMTU(mtu int) error {
	c, ok := d.drv.(Configurer)
	if !ok {
		return ErrUnsupported
	}
	d.admin.Lock()
	defer d.admin.Unlock()
	if least, most := c.MTULimits(); mtu < least || mtu > most {
		return fmt.Errorf("%w: %d, not in %d to %d", ErrMTU, mtu, least, most)
	}
	if err := c.SetMTU(mtu); err != nil {
		return err
	}
	d.mtu.Store(int32(mtu))
	return nil
}

// SetMAC sets the station address and tells those who asked with OnAddress. The
// device may be open if its driver is a Configurer; otherwise it returns ErrUp.
// Goroutine.
func (d *Device) SetMAC(mac [6]byte) error {
	if mac[0]&1 != 0 || mac == [6]byte{} {
		return fmt.Errorf("%w: %x", ErrAddress, mac)
	}
	d.admin.Lock()
	defer d.admin.Unlock()
	c, ok := d.drv.(Configurer)
	switch {
	case ok:
		if err := c.SetMAC(mac); err != nil {
			return err
		}
	case d.up.Load():
		return ErrUp
	}
	d.mac.Store(packMAC(mac))
	for _, fn := range d.onAddress {
		fn(mac)
	}
	return nil
}

// OnAddress registers fn to be told of every change of the station address.
// fn must not configure the device. Goroutine.
func (d *Device) OnAddress(fn func(mac [6]byte)) {
	d.admin.Lock()
	defer d.admin.Unlock()
	d.onAddress = append(d.onAddress, fn)
}

// SetRxMode sets what the device receives. A new device receives every group.
// Promisc and AllMulti stay until the next call; Groups are replaced by the
// stack's whenever those change. Goroutine.
func (d *Device) SetRxMode(mode RxMode) error {
	return d.rxMode(mode.Groups, func(m *RxMode) { *m = mode })
}

// SetMulticastList has the device receive these groups, and no others unless it
// was told to with SetRxMode (Linux: set_multicast_list). The list is the
// device's from then on. Goroutine; it waits for nobody who may hold locks of the
// stack.
func (d *Device) SetMulticastList(groups [][6]byte) error {
	return d.rxMode(groups, func(m *RxMode) {
		m.Groups = groups
		m.AllMulti = m.AllMulti && d.filtered
	})
}

func (d *Device) rxMode(groups [][6]byte, change func(*RxMode)) error {
	c, ok := d.drv.(Configurer)
	if !ok {
		return ErrUnsupported
	}
	for _, g := range groups {
		if g[0]&1 == 0 {
			return fmt.Errorf("netdev: %x is no group address", g)
		}
	}
	d.filtering.Lock()
	defer d.filtering.Unlock()
	mode := d.rx
	change(&mode)
	if err := c.SetRxMode(mode); err != nil {
		return err
	}
	d.rx, d.filtered = mode, true
	return nil
}

// RxMode returns what the device receives. Goroutine.
func (d *Device) RxMode() RxMode {
	d.filtering.Lock()
	defer d.filtering.Unlock()
	m := d.rx
	m.Groups = slices.Clone(m.Groups)
	return m
}
