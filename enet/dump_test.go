package enet

import "testing"

func TestDumpNamesWhatItTells(t *testing.T) {
	b := openBench(t)
	n := 0
	b.mac.Dump(func(name string, _ uint32) {
		if DumpName(n) != name {
			t.Errorf("value %d is %s, DumpName says %s", n, name, DumpName(n))
		}
		n++
	})
	if n != DumpWords {
		t.Errorf("%d values, DumpWords is %d", n, DumpWords)
	}
}
