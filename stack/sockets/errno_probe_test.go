//go:build arm && (mx6ulevk || sabrelite)

package sockets_test

import (
	"strings"
	"testing"

	"github.com/gasp-go/gasp/internal/sockprobe"
)

func TestSocketCallsFailAsOnLinux(t *testing.T) {
	got := strings.Split(sockprobe.Probe(), "\n")
	want := strings.Split(sockprobe.Linux, "\n")
	if len(got) != len(want) {
		t.Fatalf("%q, want %q", got, want)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("%s, on Linux %s", got[i], want[i])
		}
	}
}
