package console

import (
	"bytes"
	"fmt"
	"math/rand"
	"testing"
)

func textOf(i int) []byte {
	return []byte(fmt.Sprintf("%d:%s", i, bytes.Repeat([]byte{byte('a' + i%26)}, i%300)))
}

func TestEveryRecordIsReadOnceAndInOrder(t *testing.T) {
	var l klog
	for i := range 500 {
		l.emit(Info, FacKern, textOf(i), nil)
	}
	var r Record
	for i := range 500 {
		ok, lost := l.ring.read(uint64(i), &r)
		if !ok || lost != 0 || r.Seq != uint64(i) || !bytes.Equal(r.Message(), textOf(i)) {
			t.Fatalf("record %d: ok %v lost %d seq %d %q", i, ok, lost, r.Seq, r.Message())
		}
	}
	if ok, _ := l.ring.read(500, &r); ok {
		t.Error("read a record that was never written")
	}
	if ok, _ := l.ring.read(7, &r); !ok || r.Seq != 7 {
		t.Error("cannot read backwards")
	}
}

func TestTheRingKeepsTheNewestAndCountsTheRest(t *testing.T) {
	var l klog
	const n = 20000
	for i := range n {
		l.emit(Info, FacKern, textOf(i), nil)
	}
	var r Record
	var seq, read, lost uint64
	for {
		ok, gone := l.ring.read(seq, &r)
		lost += gone
		if !ok {
			break
		}
		if !bytes.Equal(r.Message(), textOf(int(r.Seq))) {
			t.Fatalf("record %d: %q", r.Seq, r.Message())
		}
		read++
		seq = r.Seq + 1
	}
	if read+lost != n || seq != n {
		t.Errorf("%d read + %d lost of %d, last %d", read, lost, n, seq-1)
	}
	if used := l.ring.state().head - l.ring.state().tail; used > RingSize || used < RingSize-4096 {
		t.Errorf("%d bytes used", used)
	}
}

func TestRecordsOfEveryLengthAndByteSurvive(t *testing.T) {
	var l klog
	var r Record
	text := make([]byte, MaxText)
	for i := range text {
		text[i] = byte(i * 7)
	}
	for n := 0; n <= MaxText; n++ {
		text := append(text[:n:n], '\n')
		dict := text[:n%(MaxDict+1)]
		l.emit(Err, FacUser, text, dict)
		if ok, _ := l.ring.read(uint64(n), &r); !ok || !bytes.Equal(r.Message(), text[:n]) || !bytes.Equal(r.Dictionary(), dict) {
			t.Fatalf("length %d", n)
		}
	}
}

func TestALongTextIsContinued(t *testing.T) {
	var l klog
	text := bytes.Repeat([]byte("0123456789"), 500)
	l.emit(Info, FacKern, text, []byte("K=v"))
	var got []byte
	var r Record
	for i := range 3 {
		l.ring.read(uint64(i), &r)
		if r.Cont != (i > 0) {
			t.Errorf("record %d: cont %v", i, r.Cont)
		}
		got = append(got, r.Message()...)
	}
	if !bytes.Equal(got, text) || string(r.Dictionary()) != "K=v" {
		t.Errorf("%d bytes, dict %q", len(got), r.Dictionary())
	}
}

func TestADictionaryIsCutBetweenEntries(t *testing.T) {
	var d []byte
	for i := range 300 {
		d = AppendDict(d, "key", fmt.Sprint(i))
	}
	cut := fitDict(d)
	if len(cut) > MaxDict || len(cut) < MaxDict-16 || d[len(cut)] != 0 {
		t.Errorf("cut at %d", len(cut))
	}
	if fitDict(bytes.Repeat([]byte("x"), 2000)) != nil {
		t.Error("an entry that does not fit was cut in two")
	}
	if got := string(AppendDict(nil, "a b=\x00é", "v\x00=w\n")); got != "a_b____=v =w\n" {
		t.Errorf("%q", got)
	}
}

func TestARingWrittenOverIsNoticedAndNeverTrusted(t *testing.T) {
	rnd := rand.New(rand.NewSource(1))
	var r Record
	for range 60 {
		l := new(klog)
		for i := range 2000 {
			l.emit(Info, FacKern, textOf(i), nil)
		}
		l.ring.read(uint64(rnd.Intn(2000)), &r)
		switch rnd.Intn(3) {
		case 0:
			for range 1 + rnd.Intn(2000) {
				l.ring.mem()[rnd.Intn(RingSize)] = byte(rnd.Int())
			}
		case 1:
			l.ring.state().head, l.ring.state().tail = rnd.Uint32(), rnd.Uint32()
		case 2:
			l.ring.state().first, l.ring.hint = rnd.Uint64(), cursor{rnd.Uint64(), rnd.Uint32()}
		}
		for i := range 20 {
			l.emit(Info, FacKern, textOf(i), nil)
			l.ring.read(0, &r)
		}
	}
}

func TestTheThreadThatLoggedIsKept(t *testing.T) {
	var l klog
	var rec Record
	thread := uint32(0)
	l.caller = func() uint32 { return thread }
	for _, thread = range []uint32{0, 1, 127, 128, 1023, 1024 + 5} {
		for _, cont := range []bool{false, true} {
			k := kind(Debug, 23)
			if cont {
				k |= continues
			}
			l.append(k, []byte("x"), nil)
			if ok, _ := l.ring.read(l.ring.state().next-1, &rec); !ok || uint32(rec.Thread) != thread%1024 || rec.Level != Debug || rec.Facility != 23 || rec.Cont != cont {
				t.Errorf("%d: %+v", thread, rec.Thread)
			}
		}
	}
}
