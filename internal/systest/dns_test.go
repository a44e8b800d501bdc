package systest

import (
	"io"
	"net"
	"net/netip"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"context"

	"github.com/gasp-go/gasp/internal/gobuild"
)

// A name server, as small as a resolver's tests allow (RFC 1035).

const (
	dnsA, dnsCNAME, dnsAAAA = 1, 5, 28

	dnsServFail, dnsNXDomain = 2, 3
	dnsResponse              = 1 << 15
	dnsTruncated             = 1 << 9
	dnsRecursion             = 1<<8 | 1<<7 // desired, available
)

// zone answers for a name and a type: records' owner, type and data. An answer
// with silent is none.
type zone func(name string, typ uint16, tcp bool) dnsAnswer

type dnsAnswer struct {
	code      uint16
	truncated bool
	silent    bool
	records   []dnsRecord
}

type dnsRecord struct {
	name string
	typ  uint16
	data []byte
}

func address(name, addr string) dnsRecord {
	a := netip.MustParseAddr(addr)
	r := dnsRecord{name, dnsA, a.AsSlice()}
	if a.Is6() {
		r.typ = dnsAAAA
	}
	return r
}

func dnsName(b []byte, name string) []byte {
	for label := range strings.SplitSeq(strings.TrimSuffix(name, "."), ".") {
		b = append(append(b, byte(len(label))), label...)
	}
	return append(b, 0)
}

// reply is the answer to query q, nil if there is none.
func (z zone) reply(q []byte, tcp bool) []byte {
	if len(q) < 12 || be.Uint16(q[4:]) != 1 {
		return nil
	}
	var labels []string
	i := 12
	for i < len(q) && q[i] != 0 && i+1+int(q[i]) < len(q) {
		labels = append(labels, string(q[i+1:i+1+int(q[i])]))
		i += 1 + int(q[i])
	}
	if i+5 > len(q) {
		return nil
	}
	typ := be.Uint16(q[i+1:])
	a := z(strings.ToLower(strings.Join(labels, ".")), typ, tcp)
	if a.silent {
		return nil
	}
	flags := dnsResponse | dnsRecursion | a.code
	if a.truncated {
		flags |= dnsTruncated
	}
	b := append([]byte(nil), q[:i+5]...)
	be.PutUint16(b[2:], flags)
	be.PutUint16(b[6:], uint16(len(a.records)))
	be.PutUint32(b[8:], 0)
	for _, r := range a.records {
		b = dnsName(b, r.name)
		b = be.AppendUint16(be.AppendUint16(b, r.typ), 1)
		b = be.AppendUint32(b, 60)
		b = append(be.AppendUint16(b, uint16(len(r.data))), r.data...)
	}
	return b
}

// serve answers on an address in the namespace, by UDP and TCP.
func (n *namespace) serveDNS(addr string, z zone) {
	n.t.Helper()
	var p net.PacketConn
	var ln net.Listener
	var err error
	n.do(func() {
		if p, err = net.ListenPacket("udp", addr); err == nil {
			ln, err = net.Listen("tcp", addr)
		}
	})
	if err != nil {
		n.t.Fatal(err)
	}
	n.t.Cleanup(func() { p.Close(); ln.Close() })
	go func() {
		buf := make([]byte, 4096)
		for {
			m, from, err := p.ReadFrom(buf)
			if err != nil {
				return
			}
			if r := z.reply(buf[:m], false); r != nil {
				p.WriteTo(r, from)
			}
		}
	}()
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			c.SetDeadline(time.Now().Add(patience))
			var head [2]byte
			if _, err := io.ReadFull(c, head[:]); err == nil {
				q := make([]byte, be.Uint16(head[:]))
				if _, err := io.ReadFull(c, q); err == nil {
					r := z.reply(q, true)
					c.Write(append(be.AppendUint16(nil, uint16(len(r))), r...))
				}
			}
			c.Close()
		}
	}()
}

var clientImage struct {
	once sync.Once
	path string
	err  error
}

// buildClient builds the firmware that is a client of the host.
func buildClient(t *testing.T) string {
	t.Helper()
	prepare(t)
	r := &clientImage
	r.once.Do(func() {
		r.path = filepath.Join(built.dir, "client.elf")
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
		defer cancel()
		b := built.board
		f := gobuild.Firmware{Board: &b, Dir: "../..", Package: "./internal/systest/client", Output: r.path}
		r.err = f.Build(ctx)
	})
	if r.err != nil {
		t.Fatal(r.err)
	}
	return r.path
}
