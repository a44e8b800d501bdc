package main

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gasp-go/gasp/internal/qemu/qemutest"
)

func TestEchoOverTCPIsCheckedByteByByte(t *testing.T) {
	for _, tt := range []struct {
		name  string
		serve func(io.ReadWriter)
		ok    bool
	}{
		{"echo", func(c io.ReadWriter) { io.Copy(c, c) }, true},
		{"cut", func(c io.ReadWriter) { io.CopyN(c, c, 10) }, false},
		{"changed", func(c io.ReadWriter) {
			b, _ := io.ReadAll(io.LimitReader(c, 1000))
			b[999]++
			c.Write(b)
		}, false},
	} {
		l, err := net.Listen("tcp4", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			if c, err := l.Accept(); err == nil {
				tt.serve(c)
				c.Close()
			}
		}()
		err = echoTCP(bound(t), l.Addr().String(), bytes.Repeat([]byte("x"), 1000))
		if (err == nil) != tt.ok {
			t.Errorf("%s: %v", tt.name, err)
		}
		l.Close()
	}
}

func TestEchoOverUDPSurvivesALossButNotAChange(t *testing.T) {
	c, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	go func() {
		buf := make([]byte, 2000)
		for i := 0; ; i++ {
			n, from, err := c.ReadFrom(buf)
			if err != nil {
				return
			}
			switch i {
			case 0: // lost
			case 1:
				c.WriteTo(buf[:n], from)
			default:
				c.WriteTo(buf[:n-1], from)
			}
		}
	}()
	addr := c.LocalAddr().String()
	if err := echoUDP(bound(t), addr, []byte("data")); err != nil {
		t.Error(err)
	}
	if err := echoUDP(bound(t), addr, []byte("data")); err == nil {
		t.Error("a shorter answer is taken")
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := echoUDP(ctx, "127.0.0.1:9", []byte("data")); err == nil {
		t.Error("no bound")
	}
}

func TestARefusalToDieIsAnErrorAndADeadPeerIsNot(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost || r.URL.String() != "/die?how=panic" {
			t.Errorf("%s %s", r.Method, r.URL)
		}
		http.Error(w, "boot with gasp.die=1", http.StatusForbidden)
	}))
	if err := postDie(bound(t), s.URL); err == nil || !strings.Contains(err.Error(), "gasp.die=1") {
		t.Errorf("got %v", err)
	}
	s.Close()
	if err := postDie(bound(t), s.URL); err != nil {
		t.Errorf("got %v", err)
	}
}

func TestTheNetworkIsWaitedForUntilItAnswers(t *testing.T) {
	answers := 0
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if answers++; answers < 3 {
			http.Error(w, "booting", http.StatusServiceUnavailable)
			return
		}
		io.WriteString(w, "page")
	}))
	defer s.Close()
	got, err := getRetrying(bound(t), s.URL)
	if err != nil || string(got) != "page" {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestTheDemoOfAMachineThatEndsEarlyFailsAtOnceWithTheReason(t *testing.T) {
	qemutest.Board(t)
	start := time.Now()
	status, _, err := gasp(bound(t), "demo", qemutest.Write(t, qemutest.Reset()))
	if status != exitFailed || !strings.Contains(err, "waiting for the network: the machine has ended") {
		t.Errorf("status %d, stderr %q", status, err)
	}
	if time.Since(start) > demoNetwork {
		t.Errorf("after %v", time.Since(start))
	}
}

func TestRunShowsTheSerialConsoleUntilItIsInterrupted(t *testing.T) {
	b := qemutest.Board(t)
	image := qemutest.Write(t, qemutest.EchoString(b.BootArgs))
	ctx, cancel := context.WithCancel(bound(t))
	defer cancel()
	var out, errs lockedBuffer
	done := make(chan int)
	// The newline ends the line that the guest echoes.
	go func() { done <- (&tool{&out, &errs}).main(ctx, []string{"run", "-append", "a=1\nb=2", image}) }()
	for _, want := range []string{"guest's tcp port 80: http://127.0.0.1:", "serial | ip=dhcp netconsole=+@/eth0,"} {
		for !strings.Contains(out.String(), want) {
			select {
			case <-time.After(10 * time.Millisecond):
			case <-ctx.Done():
				t.Fatalf("no %q; stdout %q, stderr %q", want, out.String(), errs.String())
			}
		}
	}
	cancel()
	if status := <-done; status != exitOK {
		t.Errorf("status %d, stderr %q", status, errs.String())
	}
}
