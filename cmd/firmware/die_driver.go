//go:build arm

package main

import (
	"github.com/gasp-go/gasp"
	"github.com/gasp-go/gasp/enet"
)

// Deaths in the middle of what the network driver does.
func init() {
	for how, w := range map[string]enet.Wreck{
		"ringlock": enet.RingLocked,
		"halfdesc": enet.HalfDescriptor,
		"ringfull": enet.RingFull,
		"macstop":  enet.Stopped,
		"macreset": enet.InReset,
	} {
		deaths[how] = func() { gasp.Wreck(w) }
	}
}
