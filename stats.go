//go:build arm

package gasp

import (
	"net"

	"github.com/gasp-go/gasp/board/kernel"
	"github.com/gasp-go/gasp/console"
	"github.com/gasp-go/gasp/stack"
	"github.com/gasp-go/gasp/stack/netdev"
	"github.com/gasp-go/gasp/stack/netpoll"
	"github.com/gasp-go/gasp/stack/pcap"
)

// Stats are the counters of the whole system, for JSON.
type Stats struct {
	Uptime     int64            `json:"uptime_ns"`
	Memory     kernel.Memory    `json:"memory"`
	CPU        kernel.CPU       `json:"cpu"`
	Spurious   uint32           `json:"spurious_interrupts"`
	Interfaces []InterfaceStats `json:"interfaces"`

	NAPI    []netdev.NAPIStat     `json:"napi"` // every instance, the backlog's included
	Sockets kernel.SocketCounters `json:"sockets"`

	Serial     console.ConsoleStats            `json:"serial_console"`
	Netconsole map[string]console.ConsoleStats `json:"netconsole"`
}

// InterfaceStats are one interface's counters.
type InterfaceStats struct {
	Name       string                `json:"name"`
	MAC        string                `json:"mac"`
	Carrier    bool                  `json:"carrier"`
	Addresses  stack.AddrInfo        `json:"addresses"`
	Interrupts uint32                `json:"interrupts"`
	XDP        netdev.XDPStats       `json:"xdp"`
	Stack      stack.Stats           `json:"stack"`
	Netpoll    netpoll.Stats         `json:"netpoll"`
	Capture    pcap.Stats            `json:"pcap"`
	Faults     *FaultStats           `json:"fault,omitempty"`
	Driver     []netdev.Stat         `json:"driver"` // ethtool -S
	Ethtool    *netdev.EthtoolReport `json:"ethtool"`
}

// Stats returns the counters of now.
func (s *System) Stats() Stats {
	st := Stats{
		Uptime:     kernel.Nanotime(),
		Memory:     kernel.MemoryStat(),
		CPU:        kernel.CPUStat(),
		Spurious:   kernel.Spurious(),
		Sockets:    kernel.SocketStat(),
		Netconsole: map[string]console.ConsoleStats{},
	}
	if s.Softnet != nil {
		st.NAPI = s.Softnet.NAPIStats()
	}
	if s.serial != nil {
		st.Serial = s.serial.Stats()
	}
	if s.netconsole != nil {
		for _, t := range s.netconsole.List() {
			st.Netconsole[t.Name] = t.Log
		}
	}
	for _, n := range s.Interfaces {
		mac := n.Device.MAC()
		st.Interfaces = append(st.Interfaces, InterfaceStats{
			Name:       n.Port.Name,
			MAC:        net.HardwareAddr(mac[:]).String(),
			Carrier:    n.Device.Carrier(),
			Addresses:  n.Stack.Addresses(),
			Interrupts: kernel.IRQCount(n.Port.IRQ),
			XDP:        n.Device.XDPStats(),
			Stack:      n.Stack.Stats(),
			Netpoll:    n.Poll.Stats(),
			Capture:    n.Capture.Stats(),
			Faults:     n.faultStats(),
			Driver:     n.MAC.Stats(),
			Ethtool:    n.Device.Ethtool(),
		})
	}
	return st
}
