//go:build arm

package kernel

import "unsafe"

// System calls that are not there: ENOSYS, and a line in the log the first time,
// so that a program which needs one can be understood.

// notThere are the calls that the runtime and the standard library try, and do
// without: no line about them.
func notThere(nr uint32) bool {
	switch nr {
	case 45, // brk
		54,       // ioctl: is it a terminal?
		172,      // prctl: names for mappings
		239,      // sendfile
		369,      // prlimit64
		383, 391, // seccomp, copy_file_range
		397,      // statx
		424, 434, // pidfd_send_signal, pidfd_open
		435: // clone3
		return true
	}
	return false
}

var (
	otherCalls  [16]uint32 // numbers beyond nsys that were told
	otherCallsN int
	unknownLine [64]byte
)

// unknownCall answers system call nr, which is not there.
func unknownCall(nr uint32) uint32 {
	switch {
	case nr < uint32(len(nsys)):
		if nsys[nr] > 1 || notThere(nr) {
			return errno(ENOSYS)
		}
	case otherCallsN == len(otherCalls):
		return errno(ENOSYS)
	default:
		for _, o := range otherCalls[:otherCallsN] {
			if o == nr {
				return errno(ENOSYS)
			}
		}
		otherCalls[otherCallsN] = nr
		otherCallsN++
	}
	const text = "kernel: no system call "
	n := copy(unknownLine[:], text)
	div := uint32(1)
	for nr/div >= 10 {
		div *= 10
	}
	for ; div > 0; div /= 10 {
		unknownLine[n] = byte('0' + nr/div%10)
		n++
	}
	n += copy(unknownLine[n:], ": ENOSYS")
	sayError(unsafe.String(&unknownLine[0], n))
	return errno(ENOSYS)
}
