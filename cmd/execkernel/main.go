//go:build arm

// Command execkernel is the kernel alone: "gasp exec" boots it to run another
// program, typically a test binary, which the kernel loads and starts instead
// of this main.
package main

import "os"

func main() {
	os.Stderr.WriteString("execkernel: the boot arguments name no program (gasp.exec=)\n")
	os.Exit(126)
}
