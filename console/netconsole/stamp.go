package netconsole

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding"
	"errors"
	"fmt"
	"hash"
	"slices"
	"strings"

	"github.com/gasp-go/gasp/console"
)

// Linux's bounds of user data: entries, and bytes of a key and of a value. What
// all lines together may have is its bound too, until 6.18.
const (
	MaxUserdataItems = 256
	MaxUserdataKey   = 53
	MaxUserdataValue = 200
)

// Sysdata chooses the lines that the sender adds of its own to each record of
// the extended format, with Linux's names.
type Sysdata struct {
	CPU      bool // cpu=<n>: the CPU it was logged on (cpu_nr_enabled)
	Taskname bool // taskname=T<n>: the thread that logged it, or C0: a top half, on CPU 0 (taskname_enabled)
	Release  bool // release=<version> (release_enabled)
	MsgID    bool // msgid=<n>: counts the target's records, from 1 (msgid_enabled)
}

// stamp is what a target adds to each record.
type stamp struct {
	release  []byte // in front of the header, with its comma
	userdata []byte // lines
	sysdata  sysdata
	auth     *auth // nil: none
}

type sysdata struct {
	Sysdata
	release []byte
}

// append appends the lines for r, fewer than maxTail bytes.
func (s *sysdata) append(b []byte, r *console.Record, msgid uint32) []byte {
	if s.CPU {
		b = append(b, " cpu=0\n"...) // there is one
	}
	if s.Taskname {
		// Threads have no names, and goroutines none that trap context knows.
		if b = append(b, " taskname="...); r.Thread == 0 {
			b = append(b, "C0\n"...)
		} else {
			b = append(console.AppendUint(append(b, 'T'), uint64(r.Thread)), '\n')
		}
	}
	if s.Release {
		b = append(append(append(b, " release="...), s.release...), '\n')
	}
	if s.MsgID {
		b = append(console.AppendUint(append(b, " msgid="...), uint64(msgid)), '\n')
	}
	return b
}

func makeStamp(cfg *Config, o *Options) (s stamp, err error) {
	if cfg.Release || o.Sysdata.Release {
		if o.Release == "" || len(o.Release) > maxRelease-1 || strings.ContainsAny(o.Release, ",;\n") {
			return s, errors.New("netconsole: the release is missing, too long or contains a separator")
		}
	}
	if cfg.Release {
		s.release = append([]byte(o.Release), ',')
	}
	s.sysdata = sysdata{o.Sysdata, []byte(o.Release)}
	for _, kv := range o.Userdata {
		if err := checkUserdata(kv); err != nil {
			return s, err
		}
		s.userdata = append(append(append(s.userdata, ' '), kv...), '\n')
	}
	if len(o.Userdata) > MaxUserdataItems || len(s.userdata) > maxUserdata {
		return s, fmt.Errorf("netconsole: %d entries of user data, %d bytes: more than %d or %d", len(o.Userdata), len(s.userdata), MaxUserdataItems, maxUserdata)
	}
	if len(o.Key) > 0 {
		if s.auth, err = newAuth(o.Key, o.BootID); err != nil {
			return s, err
		}
	}
	return s, nil
}

func checkUserdata(kv string) error {
	key, value, ok := strings.Cut(kv, "=")
	switch {
	case !ok || key == "":
		return fmt.Errorf("netconsole: user data %q is not KEY=value", kv)
	case len(key) > MaxUserdataKey:
		return fmt.Errorf("netconsole: user data: the key %q is longer than %d bytes", key, MaxUserdataKey)
	case len(value) > MaxUserdataValue:
		return fmt.Errorf("netconsole: user data: the value of %s is longer than %d bytes", key, MaxUserdataValue)
	case strings.ContainsFunc(kv, func(r rune) bool { return r < ' ' || r == 0x7f }) || strings.ContainsAny(key, " /"):
		return fmt.Errorf("netconsole: user data %q has a control byte, or a key with a space or a slash", kv)
	}
	return nil
}

// A record is authenticated by its last two lines,
//
//	BOOTID=<32 hexadecimal digits>
//	HMAC=<32 hexadecimal digits>
//
// the second of which is HMAC-SHA-256 (RFC 2104), cut to 16 bytes, of the
// header without ncfrag, the ";", and the body up to that line.
const (
	bootLine = " BOOTID="
	macLine  = " HMAC="
	idLen    = 16
	authLen  = len(bootLine) + len(macLine) + 2*(2*idLen+1)

	minKey, maxKey = 16, 64 // bytes
)

// auth signs records, in trap context. crypto/hmac's objects are not fit for
// that: each use of theirs has a type assertion, in which the runtime allocates
// now and then. SHA-256's own are, once they exist. The states after the key was
// hashed are kept, which saves two of the blocks.
type auth struct {
	inner, outer hash.Hash
	reset        [2]func([]byte) error // of inner and outer, to their states
	state        [2][]byte
	sum          [sha256.Size]byte
	boot         [len(bootLine) + 2*idLen + 1]byte
}

func newAuth(key []byte, bootID [idLen]byte) (*auth, error) {
	if len(key) < minKey || len(key) > maxKey {
		return nil, fmt.Errorf("netconsole: the key has %d bytes, not %d to %d", len(key), minKey, maxKey)
	}
	a := &auth{inner: sha256.New(), outer: sha256.New()}
	for i, h := range []hash.Hash{a.inner, a.outer} {
		pad := slices.Repeat([]byte{[]byte{0x36, 0x5c}[i]}, sha256.BlockSize)
		for j, k := range key {
			pad[j] ^= k
		}
		h.Write(pad)
		state, err := h.(encoding.BinaryMarshaler).MarshalBinary()
		if err != nil {
			return nil, fmt.Errorf("netconsole: %w", err)
		}
		a.state[i], a.reset[i] = state, h.(encoding.BinaryUnmarshaler).UnmarshalBinary
	}
	appendHex(append(a.boot[:0], bootLine...), bootID[:])
	a.boot[len(a.boot)-1] = '\n'
	if a.check(key, bootID) {
		return a, nil
	}
	return nil, errors.New("netconsole: HMAC-SHA-256 does not work here")
}

// check compares with the standard library's.
func (a *auth) check(key []byte, bootID [idLen]byte) bool {
	head, body := []byte("6,1,2,-"), []byte("text\n")
	m := hmac.New(sha256.New, key)
	fmt.Fprintf(m, "%s;%s%s%x\n", head, body, bootLine, bootID)
	want := fmt.Sprintf("%s%s%x\n%s%x\n", body, bootLine, bootID, macLine, m.Sum(nil)[:idLen])
	return string(a.sign(head, append(make([]byte, 0, 256), body...))) == want
}

// sign appends the two lines to a body that has room for them. Trap context.
func (a *auth) sign(head, body []byte) []byte {
	body = append(body, a.boot[:]...)
	a.reset[0](a.state[0])
	a.inner.Write(head)
	a.inner.Write(semicolon[:])
	a.inner.Write(body)
	a.reset[1](a.state[1])
	a.outer.Write(a.inner.Sum(a.sum[:0]))
	a.outer.Sum(a.sum[:0])
	return append(appendHex(append(body, macLine...), a.sum[:idLen]), '\n')
}

var semicolon = [1]byte{';'}

const hexDigits = "0123456789abcdef"

func appendHex(b, p []byte) []byte {
	for _, c := range p {
		b = append(b, hexDigits[c>>4], hexDigits[c&15])
	}
	return b
}
