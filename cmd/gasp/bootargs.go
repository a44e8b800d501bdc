package main

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"strings"
)

// arg is a boot argument that is set unless the user sets it.
type arg struct{ key, value string }

// withDefaults puts those of args before the user's own boot arguments that
// these do not have.
func withDefaults(own string, args ...arg) string {
	var words []string
	for _, a := range args {
		if !hasWord(own, a.key+"=") {
			words = append(words, a.key+"="+a.value)
		}
	}
	if own = strings.TrimSpace(own); own != "" {
		words = append(words, own)
	}
	return strings.Join(words, " ")
}

// networkArgs completes boot arguments for QEMU's user network, with a
// netconsole receiver at port of this host's loopback: what the guest sends to
// 10.0.2.2 is passed on to there.
func networkArgs(own string, port uint16) string {
	return withDefaults(own, arg{"ip", "dhcp"},
		arg{"netconsole", fmt.Sprintf("+@/eth0,%d@10.0.2.2/", port)}, seed())
}

// seed is a fresh seed for the guest's random numbers, for which QEMU's
// machines have no hardware. The kernel wipes it.
func seed() arg {
	var b [32]byte
	rand.Read(b[:]) // never fails
	return arg{"gasp.seed", hex.EncodeToString(b[:])}
}

// hasWord tells whether one of the words of a command line, up to a "--",
// begins with prefix.
func hasWord(line, prefix string) bool {
	for _, w := range strings.Fields(line) {
		if strings.HasPrefix(w, prefix) {
			return true
		}
		if w == "--" {
			return false
		}
	}
	return false
}
