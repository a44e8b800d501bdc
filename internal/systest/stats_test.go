package systest

// stats is the part of /stats.json that is looked at.
type stats struct {
	Uptime int64                              `json:"uptime_ns"`
	Memory struct{ Total, Used, Free uint64 } `json:"memory"`
	CPU    struct {
		Idle    int64
		Threads int
	} `json:"cpu"`
	Spurious   uint32      `json:"spurious_interrupts"`
	Interfaces []ifStats   `json:"interfaces"`
	NAPI       []napiStats `json:"napi"`
	Sockets    struct{ Opened, InUse uint64 }
	Serial     consoleStats            `json:"serial_console"`
	Netconsole map[string]consoleStats `json:"netconsole"`
}

type napiStats struct {
	Name            string
	Polls           uint64
	Deferred, Timer uint64
}

// napi returns the counters of the instance of that name.
func (s *stats) napi(name string) napiStats {
	for _, n := range s.NAPI {
		if n.Name == name {
			return n
		}
	}
	return napiStats{}
}

type consoleStats struct{ Written, Lost, Pending uint64 }

// counters are named as in Linux.
type counters map[string]uint64

type ifStats struct {
	Name      string `json:"name"`
	MAC       string `json:"mac"`
	Carrier   bool   `json:"carrier"`
	Addresses struct {
		IPv4 string   `json:"ipv4"`
		IPv6 []string `json:"ipv6"`
	} `json:"addresses"`
	Interrupts uint32 `json:"interrupts"`
	Fault      struct {
		Config string
		Rx, Tx counters
	} `json:"fault"`
	Stack struct {
		Device  counters `json:"device"`
		Softnet struct {
			Processed uint64 `json:"processed"`
			Bugs      uint64 `json:"bugs"`
		} `json:"softnet"`
		Link counters `json:"link"`
		IP   counters `json:"ip"`
		ARP  counters `json:"arp"`
		ICMP counters `json:"icmp"`
		UDP  counters `json:"udp"`
		TCP  counters `json:"tcp"`
	} `json:"stack"`
	Netpoll struct{ Stuck, Recovered, Sent, Echo uint64 }
	Driver  []struct {
		Name  string `json:"name"`
		Value uint64 `json:"value"`
	} `json:"driver"`
}

// driver returns one of the driver's counters. It panics if the driver has none of
// that name: 0 would pass for a counter that does not move.
func (s *ifStats) driver(name string) uint64 {
	for _, d := range s.Driver {
		if d.Name == name {
			return d.Value
		}
	}
	panic("the driver has no counter " + name)
}
