package netdev

import (
	"fmt"
	"strconv"
	"strings"
)

// The parameters that can be set at boot and at any time, by their Linux names.

// Param is one parameter.
type Param struct {
	Name string
	Get  func() uint64 // its value now; any context
}

// param is how one is read and set. Values are decimal numbers from min to max.
type param[T any] struct {
	name     string
	min, max uint64
	get      func(T) uint64
	set      func(T, uint64) error
}

// sysctls are those of net.core, without that prefix.
var sysctls = []param[*Softnet]{
	{"dev_weight", 1, 1 << 15,
		func(s *Softnet) uint64 { return uint64(s.weight.Load()) },
		func(s *Softnet, v uint64) error { s.weight.Store(uint32(v)); return nil }},
	{"netdev_budget", 1, 1 << 20,
		func(s *Softnet) uint64 { return uint64(s.budget.Load()) },
		func(s *Softnet, v uint64) error { s.budget.Store(uint32(v)); return nil }},
	{"netdev_budget_usecs", 1, 4_000_000,
		func(s *Softnet) uint64 { return uint64(s.limit.Load()) / 1000 },
		func(s *Softnet, v uint64) error { s.limit.Store(uint32(v) * 1000); return nil }},
	{"netdev_max_backlog", 0, 1 << 20,
		func(s *Softnet) uint64 { return uint64(s.backlog.limit.Load()) },
		func(s *Softnet, v uint64) error { s.backlog.limit.Store(uint32(v)); return nil }},
}

// attributes are those of a device, as in /sys/class/net/<dev>.
var attributes = []param[*Device]{
	{"gro_flush_timeout", 0, 1<<32 - 1,
		func(d *Device) uint64 { return uint64(d.GROFlushTimeout()) },
		func(d *Device, v uint64) error { return d.SetGROFlushTimeout(uint32(v)) }},
	{"napi_defer_hard_irqs", 0, 1<<31 - 1,
		func(d *Device) uint64 { return uint64(d.DeferHardIRQs()) },
		func(d *Device, v uint64) error { return d.SetDeferHardIRQs(uint32(v)) }},
}

// SetSysctl sets net.core.<name>, a decimal number:
//
//   - netdev_budget: frames a softirq run takes before it yields;
//   - netdev_budget_usecs: how long it may take, in microseconds;
//   - dev_weight: frames one poll takes, of instances with no weight of their own;
//   - netdev_max_backlog: frames the backlog holds (2 MiB at the most).
//
// What is being polled goes on as it began. Any time, any goroutine.
func (s *Softnet) SetSysctl(name, value string) error {
	return set(sysctls, s, "net.core."+name, name, value)
}

// Sysctls returns all that SetSysctl can set, sorted by name.
func (s *Softnet) Sysctls() []Param { return list(sysctls, s) }

// SetAttribute sets what Linux has as /sys/class/net/<dev>/<name>:
// gro_flush_timeout in ns and napi_defer_hard_irqs in polls. Any time, any
// goroutine.
func (d *Device) SetAttribute(name, value string) error {
	return set(attributes, d, d.name+"/"+name, name, value)
}

// Attributes returns all that SetAttribute can set, sorted by name.
func (d *Device) Attributes() []Param { return list(attributes, d) }

func set[T any](all []param[T], of T, full, name, value string) error {
	for i := range all {
		p := &all[i]
		if p.name != name {
			continue
		}
		v, err := strconv.ParseUint(strings.TrimSpace(value), 10, 64)
		if err != nil || v < p.min || v > p.max {
			return fmt.Errorf("%s: %q is not a number from %d to %d", full, value, p.min, p.max)
		}
		return p.set(of, v)
	}
	return fmt.Errorf("%s: no such parameter", full)
}

func list[T any](all []param[T], of T) []Param {
	r := make([]Param, len(all))
	for i := range all {
		r[i] = Param{all[i].name, func() uint64 { return all[i].get(of) }}
	}
	return r
}
