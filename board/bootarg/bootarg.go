// Package bootarg parses the boot arguments: one string in the syntax of the
// Linux command line (admin-guide/kernel-parameters), so that what users know
// from there works here.
//
// Parsing never fails as a whole. An argument that cannot be used is reported
// as one error and ignored; what it would have set keeps its default.
package bootarg

import (
	"fmt"
	"strings"
)

// Defaults of Linux: a console shows the levels below its loglevel.
const (
	DefaultLogLevel = 7  // everything but debug
	QuietLogLevel   = 4  // "quiet": errors and worse
	DebugLogLevel   = 10 // "debug": everything
)

// Args are the parsed boot arguments.
type Args struct {
	// IP holds each usable ip= argument in the order given. Use IPFor.
	IP []IP

	// Netconsole holds the targets of all netconsole= arguments, split at
	// ";", not parsed any further (package netconsole does that).
	Netconsole []string

	// NetconsoleParams are the netconsole.<name>=<value> arguments, by name.
	NetconsoleParams []Param

	// Panic is the seconds from a panic to the restart: 0 waits for ever, a
	// negative number restarts at once.
	Panic int

	// Watchdog says what the lockup detectors look for.
	Watchdog Watchdog

	// Traceback is what the Go runtime prints of goroutines when it dies, as the
	// environment variable GOTRACEBACK; "": the default.
	Traceback string

	// LogLevel is the console loglevel: records with a level below it are
	// shown. loglevel=, quiet and debug set it; the last one wins.
	// ignore_loglevel, wherever it stands, shows everything.
	LogLevel int

	// LogBufLen is the size of the log ring in bytes (log_buf_len=); 0: the
	// default.
	LogBufLen uint64

	ignoreLevel bool // until Parse is done

	// PrintkTime tells whether lines on consoles begin with the time.
	PrintkTime bool

	// Mem limits the memory used, in bytes; 0: no limit.
	Mem uint64

	// RecordSize and ConsoleSize are ramoops.record_size= and
	// ramoops.console_size= in bytes; 0: the default. RamoopsOff is
	// ramoops.mem_size=0. (The kernel obeys ramoops.mem_size= and
	// ramoops.mem_address=.)
	RecordSize, ConsoleSize uint64
	RamoopsOff              bool

	// Sysctl holds the sysctl.NAME=VALUE arguments, in order: parameters that
	// can be set at run time too. NAME has dots; slashes become dots.
	Sysctl []Param

	// Gasp holds the gasp.KEY=VALUE arguments by KEY. An argument without
	// "=" has an empty value. The last of several wins.
	Gasp map[string]string

	// Unknown holds what belongs to nobody here, in order.
	Unknown []Param

	// Init holds the words after "--": the program's own arguments.
	Init []string
}

// Watchdog are Linux's arguments of that name.
type Watchdog struct {
	Thresh    int  // watchdog_thresh=, s; 0: both detectors are off, as by nowatchdog
	Hard      bool // nmi_watchdog=
	Soft      bool // off by nosoftlockup
	SoftPanic bool // softlockup_panic=
}

// DefaultThresh and MaxThresh are Linux's watchdog_thresh, in s.
const (
	DefaultThresh = 10
	MaxThresh     = 60
)

// Param is one argument: NAME or NAME=VALUE, quotes removed.
type Param struct {
	Name     string
	Value    string
	HasValue bool
}

func (p Param) String() string {
	if p.HasValue {
		return p.Name + "=" + p.Value
	}
	return p.Name
}

// Error is an argument that was ignored.
type Error struct {
	Arg    string // as given
	Reason string
}

func (e *Error) Error() string {
	return fmt.Sprintf("boot argument %q ignored: %s", e.Arg, e.Reason)
}

// Parse parses a command line. It ends at the first NUL byte, as the string in
// memory does. The errors name the arguments that were ignored, in order.
func Parse(line string) (Args, []error) {
	if i := strings.IndexByte(line, 0); i >= 0 {
		line = line[:i]
	}
	a := Args{LogLevel: DefaultLogLevel, PrintkTime: true, Gasp: map[string]string{}}
	a.Watchdog = Watchdog{Thresh: DefaultThresh, Hard: true, Soft: true}
	var errs []error
	for line != "" {
		var p Param
		var ok bool
		p, line, ok = next(line)
		if !ok {
			break
		}
		if p.Name == "--" && !p.HasValue {
			for p, line, ok = next(line); ok; p, line, ok = next(line) {
				a.Init = append(a.Init, p.String())
			}
			break
		}
		if reason := a.set(p); reason != "" {
			errs = append(errs, &Error{Arg: p.String(), Reason: reason})
		}
	}
	if a.ignoreLevel {
		a.LogLevel, a.ignoreLevel = DebugLogLevel, false
	}
	return a, errs
}

// set applies one argument and returns why it could not, or "".
func (a *Args) set(p Param) string {
	// As in Linux "-" and "_" are the same in names.
	name := strings.ReplaceAll(p.Name, "-", "_")
	switch name {
	case "ip":
		ip, err := ParseIP(p.Value)
		if err != nil {
			return err.Error()
		}
		a.IP = append(a.IP, ip)
	case "netconsole":
		return a.setNetconsole(p.Value)
	case "panic":
		n, err := parseInt(p.Value, -1<<31, 1<<31-1)
		if err != nil {
			return err.Error()
		}
		a.Panic = int(n)
	case "watchdog_thresh":
		n, err := parseInt(p.Value, 0, MaxThresh)
		if err != nil {
			return err.Error()
		}
		a.Watchdog.Thresh = int(n)
	case "nowatchdog", "nosoftlockup":
		if p.HasValue {
			return name + " takes no value"
		}
		a.Watchdog.Soft = false
		if name == "nowatchdog" {
			a.Watchdog.Hard = false
		}
	case "nmi_watchdog", "softlockup_panic":
		n, err := parseInt(p.Value, 0, 1)
		if err != nil {
			return err.Error()
		}
		if name == "nmi_watchdog" {
			a.Watchdog.Hard = n == 1
		} else {
			a.Watchdog.SoftPanic = n == 1
		}
	case "GOTRACEBACK":
		switch p.Value {
		case "none", "single", "all", "system", "0", "1", "2":
			a.Traceback = p.Value
		default:
			return "none of none, single, all, system"
		}
	case "loglevel":
		n, err := parseInt(p.Value, 0, 15)
		if err != nil {
			return err.Error()
		}
		a.LogLevel = int(n)
	case "ignore_loglevel":
		on, err := p.Bool()
		if err != nil {
			return err.Error()
		}
		a.ignoreLevel = on
	case "log_buf_len":
		n, err := ParseSize(p.Value)
		if err != nil {
			return err.Error()
		}
		a.LogBufLen = n
	case "ramoops.mem_size", "ramoops.mem_address", "ramoops.record_size", "ramoops.console_size":
		return a.setRamoops(name, p.Value)
	case "quiet", "debug":
		if p.HasValue {
			return name + " takes no value"
		}
		a.LogLevel = QuietLogLevel
		if name == "debug" {
			a.LogLevel = DebugLogLevel
		}
	case "printk.time":
		on, err := p.Bool()
		if err != nil {
			return err.Error()
		}
		a.PrintkTime = on
	case "mem":
		n, err := ParseSize(p.Value)
		if err != nil {
			return err.Error()
		}
		a.Mem = n
	default:
		if key, ok := strings.CutPrefix(p.Name, "gasp."); ok {
			if key == "" {
				return "no name after gasp."
			}
			a.Gasp[key] = p.Value
			return ""
		}
		if key, ok := strings.CutPrefix(name, "netconsole."); ok && key != "" && p.HasValue {
			p.Name = key
			a.NetconsoleParams = append(a.NetconsoleParams, p)
			return ""
		}
		if key, ok := strings.CutPrefix(p.Name, "sysctl."); ok {
			switch {
			case key == "":
				return "no name after sysctl."
			case !p.HasValue:
				return "no value"
			}
			p.Name = strings.ReplaceAll(key, "/", ".")
			a.Sysctl = append(a.Sysctl, p)
			return ""
		}
		a.Unknown = append(a.Unknown, p)
	}
	return ""
}

func (a *Args) setRamoops(name, value string) string {
	off := name == "ramoops.mem_size" && strings.Trim(value, "0") == "" && value != ""
	n, err := ParseSize(value)
	if err != nil && !off {
		return err.Error()
	}
	switch name {
	case "ramoops.mem_size":
		a.RamoopsOff = off
	case "ramoops.record_size":
		a.RecordSize = n
	case "ramoops.console_size":
		a.ConsoleSize = n
	}
	return ""
}

func (a *Args) setNetconsole(value string) string {
	n := len(a.Netconsole)
	for t := range strings.SplitSeq(value, ";") {
		if t = strings.TrimSpace(t); t != "" {
			a.Netconsole = append(a.Netconsole, t)
		}
	}
	if len(a.Netconsole) == n {
		return "no target"
	}
	return ""
}

// IPFor returns the ip= configuration that applies to a network device: the
// last one that names it, or else the last that names none.
func (a *Args) IPFor(device string) (IP, bool) {
	var found IP
	var ok bool
	for _, ip := range a.IP {
		switch ip.Device {
		case device:
			found, ok = ip, true
		case "":
			if !ok || found.Device == "" {
				found, ok = ip, true
			}
		}
	}
	return found, ok
}
