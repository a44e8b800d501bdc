//go:build arm

package main

import (
	"io"
	"log/slog"
	"net"
)

// Ports of the classic services.
const (
	portEcho    = ":7"  // RFC 862
	portDiscard = ":9"  // RFC 863
	portChargen = ":19" // RFC 864
)

// serve starts echo, discard and chargen over TCP and UDP.
func serve() {
	listen(portEcho, func(c net.Conn) { io.Copy(c, c) })
	listen(portDiscard, func(c net.Conn) { io.Copy(io.Discard, c) })
	listen(portChargen, chargen)
	answer(portEcho, func(_, p []byte) []byte { return p })
	answer(portDiscard, func(_, _ []byte) []byte { return nil })
	answer(portChargen, func(buf, _ []byte) []byte { return buf[:copy(buf, line(0))] })
}

// listen serves each TCP connection to addr with fn on a goroutine of its own.
func listen(addr string, fn func(net.Conn)) {
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		slog.Error("listen", "net", "tcp", "addr", addr, "err", err)
		return
	}
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				slog.Error("accept", "addr", addr, "err", err)
				return
			}
			go func() {
				defer c.Close()
				fn(c)
			}()
		}
	}()
}

// answer sends what fn makes of each UDP datagram to addr back to its sender,
// unless it is nil. fn may use buf for the answer.
func answer(addr string, fn func(buf, p []byte) []byte) {
	c, err := net.ListenPacket("udp", addr)
	if err != nil {
		slog.Error("listen", "net", "udp", "addr", addr, "err", err)
		return
	}
	go func() {
		in, buf := make([]byte, 64<<10), make([]byte, 512)
		for {
			n, from, err := c.ReadFrom(in)
			if err != nil {
				slog.Error("receive", "addr", addr, "err", err)
				return
			}
			if out := fn(buf, in[:n]); out != nil {
				// What cannot be sent is lost, as datagrams are; the
				// stack counts it.
				c.WriteTo(out, from)
			}
		}
	}()
}

// chargen sends lines until the peer has enough.
func chargen(c net.Conn) {
	var buf []byte
	for i := 0; ; {
		for buf = buf[:0]; len(buf) < 4096; i++ {
			buf = append(buf, line(i)...)
		}
		if _, err := c.Write(buf); err != nil {
			return
		}
	}
}

const lineLen = 72

// pattern is two rounds of the printable characters, so that every line is a
// slice of it.
var pattern = func() []byte {
	p := make([]byte, 0, 2*95)
	for len(p) < cap(p) {
		p = append(p, byte(' '+len(p)%95))
	}
	return p
}()

// line is line i of the character generator.
func line(i int) []byte {
	start := i % 95
	return append(pattern[start:start+lineLen:start+lineLen], '\r', '\n')
}
