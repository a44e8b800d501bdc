package ncrx_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/gasp-go/gasp/internal/ncrx"
)

var key = []byte("a key of any length")

const (
	bootA = "00112233445566778899aabbccddeeff"
	bootB = "ffeeddccbbaa99887766554433221100"
)

// signed is a record as a sender that has the key makes it.
func signed(key []byte, boot, head, body string) string {
	body += " BOOTID=" + boot + "\n"
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(head + ";" + body))
	return fmt.Sprintf("%s;%s HMAC=%x\n", head, body, mac.Sum(nil)[:16])
}

// The record that the format's description has as an example; the sum was made
// with openssl.
const example = "6,1,100,-;hello\n BOOTID=" + bootA + "\n HMAC=b9eb05402e57fe6fee14f5d7e6aca841\n"

func TestTheSignatureIsThatOfOpenSSL(t *testing.T) {
	r := ncrx.New(ncrx.Options{Key: []byte("secret")})
	got := feed(r, start, example)
	if len(got) != 1 || got[0].Auth != ncrx.Authentic || got[0].BootID != bootA || len(got[0].Dict) != 0 {
		t.Errorf("%+v", got)
	}
	if s := signed([]byte("secret"), bootA, "6,1,100,-", "hello\n"); s != example {
		t.Errorf("%q", s)
	}
}

func TestOnlyWhatTheKeySignedIsAuthentic(t *testing.T) {
	good := signed(key, bootA, "6,1,100,-,caller=T1", "text\n K=v\n")
	edit := func(old, new string) string {
		if !strings.Contains(good, old) {
			t.Fatalf("%q is not in %q", old, good)
		}
		return strings.Replace(good, old, new, 1)
	}
	for _, tt := range []struct {
		name, d string
		want    ncrx.Auth
	}{
		{"as sent", good, ncrx.Authentic},
		{"text", edit("text", "Text"), ncrx.Forged},
		{"dictionary", edit("K=v", "K=w"), ncrx.Forged},
		{"level", edit("6,1,", "5,1,"), ncrx.Forged},
		{"number", edit("6,1,", "6,2,"), ncrx.Forged},
		{"time", edit("100", "101"), ncrx.Forged},
		{"flag", edit("-,c", "c,c"), ncrx.Forged},
		{"field", edit("T1", "T2"), ncrx.Forged},
		{"life", edit("0011", "0012"), ncrx.Forged},
		{"release", "1.0," + good, ncrx.Forged},
		{"line added", edit(" K=v\n", " K=v\n L=w\n"), ncrx.Forged},
		{"line behind", good + " L=w\n", ncrx.Unsigned},
		{"no end", strings.TrimSuffix(good, "\n"), ncrx.Unsigned},
		{"sum cut", strings.TrimSuffix(good, "0\n") + "\n", ncrx.Unsigned},
		{"no life", "6,1,100,-;text\n HMAC=" + bootA + "\n", ncrx.Forged},
		{"another key", signed([]byte("x"), bootA, "6,1,100,-", "text\n"), ncrx.Forged},
		{"none", "6,1,100,-;text\n", ncrx.Unsigned},
		{"in the text", "6,1,100,-;text HMAC=" + bootA + "\n", ncrx.Unsigned},
		{"basic", "text\n", ncrx.Unsigned},
		{"malformed", "6,1,100,-,x;text\n", ncrx.Unsigned},
	} {
		if tt.name == "sum cut" && !strings.HasSuffix(good, "0\n") {
			tt.d = good[:len(good)-2] + "\n"
		}
		got := feed(ncrx.New(ncrx.Options{Key: key}), start, tt.d)
		if len(got) != 1 || got[0].Auth != tt.want {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
		strict := ncrx.New(ncrx.Options{Key: key, Strict: true})
		if got := feed(strict, start, tt.d); (len(got) == 1) != (tt.want == ncrx.Authentic) {
			t.Errorf("%s, strict: %v", tt.name, got)
		}
		if s := strict.Stats(); s.Dropped != s.Forged+s.Unsigned || s.Dropped+s.Records != 1 {
			t.Errorf("%s: %+v", tt.name, s)
		}
		// Without a key they are records like others.
		if got := feed(ncrx.NewReceiver(), start, tt.d); len(got) != 1 || got[0].Auth != ncrx.NotChecked {
			t.Errorf("%s, without key: %v", tt.name, got)
		}
	}
}

func TestASignedRecordNeedNotHaveAText(t *testing.T) {
	d := signed(key, bootA, "6,1,100,-", "")
	got := feed(ncrx.New(ncrx.Options{Key: key}), start, d)
	if len(got) != 1 || got[0].Auth != ncrx.Authentic || len(got[0].Dict) != 0 {
		t.Errorf("%+v", got)
	}
}

func TestASignedRecordMayComeInFragments(t *testing.T) {
	whole := signed(key, bootA, "6.1,6,1,100,c", strings.Repeat("text ", 300)+"\n")
	head, body, _ := strings.Cut(whole, ";")
	for _, size := range []int{1, 7, 100, 957} {
		if len(body)/size > 100 {
			size = 100
		}
		r := ncrx.New(ncrx.Options{Key: key})
		var got []ncrx.Record
		for at := 0; at < len(body); at += size {
			part := body[at:min(at+size, len(body))]
			got = append(got, feed(r, start, fmt.Sprintf("%s,ncfrag=%d/%d;%s", head, at, len(body), part))...)
		}
		if len(got) != 1 || got[0].Auth != ncrx.Authentic || !got[0].Cont || got[0].Release != "6.1" {
			t.Errorf("%d bytes each: %+v", size, got)
		}
	}
	// A part that did not come cannot be believed of the rest.
	r := ncrx.New(ncrx.Options{Key: key})
	feed(r, start, fmt.Sprintf("%s,ncfrag=1/%d;%s", head, len(body), body[1:]))
	if got := r.Flush(start); len(got) != 1 || got[0].Auth != ncrx.Forged || got[0].Missing != 1 {
		t.Errorf("%+v", got)
	}
}

func TestRecordsThatAreSentAgainByOthersAreDuplicates(t *testing.T) {
	for _, ack := range []bool{false, true} {
		r := ncrx.New(ncrx.Options{Key: key, Ack: ack})
		rec := func(boot string, n int) string {
			return signed(key, boot, fmt.Sprintf("6,%d,%d,-", n, n), fmt.Sprintf("record %d\n", n))
		}
		other := netip.MustParseAddrPort("192.0.2.1:1")
		var got []ncrx.Record
		send := func(from netip.AddrPort, ds ...string) {
			for _, d := range ds {
				got = append(got, r.Datagram(from, []byte(d), start)...)
			}
		}
		later := start.Add(time.Hour)
		send(peer, rec(bootA, 1), rec(bootA, 2))
		send(other, rec(bootA, 2), rec(bootA, 1)) // from another address
		send(peer, rec(bootB, 0), rec(bootB, 1))  // it booted again
		send(peer, rec(bootA, 1), rec(bootA, 2))  // the life before
		got = append(got, r.Datagram(peer, []byte(rec(bootB, 1)), later)...)
		// Nobody without the key disturbs the sequence.
		send(peer, "6,2,2,-;forged\n BOOTID="+bootB+"\n HMAC="+bootA+"\n", "6,99999,99999,-;unsigned")
		send(peer, rec(bootB, 2))
		l := life{got: got}
		if want := "1 2 0b 1 2 99999 2"; l.order() != want {
			t.Errorf("ack %t: given %q, want %q", ack, l.order(), want)
		}
		if s := r.Stats(); s.Duplicates != 5 || s.Restarts != 1 || s.Forged != 1 || s.Unsigned != 1 || s.Gap != 0 {
			t.Errorf("ack %t: %+v", ack, s)
		}
	}
}

func TestOnlyThoseWithTheKeyAreAnswered(t *testing.T) {
	r := ncrx.New(ncrx.Options{Key: key, Ack: true, Resend: 10})
	r.Datagram(netip.MustParseAddrPort("192.0.2.1:1"), []byte("6,5,5,-;unsigned"), start)
	r.Datagram(peer, []byte(signed(key, bootA, "6,5,5,-", "x\n")), start)
	r.Tick(start.Add(2 * time.Second))
	if a := r.Responses(); len(a) != 1 || a[0].To != peer || string(a[0].Data) != "ncrx-resend 0" {
		t.Errorf("%v", a)
	}
	// One life of it is answered, the present.
	r.Datagram(peer, []byte(signed(key, bootB, "6,0,5,-", "x\n")), start.Add(2*time.Second))
	r.Datagram(peer, []byte(signed(key, bootB, "6,1,5,-", "x\n")), start.Add(2*time.Second))
	r.Responses()
	r.Tick(start.Add(4 * time.Second))
	if a := r.Responses(); len(a) != 1 || string(a[0].Data) != "ncrx1" {
		t.Errorf("%q", a)
	}
}

func TestStrangersDoNotPushOutThoseWithTheKey(t *testing.T) {
	r := ncrx.New(ncrx.Options{Key: key})
	feed(r, start, signed(key, bootA, "6,5,5,-", "x\n"))
	for i := range 2000 {
		from := netip.AddrPortFrom(netip.MustParseAddr("192.0.2.1"), uint16(i))
		r.Datagram(from, []byte("6,5,5,-;unsigned"), start)
	}
	if got := feed(r, start, signed(key, bootA, "6,5,5,-", "x\n"), signed(key, bootA, "6,7,7,-", "x\n")); len(got) != 1 || got[0].Gap != 1 {
		t.Errorf("%+v", got)
	}
}
