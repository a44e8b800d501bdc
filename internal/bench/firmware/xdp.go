//go:build arm

package main

import "github.com/gasp-go/gasp/stack/netdev"

// XDP has a program drop all received frames, or send them back, until detach is
// called.
func (p *platform) XDP(back bool) (detach func()) {
	program := func([]byte) netdev.XDPAction { return netdev.XDPDrop }
	if back {
		program = swap
	}
	p.eth.Device.SetXDP(program)
	return func() { p.eth.Device.SetXDP(nil) }
}

// swap sends a frame back to its sender.
func swap(frame []byte) netdev.XDPAction {
	to := [6]byte(frame[6:12])
	copy(frame[6:12], frame[:6])
	copy(frame, to[:])
	return netdev.XDPTx
}
