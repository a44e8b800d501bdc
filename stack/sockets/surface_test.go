//go:build arm && (mx6ulevk || sabrelite)

package sockets_test

import (
	"net"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"github.com/gasp-go/gasp/board/kernel"
	"github.com/gasp-go/gasp/internal/surface"
)

// socketCalls are the numbers from socket to recvmsg, accept4, and what else
// works on a socket's descriptor.
var socketCalls = []uint32{
	281, 282, 283, 284, 285, 286, 287, 289, 290, 291, 292, 293, 294, 295, 296, 297, 366,
	3, 4, 6, 41, 55, 63, 145, 146, 221, 251, 358,
}

func TestNoArgumentsOfSocketCallsHarmTheKernel(t *testing.T) {
	before := kernel.SocketStat().InUse
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	base, size := kernel.RAM()
	end := uintptr(base + size)
	rounds := 0
	s := surface.Run(surface.Config{
		Kernel: []uintptr{end - 4, end - 4<<20, end - 4<<20 - 4096, 0xf2020000},
		Seed:   2, Random: 3_000, Only: socketCalls, NoMatrix: true, Failf: t.Errorf,
		FDs: func() []int {
			rounds++
			return someSockets(t, ln)
		},
	})
	ln.Close()
	t.Logf("%d calls, %d of them succeeded, %d not made, %d times new sockets", s.Calls, s.Succeeded, s.Skipped, rounds)
	if s.Succeeded < s.Calls/20 {
		t.Error("hardly any call did something")
	}
	settled(t, before)
	c, err := net.Dial("tcp", serveTCP(t, "127.0.0.1", echo))
	if err != nil {
		t.Fatal("afterwards:", err)
	}
	c.Close()
}

// someSockets returns descriptors of both ends of a connection to ln and of a
// listener, that do not block.
func someSockets(t *testing.T, ln net.Listener) []int {
	client := nonblocking(t)
	port := ln.Addr().(*net.TCPAddr).Port
	err := syscall.Connect(client, &syscall.SockaddrInet4{Port: port, Addr: [4]byte{127, 0, 0, 1}})
	if err != syscall.EINPROGRESS {
		t.Errorf("connect: %v", err)
	}
	ln.(*net.TCPListener).SetDeadline(time.Now().Add(time.Minute))
	c, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	f, err := c.(*net.TCPConn).File()
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	server, err := syscall.Dup(int(f.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.SetNonblock(server, true); err != nil {
		t.Fatal(err)
	}
	listener := nonblocking(t)
	if err := syscall.Listen(listener, 4); err != nil {
		t.Error(err)
	}
	return []int{client, server, listener}
}

func nonblocking(t *testing.T) int {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	return fd
}

// The list of buffers may lie in one of them.
func TestWhatIsReceivedOverItsOwnListOfBuffersHarmsNobody(t *testing.T) {
	s, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	f, err := s.(*net.UDPConn).File()
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	base, size := kernel.RAM()
	for _, to := range []uint32{4, base + size - 4096, 0xf2020000} {
		data := [4]uint32{to, 8, 1, 2}
		if _, err := s.WriteTo(unsafe.Slice((*byte)(unsafe.Pointer(&data)), 16), s.LocalAddr()); err != nil {
			t.Fatal(err)
		}
		var list [2][2]uint32 // struct iovec
		list[0] = [2]uint32{uint32(uintptr(unsafe.Pointer(&list[1]))), 8}
		list[1] = [2]uint32{uint32(uintptr(unsafe.Pointer(&data))), 8}
		for {
			_, _, e := syscall.Syscall(syscall.SYS_READV, f.Fd(), uintptr(unsafe.Pointer(&list)), 2)
			if e == syscall.EFAULT {
				break
			}
			if e != syscall.EAGAIN {
				t.Fatalf("over a buffer at %#x: %v", to, e)
			}
			time.Sleep(time.Millisecond)
		}
		var rest [16]byte
		if n, _, err := s.ReadFrom(rest[:]); n != 16 || err != nil {
			t.Fatal(n, err)
		}
	}
}

func TestAMessageOfNoBuffersManyTimesIsAnError(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	fds := someSockets(t, ln)
	udp, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_DGRAM|syscall.SOCK_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	fds = append(fds, udp)
	to := syscall.RawSockaddrInet4{Family: syscall.AF_INET, Port: 0x0900, Addr: [4]byte{127, 0, 0, 1}}
	for i, fd := range fds {
		defer syscall.Close(fd)
		for _, nr := range []uintptr{syscall.SYS_SENDMSG, syscall.SYS_RECVMSG} {
			for n, want := range map[uint32]syscall.Errno{1: syscall.EFAULT, 1024: syscall.EFAULT, 1025: syscall.EMSGSIZE, 1 << 31: syscall.EMSGSIZE, 1<<32 - 1: syscall.EMSGSIZE} {
				m := syscall.Msghdr{Name: (*byte)(unsafe.Pointer(&to)), Namelen: 16, Iovlen: n}
				_, _, e := syscall.Syscall(nr, uintptr(fd), uintptr(unsafe.Pointer(&m)), 0)
				if e != want {
					t.Errorf("socket %d: call %d of %d buffers at 0: %v, want %v", i, nr, n, e, want)
				}
			}
		}
	}
}
