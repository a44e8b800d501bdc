//go:build arm

package kernel

import (
	"runtime"
	"unsafe"

	"github.com/gasp-go/gasp/board/trap"
)

// A datagram that the service's hook can send at once takes neither the ring nor
// the service's thread: the system call itself puts it into the device's ring.

// DirectHook sends a datagram at once and reports whether it did; if not, the
// service gets it as any other. It is called for sockets for which SocketDirect
// was called, while nothing of theirs waits. Trap context; d is the kernel's. To
// be set before ServeSockets.
var DirectHook func(d *DirectDatagram) bool

// maxDirectParts is how many buffers the program may gather a datagram from.
const maxDirectParts = 4

// DirectDatagram is a datagram for DirectHook. The addresses are sockaddrs.
type DirectDatagram struct {
	Local [addrSize]byte // of the socket
	To    [addrSize]byte
	Parts [maxDirectParts][]byte // the program's memory
	N     int                    // of Parts
	Size  int                    // bytes in Parts
}

// sendDirect tries the hook. to is empty for a connected socket's peer. The
// buffers were checked.
func sendDirect(s *sock, v *vector, total uint32, to *sockAddr) bool {
	if DirectHook == nil || v.n > maxDirectParts {
		return false
	}
	if to.n == 0 {
		to = &s.peer
	}
	var d DirectDatagram
	d.Local, d.To = s.local.b, to.b
	d.Size, d.N = int(total), int(v.n)
	for i := range v.n {
		p, n := v.at(i)
		d.Parts[i] = bytesAt(p, n)
	}
	sent := DirectHook((*DirectDatagram)(trap.NoEscape(unsafe.Pointer(&d))))
	runtime.KeepAlive(&d)
	return sent
}

// SocketDirect says whether the datagrams of a socket may be sent by DirectHook:
// it is bound and has no options that the hook does not know.
func SocketDirect(id SocketID, on bool) {
	c := sockCall{id: id, ok: on}
	trap.Run(func(p unsafe.Pointer) {
		c := (*sockCall)(p)
		if s := c.live(); s != nil {
			s.direct = c.ok && s.typ == sockDgram
		}
	}, unsafe.Pointer(&c))
}
