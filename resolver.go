//go:build arm

package gasp

import (
	"fmt"
	"log/slog"
	"strings"

	"github.com/gasp-go/gasp/board/kernel"
	"github.com/gasp-go/gasp/stack"
)

// configureResolver writes what Go's resolver reads: /etc/resolv.conf with the
// name servers of the interface, and /etc/hosts with the host's own name.
func configureResolver(a stack.AddrInfo) {
	var conf strings.Builder
	for _, d := range a.DNS {
		fmt.Fprintf(&conf, "nameserver %s\n", d)
	}
	if len(a.Search) > 0 {
		fmt.Fprintf(&conf, "search %s\n", strings.Join(a.Search, " "))
	}
	hosts := "127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n"
	if a.Hostname != "" {
		names := a.Hostname
		if a.Domain != "" {
			names = a.Hostname + "." + a.Domain + " " + a.Hostname
		}
		ip := "127.0.1.1"
		if a.IPv4.IsValid() {
			ip = a.IPv4.Addr().String()
		}
		hosts += ip + " " + names + "\n"
	}
	for path, text := range map[string]string{"/etc/resolv.conf": conf.String(), "/etc/hosts": hosts} {
		if err := kernel.SetFile(path, []byte(text)); err != nil {
			slog.Error("resolver", "file", path, "err", err)
		}
	}
}
