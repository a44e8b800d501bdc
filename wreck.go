//go:build arm

package gasp

import (
	"unsafe"

	"github.com/gasp-go/gasp/board/trap"
	"github.com/gasp-go/gasp/enet"
)

// Wreck leaves the first interface's MAC in a state in which a death may find it, with
// announcements of our address (RFC 5227) in its ring, and faults in trap context. For
// demonstrations and tests.
func Wreck(w enet.Wreck) {
	n := system.Interfaces[0]
	x := wreckSection{mac: n.MAC, how: w}
	mac, ip := n.Device.MAC(), n.Stack.Addresses().IPv4.Addr()
	f := append(x.frame[:0], 0xff, 0xff, 0xff, 0xff, 0xff, 0xff)
	f = append(append(f, mac[:]...), 8, 6, 0, 1, 8, 0, 6, 4, 0, 1)
	f = append(append(f, mac[:]...), ip.AsSlice()...)
	copy(x.frame[len(f)+6:], ip.AsSlice())
	trap.Run(wreck, unsafe.Pointer(&x))
}

type wreckSection struct {
	mac   *enet.MAC
	how   enet.Wreck
	frame [60]byte
}

func wreck(p unsafe.Pointer) {
	x := (*wreckSection)(p)
	x.mac.Wreck(x.how, x.frame[:])
	touchNull(nil)
}
