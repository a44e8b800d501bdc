package console

import "testing"

func TestARunOfPlainBytesEndsWhereTheFirstOtherIs(t *testing.T) {
	buf := make([]byte, 40)
	for start := range 4 {
		for length := range 13 {
			for at := range length {
				for c := range 256 {
					p := buf[start : start+length]
					for i := range p {
						p[i] = byte(' ' + (i*37+c)%90)
						if !plain(p[i]) {
							p[i] = '~'
						}
					}
					p[at] = byte(c)
					want := length
					if !plain(byte(c)) {
						want = at
					}
					if n := plainRun(p); n != want {
						t.Fatalf("%q: %d, want %d", p, n, want)
					}
				}
			}
		}
	}
}
