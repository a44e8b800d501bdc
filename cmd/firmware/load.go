//go:build arm

package main

import (
	"log/slog"
	"net"
	"time"
)

func init() { deaths["many"] = manyGoroutines }

// many is how many goroutines manyGoroutines has: over a megabyte of traceback.
const many = 5000

// manyGoroutines panics with a long traceback.
func manyGoroutines() {
	for range many {
		go func() { select {} }()
	}
	time.Sleep(100 * time.Millisecond)
	panic("asked to panic with a long traceback")
}

// load sends datagrams to addr, as fast as the device takes them, until the end.
func load(addr string) {
	c, err := net.Dial("udp", addr)
	if err != nil {
		slog.Error("load", "err", err)
		return
	}
	p := make([]byte, 1200)
	for {
		c.Write(p) // a ring that is full is none of its business
	}
}
