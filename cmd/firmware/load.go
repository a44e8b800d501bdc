//go:build arm

package main

import (
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

// load sends datagrams, as fast as the device takes them, until the end.
func load(c net.Conn) {
	p := make([]byte, 1200)
	for {
		c.Write(p) // a ring that is full is none of its business
	}
}
