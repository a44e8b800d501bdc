//go:build arm

package main

import (
	"log/slog"
	"reflect"
	"time"
	"unsafe"

	"gvisor.dev/gvisor/pkg/sync"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/transport/udp"
	"gvisor.dev/gvisor/pkg/waiter"
)

// wedgePort is where a datagram wedges the stack after /die?how=wedge or stall.
const wedgePort = 4711

// stalled is for how long stall keeps its lock.
const stalled = 4 * time.Second

func init() {
	deaths["wedge"] = func() { wedge(0) }
	deaths["stall"] = func() { wedge(stalled) }
}

// wedge takes the lock of a UDP endpoint of gVisor's, as somebody would who forgot to
// give it back, for good or for a time from the moment in which the network thread
// waits for it: it delivers a datagram to wedgePort.
func wedge(hold time.Duration) {
	s := running.Stack().Netstack()
	var q waiter.Queue
	ep, err := s.NewEndpoint(udp.ProtocolNumber, ipv4.ProtocolNumber, &q)
	if err == nil {
		err = ep.Bind(tcpip.FullAddress{Port: wedgePort})
	}
	if err != nil {
		slog.Error("wedge", "err", err)
		return
	}
	f := reflect.ValueOf(ep).Elem().FieldByName("rcvMu")
	mu := (*sync.Mutex)(unsafe.Pointer(f.UnsafeAddr()))
	mu.Lock()
	slog.Warn("the stack has one lock less")
	if hold == 0 {
		select {}
	}
	poll := running.Interfaces[0].Poll
	for !poll.Stuck() {
		time.Sleep(10 * time.Millisecond)
	}
	time.Sleep(hold)
	mu.Unlock()
	slog.Warn("the lock is free again")
}
