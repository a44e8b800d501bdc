//go:build arm

package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"
	"time"
	"unsafe"

	"github.com/gasp-go/gasp/internal/bench/guest"
)

func pointer[T any](p *T) uintptr { return uintptr(unsafe.Pointer(p)) }

// ifreq is struct ifreq with an address or flags.
type ifreq struct {
	name [16]byte
	data [16]byte
}

func (r *ifreq) address(ip [4]byte) {
	r.data = [16]byte{syscall.AF_INET}
	copy(r.data[4:], ip[:])
}

// configure gives the interface its address and neighbour and takes it up. It
// returns when the link is there.
func configure(name string) error {
	os.WriteFile("/proc/sys/net/ipv6/conf/all/disable_ipv6", []byte("1"), 0)
	s, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_DGRAM, 0)
	if err != nil {
		return err
	}
	defer syscall.Close(s)
	ioctl := func(what string, request uintptr, arg uintptr) error {
		if _, _, no := syscall.Syscall(syscall.SYS_IOCTL, uintptr(s), request, arg); no != 0 {
			return fmt.Errorf("%s: %w", what, no)
		}
		return nil
	}
	var r ifreq
	copy(r.name[:], "lo")
	binary.LittleEndian.PutUint16(r.data[:], syscall.IFF_UP)
	if err := ioctl("lo up", syscall.SIOCSIFFLAGS, pointer(&r)); err != nil {
		return err
	}
	r = ifreq{}
	copy(r.name[:], name)
	r.address(guest.SelfIP)
	if err := ioctl("address", syscall.SIOCSIFADDR, pointer(&r)); err != nil {
		return err
	}
	r.address([4]byte{255, 255, 255, 0})
	if err := ioctl("netmask", syscall.SIOCSIFNETMASK, pointer(&r)); err != nil {
		return err
	}
	r.data = [16]byte{}
	binary.LittleEndian.PutUint16(r.data[:], syscall.IFF_UP|syscall.IFF_RUNNING|syscall.IFF_BROADCAST|syscall.IFF_MULTICAST)
	if err := ioctl("up", syscall.SIOCSIFFLAGS, pointer(&r)); err != nil {
		return err
	}
	for wait := 0; !carrier(name); wait++ {
		if wait == 1000 {
			return errors.New("no carrier")
		}
		time.Sleep(10 * time.Millisecond)
	}
	// struct arpreq: protocol address, hardware address, flags, netmask, device
	var a struct {
		pa, ha [16]byte
		flags  int32
		mask   [16]byte
		dev    [16]byte
	}
	const complete, permanent, ether = 2, 4, 1
	a.pa[0], a.ha[0], a.flags = syscall.AF_INET, ether, complete|permanent
	copy(a.pa[4:], guest.Far.IP[:])
	copy(a.ha[2:], guest.Far.MAC[:])
	copy(a.dev[:], name)
	return ioctl("neighbour", syscall.SIOCSARP, pointer(&a))
}

func carrier(name string) bool {
	b, err := os.ReadFile("/sys/class/net/" + name + "/carrier")
	return err == nil && len(b) > 0 && b[0] == '1'
}

func hardwareAddress(name string) (mac [6]byte, err error) {
	i, err := net.InterfaceByName(name)
	if err != nil {
		return mac, err
	}
	if copy(mac[:], i.HardwareAddr) != len(mac) {
		return mac, errors.New(name + ": no Ethernet address")
	}
	return mac, nil
}

// Sender is part of guest.Platform: pktgen, which has a kernel thread call the
// driver. It makes its own frames, of the same length.
func (p *platform) Sender(frame []byte, n int) (send func() error, err error) {
	const dir = "/proc/net/pktgen/"
	for _, c := range []struct{ file, command string }{
		{"kpktgend_0", "rem_device_all"},
		{"kpktgend_0", "add_device " + p.name},
		{p.name, fmt.Sprintf("count %d", n)},
		{p.name, fmt.Sprintf("pkt_size %d", len(frame))},
		{p.name, "delay 0"},
		{p.name, fmt.Sprintf("dst %v", net.IP(guest.Far.IP[:]))},
		{p.name, fmt.Sprintf("dst_mac %v", net.HardwareAddr(guest.Far.MAC[:]))},
	} {
		if err := os.WriteFile(dir+c.file, []byte(c.command+"\n"), 0); err != nil {
			return nil, err
		}
	}
	return func() error { // the write returns when all are sent
		return os.WriteFile(dir+"pgctrl", []byte("start\n"), 0)
	}, nil
}

var _ guest.Platform = (*platform)(nil)
