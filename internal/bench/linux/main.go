//go:build arm

// Command linux is the benchmarks' program on the peer, Linux: process 1 of an
// initial RAM disk that holds nothing else but kernel modules. It does to
// Linux's network what the firmware does to gasp's, with the same package
// guest, and the far end of the wire is the same package wire at work on the
// second MAC, in a process of its own that has the MAC's registers mapped.
package main

import (
	"flag"
	"fmt"
	"os"
	"regexp"
	"syscall"
	"time"

	"github.com/gasp-go/gasp/internal/bench/guest"
)

// settle is for what a kernel does after it has booted.
const settle = 5 * time.Second

func main() {
	if len(os.Args) > 1 && os.Args[1] == farArg {
		farMain()
		return
	}
	if err := bench(); err != nil {
		fmt.Println("bench:", err)
	}
	fmt.Println(guest.Ended)
	time.Sleep(100 * time.Millisecond) // for the serial port
	syscall.Reboot(syscall.LINUX_REBOOT_CMD_RESTART)
}

func bench() error {
	run := flag.String("run", "", "`regexp` of the rows to measure")
	scale := flag.Int("scale", 1, "`divisor` of the number of frames and bytes")
	flag.Parse()
	match, err := regexp.Compile(*run)
	if err != nil {
		return err
	}
	if err := mounts(); err != nil {
		return err
	}
	if err := loadModules("/modules"); err != nil {
		return err
	}
	p, err := newPlatform()
	if err != nil {
		return err
	}
	time.Sleep(settle)
	guest.Run(p, os.Stdout, match, *scale)
	return nil
}

func mounts() error {
	for _, m := range []struct{ kind, dir string }{{"proc", "/proc"}, {"sysfs", "/sys"}, {"devtmpfs", "/dev"}} {
		if err := os.MkdirAll(m.dir, 0o755); err != nil {
			return err
		}
		if err := syscall.Mount(m.kind, m.dir, m.kind, 0, ""); err != nil && err != syscall.EBUSY {
			return fmt.Errorf("mount %s: %w", m.dir, err)
		}
	}
	return nil
}

// loadModules loads the modules in dir in the order of their names.
func loadModules(dir string) error {
	const sysFinitModule, compressed = 379, 4
	all, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range all {
		f, err := os.Open(dir + "/" + e.Name())
		if err != nil {
			return err
		}
		empty := [1]byte{}
		_, _, no := syscall.Syscall(sysFinitModule, f.Fd(), pointer(&empty[0]), compressed)
		f.Close()
		if no != 0 {
			return fmt.Errorf("module %s: %w", e.Name(), no)
		}
	}
	return nil
}
