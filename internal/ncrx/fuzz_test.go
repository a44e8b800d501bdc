package ncrx

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"time"
)

// FuzzReceiver sends what it is given as a series of datagrams, separated by
// 0xff, of several senders, and checks that bounds hold and that nothing is
// left when all was given.
func FuzzReceiver(f *testing.F) {
	for _, seed := range []string{
		"6,1,2,-;a\n K=v\n\xff6,3,4,-,ncfrag=0/2;a\xff6,3,4,-,ncfrag=1/2;b",
		"[    1.000000] text\nmore\xff6.1,6,1,2,c,caller=T1;x",
		"6,1,2,-,ncfrag=0/32768;x\xff6,1,2,-,ncfrag=32767/32768;y",
		"6,18446744073709551615,2,-;x\xff6,0,0,-;y\xff6,18446744073709551615,2,-,ncemg=1;x",
		"6,5,2,-;x\xff6,9,3,-;** 3 printk messages dropped **\xff6,7,3,-;y",
		"6,1,2,-;a\n BOOTID=00112233445566778899aabbccddeeff\n HMAC=00112233445566778899aabbccddeeff\n",
	} {
		for mode := range uint8(16) {
			f.Add([]byte(seed), mode&7|mode&8<<2)
		}
	}
	f.Fuzz(func(t *testing.T, in []byte, mode uint8) {
		var o Options
		o.Ack, o.Strict = mode&1 != 0, mode&8 != 0
		if mode&2 != 0 {
			o.Key = []byte("key")
		}
		if mode&4 != 0 {
			o.Resend = 100
		}
		r := New(o)
		now := time.Unix(0, 0)
		var records uint64
		for i, d := range strings.Split(string(in), "\xff") {
			if p, err := Parse([]byte(d)); err == nil {
				if p.Fragment && (p.Total > maxBody || p.Offset < 0 || p.Offset+len(p.Body) > p.Total) {
					t.Fatalf("fragment out of bounds: %+v", p)
				}
				if len(p.Fields) > maxFields || !strings.HasSuffix(p.Head, ";") || p.Fragment && len(p.Head) >= len(d) {
					t.Fatalf("%+v", p)
				}
			}
			from := netip.AddrPortFrom(netip.IPv4Unspecified(), uint16(i&int(mode>>4&1)))
			if mode&32 != 0 {
				d = sign(o.Key, d)
			}
			records += uint64(len(r.Datagram(from, []byte(d), now)))
			now = now.Add(300 * time.Millisecond)
			for _, a := range r.Responses() {
				if !o.Ack || o.Key != nil && mode&32 == 0 || len(a.Data) > answerPacket || !strings.HasPrefix(string(a.Data), "ncrx") {
					t.Fatalf("answers %q", a.Data)
				}
			}
			bounded(t, r)
		}
		records += uint64(len(r.Flush(now)))
		if s := r.Stats(); s.Records != records {
			t.Fatalf("%d records given, %d counted", records, s.Records)
		}
		if len(r.Flush(now)) != 0 || r.pending.Len() != 0 || r.held != 0 {
			t.Fatal("something is left after Flush")
		}
	})
}

func TestAFloodOfFragmentsIsBoundedAndCostsTheFlooder(t *testing.T) {
	now := time.Unix(0, 0)
	for _, o := range []Options{{}, {Ack: true}, {Key: []byte("key")}} {
		r := New(o)
		flooder := netip.AddrPortFrom(netip.IPv6Unspecified(), 1)
		other := netip.AddrPortFrom(netip.IPv6Unspecified(), 2)
		r.Datagram(other, []byte("6,1,1,-,ncfrag=0/2;a"), now)
		for i := range 1000 {
			r.Datagram(flooder, fmt.Appendf(nil, "6,%d,1,-,ncfrag=0/32768;%s", i, strings.Repeat("x", 1000)), now)
			bounded(t, r)
		}
		if got := r.Datagram(other, []byte("6,1,1,-,ncfrag=1/2;b"), now); len(got) != 1 || got[0].Text != "ab" || got[0].Missing != 0 {
			t.Errorf("%+v", got)
		}
		for i := range 1000 {
			r.Datagram(netip.AddrPortFrom(flooder.Addr(), uint16(i)), []byte("6,5000,1,-,ncfrag=0/32768;x"), now)
			bounded(t, r)
		}
	}
}

// sign makes a datagram in the extended format one of two lives that sign.
func sign(key []byte, d string) string {
	p, err := Parse([]byte(d))
	if err != nil || p.Fragment {
		return d
	}
	signed := d + "\n" + bootLine + strings.Repeat("0", 31) + strconv.Itoa(int(p.Seq&1)) + "\n"
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(signed))
	return fmt.Sprintf("%s%s%x\n", signed, macLine, mac.Sum(nil)[:idLen])
}

// bounded checks that what a Receiver keeps is what it says, and within bounds.
func bounded(t *testing.T, r *Receiver) {
	t.Helper()
	if r.pending.Len() > maxPending || r.recent.Len() > maxSenders || len(r.senders) != r.recent.Len() {
		t.Fatal("bounds do not hold")
	}
	all := 0
	for e := r.recent.Front(); e != nil; e = e.Next() {
		q := &e.Value.(*sender).queue
		bytes := 0
		for i, w := range q.waiting {
			bytes += w.rec.size()
			if i > 0 && w.rec.Seq <= q.waiting[i-1].rec.Seq || w.rec.Seq <= q.next {
				t.Fatalf("record %d waits at %d; next is %d", w.rec.Seq, i, q.next)
			}
		}
		if bytes != q.bytes || bytes > maxHeldEach || len(q.waiting) > maxHeldRecords {
			t.Fatalf("%d records, %d bytes, counted %d", len(q.waiting), bytes, q.bytes)
		}
		all += bytes
	}
	if all != r.held || all > maxHeldAll {
		t.Fatalf("%d bytes wait, counted %d", all, r.held)
	}
}

// FuzzOrder is one life of a sender that answers what it is asked as it
// pleases, over a network that loses, doubles, delays and cuts. Whatever is
// done: each record that came is given once, in order but for the late, and
// the gaps are what is missing.
func FuzzOrder(f *testing.F) {
	f.Add([]byte{0, 1, 2, 3, 5, 128, 4, 6}, uint8(1))
	f.Add([]byte{10, 12, 14, 200, 200, 200, 200, 11, 13, 255, 255, 9, 15}, uint8(3))
	f.Add([]byte{70, 71, 65, 66, 73, 255, 72, 64, 75}, uint8(7))
	f.Fuzz(func(t *testing.T, ops []byte, mode uint8) {
		o := Options{Ack: mode&1 != 0}
		if mode&2 != 0 {
			o.Resend = 16
		}
		r := New(o)
		now := time.Unix(0, 0)
		came, given := map[uint64]bool{}, map[uint64]int{}
		started := false
		var first, last, gaps, inOrder uint64
		check := func(rs []Record) {
			for _, rec := range rs {
				if rec.Text != fmt.Sprint("record ", rec.Seq) || rec.Restarted || rec.Malformed {
					t.Fatalf("%+v", rec)
				}
				if rec.Repeated {
					if given[rec.Seq] == 0 {
						t.Fatalf("repeated, and never given: %+v", rec)
					}
					continue
				}
				given[rec.Seq]++
				if rec.Late {
					continue
				}
				switch {
				case !started:
					started, first = true, rec.Seq
				case rec.Seq <= last:
					t.Fatalf("%d after %d", rec.Seq, last)
				}
				last = rec.Seq
				gaps += rec.Gap
				inOrder++
			}
		}
		from := netip.AddrPortFrom(netip.IPv4Unspecified(), 1)
		send := func(d string) { check(r.Datagram(from, []byte(d), now)) }
		send("6,999,999,-;record 999")
		came[999] = true
		for _, op := range ops {
			seq := uint64(1000 + int(op&63))
			head := fmt.Sprintf("6,%d,%d,-", seq, seq)
			body := fmt.Sprint("record ", seq)
			switch {
			case op < 64:
				send(head + ";" + body)
				came[seq] = true
			case op < 128:
				send(fmt.Sprintf("%s,ncfrag=0/%d;%s", head, len(body), body[:4]))
				send(fmt.Sprintf("%s,ncfrag=4/%d;%s", head, len(body), body[4:]))
				came[seq] = true
			case op < 192: // twice
				send(head + ";" + body)
				send(head + ";" + body)
				came[seq] = true
			default:
				now = now.Add(time.Duration(op-191) * 100 * time.Millisecond)
				check(r.Tick(now))
			}
			for _, a := range r.Responses() {
				if !strings.HasPrefix(string(a.Data), "ncrx") || a.To != from {
					t.Fatalf("%+v", a)
				}
			}
			bounded(t, r)
		}
		check(r.Flush(now))
		for seq := range came {
			if given[seq] != 1 {
				t.Fatalf("record %d was given %d times", seq, given[seq])
			}
		}
		if started && last-first+1 != inOrder+gaps {
			t.Fatalf("%d to %d: %d records and gaps of %d", first, last, inOrder, gaps)
		}
	})
}

// FuzzCapture reads any capture.
func FuzzCapture(f *testing.F) {
	udp := []byte{0x45, 0, 0, 32, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2, 0x1a, 9, 0x1a, 10, 0, 12, 0, 0, 'a', 'b', 'c', '\n'}
	frame := append([]byte{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 8, 0}, udp...)
	f.Add(frame)
	f.Add(append([]byte{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 0x81, 0, 0, 5, 8, 0}, udp...))
	v6 := make([]byte, 14+40+12)
	copy(v6[12:], []byte{0x86, 0xdd, 0x60})
	binary.BigEndian.PutUint16(v6[18:], 12)
	v6[20] = 17
	v6[14+40+5] = 12
	f.Add(v6)
	f.Fuzz(func(t *testing.T, b []byte) {
		d, ok := UDP(b)
		if ok && (len(d.Payload) > len(b)-42 || d.From.Addr().Is4() != d.To.Addr().Is4()) {
			t.Fatalf("%+v", d)
		}
	})
}
