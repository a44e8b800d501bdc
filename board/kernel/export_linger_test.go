//go:build arm

package kernel

import (
	"unsafe"

	"github.com/gasp-go/gasp/board/trap"
)

// ServeAlone makes sockets available without a service, and stop ends that;
// sockets that are open then are gone.
func ServeAlone() (stop func()) {
	ServeSockets(new(Event))
	return func() {
		trap.Run(func(unsafe.Pointer) {
			for i := range socks[:nextSock] { // of the others pages are missing: they stay so
				if socks[i].state != sockFree {
					freeSock(uint32(i))
				}
			}
			sockQueueR = sockQueueW
			setState(sockBase, maxSockets*slotSize, pageNone)
			sockBase, buffers[0] = 0, region{}
		}, nil)
	}
}

// SocketOf returns the socket behind a descriptor.
func SocketOf(fd int) SocketID {
	c := sockCall{n: fd}
	trap.Run(func(p unsafe.Pointer) {
		c := (*sockCall)(p)
		s, i, _ := sockOf(uint32(c.n))
		c.id = SocketID{int(i), s.gen}
	}, unsafe.Pointer(&c))
	return c.id
}

// Luck returns the luck of a socket's receives with lingering and makes it what it is at first.
// It is negative after a linger that lasted as long as it could.
func Luck(id SocketID) int {
	luck := socks[id.Index].receiving.luck
	socks[id.Index].receiving.luck = 0
	return int(luck)
}

// SendLuck is Luck for sends.
func SendLuck(id SocketID) int {
	luck := socks[id.Index].sending.luck
	socks[id.Index].sending.luck = 0
	return int(luck)
}

// LuckMax is the luck of a socket whose linger ended with data.
const LuckMax = luckMax
