package ncrx

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
)

// Auth is what is known of where a record comes from.
type Auth uint8

const (
	NotChecked Auth = iota // there is no key
	Authentic              // signed with the key
	Unsigned               // without a signature
	Forged                 // the signature is wrong, or bytes of the record are missing
)

// String returns the name that JSON objects have.
func (a Auth) String() string {
	return [...]string{"", "authentic", "unsigned", "forged"}[a]
}

// A signed record ends with two dictionary lines, each key with 16 bytes in
// hexadecimal. BOOTID is random and new with each life of the sender. HMAC is
// HMAC-SHA-256, cut to its first 16 bytes, over the header without ncfrag, the
// ';', and the body as sent up to the HMAC line. So what is signed neither
// depends on how the record was cut into datagrams, nor can it be sent again
// in another life or with another number.
const (
	bootLine = " BOOTID="
	macLine  = " HMAC="
	idLen    = 16 // bytes of either
)

// authenticate checks the signature of a whole record.
func (r *Receiver) authenticate(p *Packet) (auth Auth, boot string) {
	if r.opts.Key == nil {
		return NotChecked, ""
	}
	signed, sum, ok := cutLast(p.Body, macLine)
	if !ok {
		return Unsigned, ""
	}
	mac := hmac.New(sha256.New, r.opts.Key)
	mac.Write([]byte(p.Head))
	mac.Write(signed)
	_, id, ok := cutLast(signed, bootLine)
	if !ok || !hmac.Equal(sum, mac.Sum(nil)[:idLen]) {
		return Forged, ""
	}
	return Authentic, hex.EncodeToString(id)
}

// cutLast cuts the last line off a body if it is the key and 32 lower-case
// hexadecimal digits, and returns what these say.
func cutLast(body []byte, key string) (rest, value []byte, ok bool) {
	n := len(body) - len(key) - 2*idLen - 1
	if n < 0 || body[len(body)-1] != '\n' || !bytes.HasPrefix(body[n:], []byte(key)) || n > 0 && body[n-1] != '\n' {
		return body, nil, false
	}
	digits := body[n+len(key) : len(body)-1]
	value, err := hex.DecodeString(string(digits))
	if err != nil || !bytes.Equal(digits, bytes.ToLower(digits)) {
		return body, nil, false
	}
	return body[:n], value, true
}
