package qemu

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"
)

// Network is what a machine's Ethernet ports are connected to.
type Network int

const (
	NetNone  Network = iota // nothing; the links are up, nobody is there
	NetUser                 // first port: QEMU's own network, 10.0.2.0/24 with DHCP, gateway 10.0.2.2
	NetDgram                // first port: raw frames in UDP datagrams, see Options.DgramLocal
	NetHub                  // first and second port are joined to each other
)

// Options say what machine to run. The zero value of a field is its default.
type Options struct {
	Board    *Board // required
	Kernel   string // ELF file to boot; required
	BootArgs string // at most MaxBootArgs bytes
	Memory   string // size of RAM as QEMU's -m takes it; default Board.Memory
	Icount   string // value of -icount, for instance "shift=0,sleep=off"; default: off

	// Load places files in RAM as they are.
	Load []Load

	// Net, and what belongs to its kinds. Forwards is for NetUser.
	// DgramLocal and DgramRemote are for NetDgram: QEMU receives frames at
	// DgramLocal and sends them to DgramRemote. Pcap, if set, is a file that
	// gets a capture of the first port (not for NetNone).
	Net                     Network
	Forwards                []Forward
	DgramLocal, DgramRemote netip.AddrPort
	Pcap                    string

	// Semihosting lets the guest write to Stdout and Stderr and end QEMU
	// with a status of its choice. It also lets the guest open any file of
	// the host that this user may: run only images you trust.
	Semihosting bool

	// NoReboot ends the machine when the guest resets it.
	NoReboot bool

	// Serial gets what the guest writes to its console UART, Stdout and
	// Stderr what QEMU writes once the guest runs. All writes of one of them
	// come from one goroutine. A writer that blocks stops the guest. nil:
	// thrown away.
	Serial, Stdout, Stderr io.Writer

	// Extra is appended to QEMU's command line.
	Extra []string
}

// Load is a file to be placed in RAM.
type Load struct {
	Path string
	Addr uint32
}

// File descriptors that QEMU inherits, and the file with the boot arguments
// below the machine's temporary directory.
const (
	fdSerial = 3
	fdQMP    = 4
	argsFile = "bootargs"
)

// check finds what QEMU would not, or would say less clearly.
func (o *Options) check() error {
	switch {
	case o.Board == nil:
		return errors.New("no board given")
	case o.Kernel == "":
		return errors.New("no image given")
	case len(o.Forwards) > 0 && o.Net != NetUser:
		return errors.New("port forwards need user networking")
	case o.Net == NetDgram && !(o.DgramLocal.IsValid() && o.DgramRemote.IsValid()):
		return errors.New("the dgram network needs a local and a remote address")
	case o.Net == NetNone && o.Pcap != "":
		return errors.New("nothing to capture without a network")
	}
	return checkBootArgs(o.BootArgs)
}

// args returns QEMU's command line, without the program's name. dir is the
// machine's temporary directory.
func (o *Options) args(dir string) []string {
	memory := o.Memory
	if memory == "" {
		memory = o.Board.Memory
	}
	a := []string{
		"-M", o.Board.Machine, "-m", memory,
		"-nodefaults", "-display", "none",
		// The CPU waits for "cont", so that no event is missed and what QEMU
		// says about its options is told apart from the guest's output.
		"-S",
		"-chardev", fmt.Sprintf("socket,id=console0,fd=%d", fdSerial),
		"-chardev", fmt.Sprintf("socket,id=qmp0,fd=%d", fdQMP), "-mon", "chardev=qmp0,mode=control",
		"-kernel", o.Kernel,
	}
	for range o.Board.Serial {
		a = append(a, "-serial", "null")
	}
	a = append(a, "-serial", "chardev:console0")
	if o.BootArgs != "" {
		a = append(a, "-device", loader(dir+"/"+argsFile, o.Board.BootArgs))
	}
	for _, l := range o.Load {
		a = append(a, "-device", loader(l.Path, l.Addr))
	}
	if o.Icount != "" {
		a = append(a, "-icount", o.Icount)
	}
	if o.NoReboot {
		a = append(a, "-no-reboot")
	}
	if o.Semihosting {
		a = append(a, "-semihosting-config", "enable=on,target=native")
	}
	return slices.Concat(a, o.netArgs(), o.Extra)
}

func loader(path string, addr uint32) string {
	return fmt.Sprintf("loader,file=%s,addr=%#x,force-raw=on", escape(path), addr)
}

// escape doubles commas, which separate options otherwise.
func escape(path string) string { return strings.ReplaceAll(path, ",", ",,") }

func (o *Options) netArgs() []string {
	var a []string
	switch o.Net {
	case NetNone:
		return []string{"-nic", "none"}
	case NetUser:
		user := "user,id=net0"
		for _, f := range o.Forwards {
			user += ",hostfwd=" + f.String()
		}
		a = []string{"-netdev", user, "-net", "nic,netdev=net0"}
	case NetDgram:
		a = []string{"-netdev", fmt.Sprintf(
			"dgram,id=net0,local.type=inet,local.host=%s,local.port=%d,remote.type=inet,remote.host=%s,remote.port=%d",
			o.DgramLocal.Addr(), o.DgramLocal.Port(), o.DgramRemote.Addr(), o.DgramRemote.Port()),
			"-net", "nic,netdev=net0"}
	case NetHub:
		a = []string{
			"-netdev", "hubport,id=net0,hubid=0", "-netdev", "hubport,id=net1,hubid=0",
			"-net", "nic,netdev=net0", "-net", "nic,netdev=net1"}
	}
	if o.Pcap != "" {
		a = append(a, "-object", "filter-dump,id=dump0,netdev=net0,file="+escape(o.Pcap))
	}
	return a
}
