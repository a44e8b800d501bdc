// Package sockets serves the kernel's socket system calls from gVisor's stack,
// so that the standard library's net works as on Linux.
//
// The kernel answers sends and receives from rings (board/kernel/socket.go).
// This package is behind them: on the network thread it moves bytes and
// datagrams between rings and endpoints, and carries out the requests (bind,
// connect, options, …) that need the stack. It never waits: what an endpoint
// cannot take now it will announce, and the ring keeps it until then.
package sockets
