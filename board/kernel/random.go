//go:build arm

package kernel

import "math/bits"

// getrandom. A ChaCha20 generator (RFC 8439, 2.3) is keyed from a pool; each
// request takes output and then replaces the key, so that a later key does not
// tell earlier output.
//
// What goes into the pool, in order of worth: the seed that the loader passes
// as boot argument gasp.seed= (hexadecimal, any length; "gasp run" and "gasp
// exec" pass 256 bits from the host); the timer at each interrupt; the
// timer's jitter against a loop through memory at boot. Under QEMU with -icount
// the timer is deterministic: without a seed, so are the random numbers.
// RandomSeeded tells whether there was a seed.

var (
	pool      [8]uint32 // entropy not yet in the key
	poolIndex uint32
	chachaKey [8]uint32
	chachaN   uint64 // block counter
	chachaOut [16]uint32
	seeded    bool
)

// seedFrom stirs a hexadecimal seed into the pool. Fewer than 128 bits do not
// count as a seed.
func seedFrom(hex []byte) {
	digits, word := 0, uint32(0)
	for _, c := range hex {
		switch {
		case c >= '0' && c <= '9':
			word = word<<4 | uint32(c-'0')
		case c|0x20 >= 'a' && c|0x20 <= 'f':
			word = word<<4 | uint32(c|0x20-'a'+10)
		default:
			continue
		}
		if digits++; digits%8 == 0 {
			stir(word)
		}
	}
	stir(word)
	rekey()
	if digits >= 32 {
		seeded = true
	}
}

// initRandom collects the timer's jitter.
func initRandom() {
	for i := uint32(0); i < 256; i++ {
		stir(i)
		load32(l1 + i*64&0x3fff)
		if i%8 == 7 {
			rekey()
		}
	}
}

// stir mixes v and the time into the pool. Trap context.
func stir(v uint32) {
	lo := uint32(counter())
	i := poolIndex & 7
	poolIndex++
	pool[i] = bits.RotateLeft32(pool[i]*0x9e3779b1, 13) ^ lo ^ v<<16 ^ v
	pool[(i+3)&7] += pool[i]
}

// rekey makes a new key of the old one and the pool.
func rekey() {
	for i := range chachaKey {
		chachaKey[i] ^= pool[i]
	}
	chachaBlock()
	for i := range chachaKey {
		chachaKey[i] = chachaOut[i]
	}
}

func chachaBlock() {
	in := [16]uint32{0x61707865, 0x3320646e, 0x79622d32, 0x6b206574}
	for i, k := range chachaKey {
		in[4+i] = k
	}
	chachaN++
	in[12], in[13] = uint32(chachaN), uint32(chachaN>>32)
	x := in
	for i := 0; i < 10; i++ {
		quarter(&x, 0, 4, 8, 12)
		quarter(&x, 1, 5, 9, 13)
		quarter(&x, 2, 6, 10, 14)
		quarter(&x, 3, 7, 11, 15)
		quarter(&x, 0, 5, 10, 15)
		quarter(&x, 1, 6, 11, 12)
		quarter(&x, 2, 7, 8, 13)
		quarter(&x, 3, 4, 9, 14)
	}
	for i := range x {
		chachaOut[i] = x[i] + in[i]
	}
}

func quarter(x *[16]uint32, a, b, c, d int) {
	x[a] += x[b]
	x[d] = bits.RotateLeft32(x[d]^x[a], 16)
	x[c] += x[d]
	x[b] = bits.RotateLeft32(x[b]^x[c], 12)
	x[a] += x[b]
	x[d] = bits.RotateLeft32(x[d]^x[a], 8)
	x[c] += x[d]
	x[b] = bits.RotateLeft32(x[b]^x[c], 7)
}

func random32() uint32 {
	chachaBlock()
	v := chachaOut[0]
	rekey()
	return v
}

// sysGetrandom fills n bytes at p, at most 256 a call: callers ask again.
func sysGetrandom(p, n uint32) uint32 {
	if n > 256 {
		n = 256
	}
	if !accessible(p, n, true) {
		return errno(EFAULT)
	}
	stir(n)
	rekey()
	for i := uint32(0); i < n; i++ {
		if i%32 == 0 {
			chachaBlock()
		}
		store8(p+i, byte(chachaOut[i%32/4]>>(i%4*8)))
	}
	rekey()
	return n
}

// RandomSeeded reports whether the loader passed a seed of at least 128 bits.
// Without one, random numbers rest on timer jitter alone.
func RandomSeeded() bool { return seeded }
