// Package systest tests the demonstration firmware as a whole: it is built,
// booted in QEMU, and talked to over its serial port and its wire.
//
// There are three wires. QEMU's user network needs nothing and forwards ports.
// On a dgram wire the test process is everybody else on the Ethernet, with
// frames made and checked by code that shares nothing with the firmware's. In a
// network namespace Linux's own stack is the peer; that needs root.
//
// The tests wait for events, never for time to pass; patience bounds each wait.
// Without QEMU they are skipped, unless GASP_REQUIRE_QEMU=1; with -short too.
package systest
