//go:build arm

package kernel

import "math/bits"

// getrandom. A ChaCha20 generator (RFC 8439, 2.3) is keyed from a pool; each
// request takes output and then replaces the key, so that a later key does not
// tell earlier output.
//
// What goes into the pool, in order of worth: the seed that the loader passes
// as boot argument gasp.seed= (hexadecimal, any length; "gasp run" and "gasp
// exec" pass 256 bits from the host); words of the SoC's random number generator,
// at boot and again each minute that random numbers are asked for; the timer at
// each interrupt; the timer's jitter against a loop through memory.
//
// The generator is seeded once one of these is there: a seed of 128 bits; 16
// words of the hardware's generator; 256 samples of jitter, of which only those
// count that a regular timer and a regular CPU could not make; as many credits of
// device interrupts, 64 for one (Linux values them so). All are collected at boot
// and, while that was not enough, by getrandom, which sleeps in between: until
// then it does not return. A timer that is perfectly regular (QEMU's with
// -icount), no generator, no seed and no interrupts may mean never; the console
// says so after a while. Nothing is seeded with a constant.

const (
	creditsNeeded = 256
	irqPerCredit  = 64
	wordCredits   = 16   // of a word of the hardware's generator: half its bits
	hardwareWords = 16   // that are taken of it at a time
	bootSamples   = 8192 // most that boot collects
	callSamples   = 16   // that a getrandom collects before it sleeps

	collectPeriod  = 1_000_000      // ns that it sleeps then
	hardwareRetry  = 100_000_000    // ns until the hardware is asked again, if it had nothing
	hardwarePeriod = 60_000_000_000 // or if it had

	// complainAfter is when the console hears of a getrandom that waits, in ns.
	// Jitter is there within 1 s if there is any, and the slowest hardware that
	// works within 5 s.
	complainAfter = 10_000_000_000
)

var (
	pool      [8]uint32 // entropy not yet in the key
	poolIndex uint32
	chachaKey [8]uint32
	chachaN   uint64 // block counter
	chachaOut [16]uint32

	seeded    bool
	credits   uint32    // of jitter and interrupts
	samples   uint32    // of jitter, counted or not
	jitters   [2]uint32 // the two samples before
	walk      uint32    // where sample goes next
	deviceIRQ uint32    // interrupts of devices, to the next credit

	collectAt  int64 // when to collect again for who waits
	hardwareAt int64 // when to ask the hardware's generator again
	complainAt int64 // when to say that somebody waits, 0: nobody has, -1: said
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

// initRandom starts the hardware's generator and collects the timer's jitter,
// with a seed no more than is needed without.
func initRandom() {
	stirHardware(nanotime())
	for n := 0; n < bootSamples && (n < creditsNeeded || !seeded); n++ {
		sample()
	}
	rekey()
}

// sample times a walk through the image's text, here and there and so through
// all caches, and stirs the time into the pool.
//
// The time counts as random if it is off those of both walks before by more than
// one count: the walk always has the same instructions, so with a regular CPU
// and a regular timer its time is one of two numbers next to each other, however
// the counts fall. Trap context.
func sample() {
	text, etext, _, _, _ := image()
	span := uint32(1) << (bits.Len32(etext-text) - 1)
	x := walk
	t0 := uint32(counter())
	for range 64 {
		x = x*1664525 + 1013904223
		load32(text + x>>8&(span-1)&^3)
	}
	d := uint32(counter()) - t0
	walk = x
	stir(d)
	if samples++; samples%32 == 0 {
		rekey()
	}
	if samples > 2 && apart(d, jitters[0]) && apart(d, jitters[1]) {
		credit()
	}
	jitters[1] = jitters[0]
	jitters[0] = d
}

func apart(a, b uint32) bool { return a-b+1 > 2 }

// credit counts what somebody who knows the image does not know.
func credit() {
	if credits++; credits >= creditsNeeded {
		seeded = true
	}
}

// stirHardware takes what the hardware's generator has, if it is time to. Trap
// context.
func stirHardware(now int64) {
	if machine.Entropy == nil || now < hardwareAt {
		return
	}
	hardwareAt = now + hardwareRetry
	for i := 1; i <= hardwareWords; i++ {
		v, ok := machine.Entropy()
		if !ok {
			return
		}
		hardwareAt = now + hardwarePeriod
		stir(v)
		if i%len(pool) == 0 {
			rekey()
		}
		if credits += wordCredits; credits >= creditsNeeded {
			seeded = true
		}
	}
}

// collect is the work of those who wait for the seed, once for all of them. Trap
// context.
func collect() {
	now := nanotime()
	if now < collectAt {
		return
	}
	collectAt = now + collectPeriod
	hardwareAt = 0
	stirHardware(now)
	for i := 0; i < callSamples && !seeded; i++ {
		sample()
	}
}

// complain says on the console, once, that getrandom has been waiting for long.
func complain() {
	now := nanotime()
	switch {
	case complainAt == 0:
		complainAt = now + complainAfter
	case complainAt > 0 && now >= complainAt:
		complainAt = -1
		sayError(notSeeded)
	}
}

const notSeeded = "random: getrandom waits for entropy: no random number generator, no jitter of the timer; boot argument gasp.seed=<64 hexadecimal digits> helps"

// stirIRQ takes the time of an interrupt. The timer's are no surprise. Trap
// context.
func stirIRQ(irq int) {
	stir(uint32(irq))
	if !seeded && irq != machine.TimerIRQ {
		if deviceIRQ++; deviceIRQ%irqPerCredit == 0 {
			credit()
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

// Flags of getrandom.
const (
	grndNonblock = 1 << iota
	grndRandom   // the same source here
	grndInsecure // whether it is seeded or not
)

// sysGetrandom fills n bytes at p, at most 256 a call: callers ask again.
// Until the generator is seeded it sleeps, and collects entropy in between.
func sysGetrandom(p, n uint32) uint32 {
	t := &threads[cur]
	flags := t.ctx.r[2]
	if flags&^(grndNonblock|grndRandom|grndInsecure) != 0 || flags&(grndRandom|grndInsecure) == grndRandom|grndInsecure {
		return errno(EINVAL)
	}
	n = min(n, 256)
	if !accessible(p, n, true) {
		return errno(EFAULT)
	}
	if !seeded && flags&grndInsecure == 0 {
		collect()
		switch {
		case seeded:
		case flags&grndNonblock != 0:
			return errno(EAGAIN)
		default:
			complain()
			t.restart = true
			block(t, waitSleep, 0, after(collectPeriod), 0)
			return 0
		}
	}
	return fillRandom(p, n)
}

// fillRandom stores n random bytes at p, seeded or not, at most 256, and returns
// how many it stored.
func fillRandom(p, n uint32) uint32 {
	n = min(n, 256)
	stirHardware(nanotime())
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

// RandomSeeded reports whether there is enough entropy for random numbers that
// cannot be guessed: the loader's seed, the hardware's generator, jitter of the
// timer, or interrupts.
func RandomSeeded() bool { return seeded }
