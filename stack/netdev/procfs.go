package netdev

// The texts that Linux has in /proc/net. They are made in trap context.

// Printer is where a text goes.
type Printer interface {
	Str(s string)
	// Num writes v in base 10 or 16, with pad in front up to that width.
	Num(v uint64, base, width int, pad byte)
}

// PrintStat prints the softnet's line of /proc/net/softnet_stat as Linux 6 does:
// processed, dropped, time_squeeze, five that were once something, cpu_collision,
// received_rps, flow_limit_count, length of the backlog, CPU, and the two queues
// that the length is the sum of. Ours is one queue. Trap context.
func (s *Softnet) PrintStat(p Printer) {
	st := s.Stat()
	n := uint64(st.BacklogLen)
	for i, v := range [...]uint64{st.Processed, st.Dropped, st.TimeSqueeze, 0, 0, 0, 0, 0, 0, 0, 0, n, 0, n, 0} {
		if i > 0 {
			p.Str(" ")
		}
		p.Num(v&0xffffffff, 16, 8, '0')
	}
	p.Str("\n")
}

// PrintNAPI prints the state and the counters of the i-th NAPI instance, and reports
// whether there is one. Trap context.
func (s *Softnet) PrintNAPI(i int, p Printer) bool {
	if i < 0 || i >= int(s.n.Load()) {
		return false
	}
	n := s.napi[i]
	p.Str(n.name)
	p.Str(":")
	st := n.state.Load()
	for bit, name := range [...]string{" SCHED", " MISSED", " DISABLE", " NPSVC"} {
		if st>>bit&1 != 0 {
			p.Str(name)
		}
	}
	for _, c := range [...]struct {
		name string
		v    uint64
	}{
		{" scheduled ", n.scheduled.Load()}, {" missed ", n.missed.Load()}, {" polls ", n.polls()},
		{" processed ", n.processed.Load()}, {" deferred ", n.deferred.Load()},
	} {
		p.Str(c.name)
		p.Num(c.v, 10, 1, ' ')
	}
	return true
}

// PrintStatsHeader prints the two lines that /proc/net/dev begins with.
func PrintStatsHeader(p Printer) {
	p.Str("Inter-|   Receive                                                |  Transmit\n" +
		" face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed\n")
}

// PrintStats prints the device's line of /proc/net/dev, with the sums that Linux
// makes. Trap context.
func (d *Device) PrintStats(p Printer) {
	c := d.Stats()
	for i := len(d.name); i < 6; i++ {
		p.Str(" ")
	}
	p.Str(d.name)
	p.Str(":")
	for _, col := range [...]struct {
		v     uint64
		width int
	}{
		{c.RxBytes, 7}, {c.RxPackets, 7}, {c.RxErrors, 4}, {c.RxDropped + c.RxMissedErrors, 4}, {c.RxFIFOErrors, 4},
		{c.RxLengthErrors + c.RxOverErrors + c.RxCRCErrors + c.RxFrameErrors, 5}, {0, 10}, {c.Multicast, 9},
		{c.TxBytes, 8}, {c.TxPackets, 7}, {c.TxErrors, 4}, {c.TxDropped, 4}, {c.TxFIFOErrors, 4}, {c.Collisions, 5},
		{c.TxCarrierErrors + c.TxAbortedErrors + c.TxWindowErrors + c.TxHeartbeatErrors, 7}, {0, 10},
	} {
		p.Str(" ")
		p.Num(col.v, 10, col.width, ' ')
	}
	p.Str("\n")
}
