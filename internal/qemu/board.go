// Package qemu runs firmware images in QEMU: it finds the emulator, places the
// image and its boot arguments in the machine's memory, carries the serial
// console and the network, and sees to it that the emulator ends.
//
// A machine is started with Start and is running when Start returns. Whatever
// happens then (the guest powers off, resets, the context ends, Kill), Done is
// closed once, after the last byte of the serial console was delivered.
package qemu

import (
	"fmt"
	"slices"
	"strings"
)

// Board is what the host has to know of a board to link an image for it and to
// run it in QEMU. Addresses are physical.
type Board struct {
	Name     string // also the build tag that selects the board's package
	Machine  string // QEMU's name for it
	QEMU     string // name of the emulator's program
	GOARM    string // instruction set of the core
	Text     uint32 // link address of the text segment; the ELF header is 0x1000 below
	Entry    string // full symbol name of the first instruction
	RAM      uint32 // first address of RAM
	BootArgs uint32 // where the boot arguments lie, a NUL-terminated string
	Exec     uint32 // where "gasp exec" places a program for the loader kernel
	Memory   string // default size of RAM, as QEMU's -m takes it
	Serial   int    // which of QEMU's serial ports the console is, from 0
}

var boards = []Board{{
	Name:     "mx6ulevk",
	Machine:  "mcimx6ul-evk",
	QEMU:     "qemu-system-arm",
	GOARM:    "7",
	Text:     0x80201000,
	Entry:    "github.com/gasp-go/gasp/boards/mx6ulevk.Start",
	RAM:      0x80000000,
	BootArgs: 0x80008000,
	Exec:     0x84000000,
	Memory:   "256M",
}, {
	Name:     "sabrelite",
	Machine:  "sabrelite",
	QEMU:     "qemu-system-arm",
	GOARM:    "7",
	Text:     0x10201000,
	Entry:    "github.com/gasp-go/gasp/boards/sabrelite.Start",
	RAM:      0x10000000,
	BootArgs: 0x10008000,
	Exec:     0x14000000,
	Memory:   "512M",
	Serial:   1, // UART2
}}

// DefaultBoard is the board that commands use when none is named.
const DefaultBoard = "mx6ulevk"

// BoardNames lists the boards that LookupBoard knows.
func BoardNames() []string {
	names := make([]string, len(boards))
	for i := range boards {
		names[i] = boards[i].Name
	}
	slices.Sort(names)
	return names
}

// LookupBoard returns the board called name.
func LookupBoard(name string) (*Board, error) {
	for i := range boards {
		if boards[i].Name == name {
			return &boards[i], nil
		}
	}
	return nil, fmt.Errorf("unknown board %q (known: %s)", name, strings.Join(BoardNames(), ", "))
}
