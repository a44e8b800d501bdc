//go:build arm

package kernel

// Boot arguments: a NUL-terminated string that the loader leaves at RAM base +
// 0x8000, at most 4095 bytes; without one (the first byte is NUL, or the bytes
// are no text) DefaultCmdline. What follows a lone "--" are the program's
// arguments, as for Linux's init, and KEY=value words there its environment.
// The kernel itself obeys mem=, gasp.semihosting=1, gasp.irqstat=1, gasp.seed=,
// gasp.exec=, gasp.files= and gasp.uptime=.

var (
	cmdline    [cmdlineMax + 1]byte
	cmdlineLen int
)

// readCmdline copies the boot arguments without the seed, which is to be found
// nowhere once it was used.
func readCmdline() {
	at := machine.RAMBase + cmdlineOffset
	n := 0
	for n < cmdlineMax {
		b := load8(at + uint32(n))
		if b == 0 {
			break
		}
		if b < ' ' && b != '\t' && b != '\n' || b == 0x7f {
			n = 0 // not text: what the RAM held by chance
			break
		}
		cmdline[n] = b
		n++
	}
	for n > 0 && (cmdline[n-1] == '\n' || cmdline[n-1] == ' ') {
		n--
	}
	if n == 0 {
		n = copy(cmdline[:cmdlineMax], DefaultCmdline)
	}
	cmdlineLen = n
	cmdline[n] = 0

	if v := bootValue("mem="); len(v) > 0 {
		limitRAM(parseSize(v))
	}
	if v := bootValue("gasp.semihosting="); len(v) == 1 && v[0] == '1' {
		semihosting = true
	}
	for v := bootValue(seedKey); len(v) > 0; v = bootValue(seedKey) {
		seedFrom(v)
		forget(v, len(seedKey))
		zero(at, uint32(n)+1) // nor may it be found in the loader's copy
	}
	for v := bootValue(hmacKey); len(v) > 0; v = bootValue(hmacKey) {
		secretLen = copy(secret[:], v)
		if len(v) > len(secret) {
			secretLen = 1 // is refused as no key
		}
		forget(v, len(hmacKey))
		zero(at, uint32(n)+1)
	}
}

// Arguments that are secrets. They are taken out of the command line before
// anybody can read it.
const (
	seedKey = "gasp.seed="
	hmacKey = "netconsole.hmac_key="
)

var (
	secret    [2*64 + 2]byte
	secretLen int
)

// NetconsoleKey returns the value of netconsole.hmac_key=, or "".
func NetconsoleKey() string { return string(secret[:secretLen]) }

// forget takes an argument out of the command line. v is its value, key the
// length of what is in front of it.
func forget(v []byte, key int) {
	end := int(addrOf(&v[0])-addrOf(&cmdline)) + len(v)
	start := end - len(v) - key
	if end < cmdlineLen {
		end++ // the space behind it
	}
	copy(cmdline[start:], cmdline[end:cmdlineLen+1])
	zero(uint32(addrOf(&cmdline))+uint32(cmdlineLen-(end-start)), uint32(end-start))
	cmdlineLen -= end - start
}

// bootValue is the text behind the first argument that starts with key.
func bootValue(key string) []byte {
	for i := 0; i < cmdlineLen; i++ {
		if i > 0 && cmdline[i-1] != ' ' {
			continue
		}
		if i+2 <= cmdlineLen && cmdline[i] == '-' && cmdline[i+1] == '-' && (i+2 == cmdlineLen || cmdline[i+2] == ' ') {
			return nil
		}
		if i+len(key) > cmdlineLen || string(cmdline[i:i+len(key)]) != key {
			continue
		}
		j := i + len(key)
		k := j
		for k < cmdlineLen && cmdline[k] != ' ' {
			k++
		}
		return cmdline[j:k]
	}
	return nil
}

// Cmdline returns the boot arguments before a "--", without gasp.seed=.
func Cmdline() string {
	s := string(cmdline[:cmdlineLen])
	for i := 0; i+1 < len(s); i++ {
		if s[i] == '-' && s[i+1] == '-' && (i == 0 || s[i-1] == ' ') && (i+2 == len(s) || s[i+2] == ' ') {
			return s[:i]
		}
	}
	return s
}

const (
	atPageSize = 6
	atHWCAP    = 16
	atRandom   = 25
	atSysinfo  = 33       // AT_SYSINFO_EHDR: the vDSO
	stackTop   = 96 << 10 // of the process stack: strings above, vectors, 64 KiB for the runtime's g0

	// What every ARMv7-A of ours has: half, Thumb, fast multiply, VFP, NEON,
	// VFPv3, VFPD32.
	hwcap = 1<<1 | 1<<2 | 1<<4 | 1<<6 | 1<<12 | 1<<13 | 1<<19

	hwcapIDIVA = 1 << 17 // division: Cortex-A7 has it, Cortex-A9 does not
)

// processStack is the first thread's stack, as Linux prepares it.
var processStack [stackTop]byte

// For /proc/self: the arguments and behind them the environment, as offsets in
// processStack, and the auxiliary vector.
var (
	argStart, argEnd, envEnd uint32
	auxv                     [10]uint32
)

// initialStack lays out argc, argv, environment and auxiliary vector on the
// process stack and returns its stack pointer. The first argument is "gasp".
func initialStack() uint32 {
	base := (uint32(addrOf(&processStack)) + 15) &^ 15
	str := (base + stackTop - 16 - cmdlineMax - 64) &^ 15
	vec := str - 8<<10 // room for 2,000 words
	w := vec
	end := str
	argc := uint32(0)

	start := end
	for _, c := range []byte("gasp") {
		store8(end, c)
		end++
	}
	store8(end, 0)
	end++
	w += 4
	store32(w, start)
	w += 4
	argc++

	// Two passes over the words behind "--": arguments, then environment.
	for pass := 0; pass < 2; pass++ {
		seen, i := false, 0
		onlyArgs := false
		for i < cmdlineLen {
			for i < cmdlineLen && cmdline[i] == ' ' {
				i++
			}
			first := i
			quoted, isEnv, firstQuote := false, false, false
			start = end
			for i < cmdlineLen && (quoted || cmdline[i] != ' ') {
				c := cmdline[i]
				if c == '"' {
					if i == first {
						firstQuote = true
					}
					quoted = !quoted
					i++
					continue
				}
				if c == '=' && i > first {
					isEnv = true
				}
				if seen {
					store8(end, c)
					end++
				}
				i++
			}
			if i == first {
				break
			}
			if !seen {
				seen = i-first == 2 && cmdline[first] == '-' && cmdline[first+1] == '-'
				end = start
				continue
			}
			// Arguments start with '-', environment words come before the
			// first argument.
			if !isEnv || firstQuote || cmdline[first] == '-' || !isUpper(cmdline[first]) {
				onlyArgs = true
			}
			if (pass == 0) != onlyArgs || argc > 1000 {
				end = start
				continue
			}
			store8(end, 0)
			end++
			store32(w, start)
			w += 4
			if pass == 0 {
				argc++
			}
		}
		store32(w, 0)
		w += 4
		if pass == 0 {
			argStart, argEnd = str-uint32(addrOf(&processStack)), end-uint32(addrOf(&processStack))
		}
	}
	envEnd = end - uint32(addrOf(&processStack))
	for i := uint32(0); i < 4; i++ {
		store32(str-16+4*i, random32())
	}
	cpu := uint32(hwcap)
	if isar0()>>24&15 >= 2 {
		cpu |= hwcapIDIVA
	}
	auxv = [...]uint32{atPageSize, pageSize, atHWCAP, cpu, atRandom, str - 16, atSysinfo, initVDSO(), 0, 0}
	for _, v := range auxv {
		store32(w, v)
		w += 4
	}
	store32(vec, argc)
	return vec
}

func isUpper(c byte) bool { return c >= 'A' && c <= 'Z' }
