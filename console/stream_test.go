package console

import (
	"bytes"
	"fmt"
	"testing"
)

// rejoin makes the byte stream again of the records from seq on.
func rejoin(l *klog, seq uint64) []byte {
	var out []byte
	var r Record
	for first := true; ; first = false {
		ok, _ := l.ring.read(seq, &r)
		if !ok {
			return append(out, '\n')
		}
		if !first && !r.Cont {
			out = append(out, '\n')
		}
		out = append(out, r.Message()...)
		seq = r.Seq + 1
	}
}

func TestManyTinyWritesMakeTheLinesTheyWereMeantToBe(t *testing.T) {
	var l klog
	var s screen
	register(t, &l, &s, Debug)
	for _, b := range []byte("panic: boom\n\ngoroutine 1 [running]:\nmain.main()\n\t/x/main.go:5 +0x18\nexit") {
		l.fd(2, []byte{b})
		l.flush(flushBudget)
	}
	want := []string{"panic: boom", "", "goroutine 1 [running]:", "main.main()", "\t/x/main.go:5 +0x18"}
	if len(s.lines) != len(want) {
		t.Fatalf("%q", s.lines)
	}
	for i := range want {
		if s.lines[i] != want[i] {
			t.Errorf("%q, want %q", s.lines[i], want[i])
		}
	}
	l.flushStreams()
	l.flush(flushBudget)
	if s.lines[5] != "exit" {
		t.Errorf("%q", s.lines)
	}
	l.fd(2, []byte(" status 2\nnext\n"))
	var r Record
	if l.ring.read(6, &r); string(r.Message()) != " status 2" || !r.Cont {
		t.Errorf("%q cont %v", r.Message(), r.Cont)
	}
	if l.ring.read(7, &r); string(r.Message()) != "next" || r.Cont || r.Level != Err || r.Facility != FacUser {
		t.Errorf("%+v", r.Message())
	}
}

func TestATracebackIsSeenOnAQuietConsole(t *testing.T) {
	var l klog
	var s screen
	now := int64(0)
	l.clock = func() int64 { return now }
	register(t, &l, &s, Err)
	for _, line := range []string{"warning\n", "panic: boom", " [recovered]\n", "\n", "goroutine 1 [running]:\n"} {
		l.fd(1, []byte("out\n"))
		l.fd(2, []byte(line))
	}
	now += partialTimeout
	l.fd(2, []byte("another warning\n"))
	l.flush(flushBudget)
	if got := fmt.Sprintf("%q", s.lines); got != `["panic: boom [recovered]" "" "goroutine 1 [running]:"]` {
		t.Error(got)
	}
}

func TestThePartsOfTheTwoDescriptorsDoNotMix(t *testing.T) {
	var l klog
	l.fd(1, []byte("out"))
	l.fd(2, []byte("err\n"))
	l.fd(1, []byte("put\n"))
	l.fd(3, []byte("nowhere\n"))
	if got := string(rejoin(&l, 0)); got != "err\noutput\n" {
		t.Errorf("%q", got)
	}
	var r Record
	if l.ring.read(1, &r); r.Level != Info {
		t.Errorf("level %v", r.Level)
	}
}

func TestALineWithoutEndForMegabytesIsRecordsThatContinue(t *testing.T) {
	var l klog
	l.fd(2, bytes.Repeat([]byte{0xff, 0, 'x'}, 1<<20))
	var r Record
	n, seq := 0, uint64(0)
	for {
		ok, _ := l.ring.read(seq, &r)
		if !ok {
			break
		}
		if r.N != MaxText || !r.Cont {
			t.Fatalf("record %d: %d bytes, cont %v", r.Seq, r.N, r.Cont)
		}
		seq = r.Seq + 1
		n++
	}
	if seq != 3<<20/MaxText || n == 0 {
		t.Errorf("%d records, %d left", seq, n)
	}
}

func TestAPromptAppearsAfterAWhile(t *testing.T) {
	var l klog
	var s screen
	now := int64(0)
	l.clock = func() int64 { return now }
	register(t, &l, &s, Debug)
	l.fd(1, []byte("login: "))
	l.flush(flushBudget)
	now = partialTimeout - 1
	l.flush(flushBudget)
	if len(s.lines) != 0 {
		t.Fatal("too early")
	}
	now++
	l.flush(flushBudget)
	l.fd(1, []byte("\nroot\n"))
	l.flush(flushBudget)
	if len(s.lines) != 2 || s.lines[0] != "login: " || s.lines[1] != "root" {
		t.Errorf("%q", s.lines)
	}
}

func FuzzStream(f *testing.F) {
	f.Add([]byte("one\ntwo\n\n\x00\xff"), 3)
	f.Add(bytes.Repeat([]byte("x"), 5000), 1000)
	f.Add(append(bytes.Repeat([]byte("x"), 2048), "\n\ny"...), 2048)
	f.Fuzz(func(t *testing.T, in []byte, step int) {
		if len(in) == 0 || len(in) > 20000 {
			return
		}
		if step < 1 {
			step = 1
		}
		var l klog
		for p := in; len(p) > 0; {
			n := min(step, len(p))
			l.fd(1, p[:n])
			p = p[n:]
		}
		l.flushStreams()
		want := in
		if want[len(want)-1] != '\n' {
			want = append(bytes.Clone(want), '\n')
		}
		if got := rejoin(&l, 0); !bytes.Equal(got, want) {
			t.Errorf("%q became %q", want, got)
		}
	})
}
