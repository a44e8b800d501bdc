package stack

import (
	"gvisor.dev/gvisor/pkg/tcpip"

	"github.com/gasp-go/gasp/stack/netdev"
)

// Stats are the counters of the stack, named as in SNMP's MIBs and in
// /proc/net/snmp and netstat where there is such a counter. Unlike there, IP
// counts IPv4 and IPv6 together: gVisor does not tell them apart.
type Stats struct {
	Device  netdev.Stats       `json:"device"`
	Softnet netdev.SoftnetStat `json:"softnet"`
	Link    LinkStats          `json:"link"`
	IP      IPStats            `json:"ip"`
	ARP     ARPStats           `json:"arp"`
	ICMP    ICMPStats          `json:"icmp"`
	ICMP6   ICMPStats          `json:"icmp6"`
	UDP     UDPStats           `json:"udp"`
	TCP     TCPStats           `json:"tcp"`
}

// LinkStats count received frames that did not reach gVisor, by cause; all but
// the first are in the device's RxDropped as well.
type LinkStats struct {
	InEarly         uint64 `json:"InEarly"`         // dealt with before gVisor: echo requests, datagrams
	InTooShort      uint64 `json:"InTooShort"`      // no room for an Ethernet header
	InLengthField   uint64 `json:"InLengthField"`   // IEEE 802.3 length instead of a type
	InUnknownProtos uint64 `json:"InUnknownProtos"` // neither IPv4 nor IPv6 nor ARP
	InOtherHost     uint64 `json:"InOtherHost"`     // unicast for somebody else
	InBadSource     uint64 `json:"InBadSource"`     // a group address as source
	InMartian       uint64 `json:"InMartian"`       // addresses that must not be answered
	InDetached      uint64 `json:"InDetached"`      // the stack was closed
	GROPackets      uint64 `json:"GROPackets"`      // packets that GRO gave to gVisor
	GROMerged       uint64 `json:"GROMerged"`       // TCP segments in them beyond the first of each
	TCPDirect       uint64 `json:"TCPDirect"`       // TCP packets that the network thread processed itself
	TSOPackets      uint64 `json:"TSOPackets"`      // TCP packets cut into segments
	TSOSegments     uint64 `json:"TSOSegments"`     // segments they were cut into
	TxQueued        uint64 `json:"TxQueued"`        // packets that waited for room in the ring
	OutUnresolved   uint64 `json:"OutUnresolved"`   // packets too many to wait for a neighbour's address
	NeighHeard      uint64 `json:"NeighHeard"`      // neighbours that did not answer, but were heard
	OutNoBuffer     uint64 `json:"OutNoBuffer"`     // packets that nobody had room for
}

// IPStats are those of IPv4 and IPv6.
type IPStats struct {
	InReceives    uint64 `json:"InReceives"`
	InDelivers    uint64 `json:"InDelivers"`
	InHdrErrors   uint64 `json:"InHdrErrors"`
	InAddrErrors  uint64 `json:"InAddrErrors"`
	ReasmFails    uint64 `json:"ReasmFails"`
	OutRequests   uint64 `json:"OutRequests"`
	OutDiscards   uint64 `json:"OutDiscards"`
	InDisabled    uint64 `json:"InDisabled"`
	InUnknownL4   uint64 `json:"InUnknownProtos"`
	InMalformedL4 uint64 `json:"InMalformedL4"`
}

// ARPStats are those of ARP.
type ARPStats struct {
	InPackets   uint64 `json:"InPackets"` // all that were received
	InRequests  uint64 `json:"InRequests"`
	InReplies   uint64 `json:"InReplies"`
	InErrors    uint64 `json:"InErrors"`
	OutRequests uint64 `json:"OutRequests"`
	OutReplies  uint64 `json:"OutReplies"`
	OutDropped  uint64 `json:"OutDropped"`
}

// ICMPStats are those of ICMP or ICMPv6.
type ICMPStats struct {
	InErrors        uint64 `json:"InErrors"`
	InEchos         uint64 `json:"InEchos"`
	InEchoReps      uint64 `json:"InEchoReps"`
	InDestUnreachs  uint64 `json:"InDestUnreachs"`
	OutErrors       uint64 `json:"OutErrors"`
	OutRateLimited  uint64 `json:"OutRateLimitHost"`
	OutEchos        uint64 `json:"OutEchos"`
	OutEchoReps     uint64 `json:"OutEchoReps"`
	OutDestUnreachs uint64 `json:"OutDestUnreachs"`
}

// UDPStats are those of UDP.
type UDPStats struct {
	InDatagrams  uint64 `json:"InDatagrams"`
	NoPorts      uint64 `json:"NoPorts"`
	InErrors     uint64 `json:"InErrors"`
	RcvbufErrors uint64 `json:"RcvbufErrors"`
	InCsumErrors uint64 `json:"InCsumErrors"`
	OutDatagrams uint64 `json:"OutDatagrams"`
	OutErrors    uint64 `json:"OutErrors"`
}

// TCPStats are those of TCP.
type TCPStats struct {
	ActiveOpens     uint64 `json:"ActiveOpens"`
	PassiveOpens    uint64 `json:"PassiveOpens"`
	AttemptFails    uint64 `json:"AttemptFails"`
	EstabResets     uint64 `json:"EstabResets"`
	CurrEstab       uint64 `json:"CurrEstab"`
	InSegs          uint64 `json:"InSegs"`
	InErrs          uint64 `json:"InErrs"`
	InCsumErrors    uint64 `json:"InCsumErrors"`
	OutSegs         uint64 `json:"OutSegs"`
	OutErrs         uint64 `json:"OutErrs"`
	OutRsts         uint64 `json:"OutRsts"`
	RetransSegs     uint64 `json:"RetransSegs"`
	TCPTimeouts     uint64 `json:"TCPTimeouts"`
	FastRetrans     uint64 `json:"TCPFastRetrans"`
	ListenOverflows uint64 `json:"ListenOverflows"`
}

// Stats returns a snapshot of the counters.
func (s *Stack) Stats() Stats {
	g := s.gv.Stats()
	st := Stats{
		Device: s.dev.Stats(),
		Link:   s.link.stats(),
		IP:     ipStats(&g),
		ARP:    arpStats(&g.ARP),
		ICMP:   icmp4Stats(&g.ICMP.V4),
		ICMP6:  icmp6Stats(&g.ICMP.V6),
		UDP:    udpStats(&g.UDP),
		TCP:    tcpStats(&g.TCP),
	}
	s.link.early.add(&st)
	st.Link.OutNoBuffer = g.NICs.TxPacketsDroppedNoBufferSpace.Value()
	if soft := s.dev.Softnet(); soft != nil {
		st.Softnet = soft.Stat()
	}
	return st
}

// add counts what did not go through gVisor where it would have been counted.
func (e *earlyStats) add(st *Stats) {
	echos, in, full, out := e.echos.Load(), e.udpIn.Load(), e.udpFull.Load(), e.udpOut.Load()
	st.Link.InEarly = echos + in + full
	st.IP.InReceives += echos + in + full
	st.IP.InDelivers += echos + in + full
	st.IP.OutRequests += echos + out
	st.ICMP.InEchos += echos
	st.ICMP.OutEchoReps += echos
	st.UDP.InDatagrams += in
	st.UDP.RcvbufErrors += full
	st.UDP.OutDatagrams += out
}

func (l *link) stats() LinkStats {
	return LinkStats{
		InTooShort:      l.drops.short.Load(),
		InLengthField:   l.drops.length.Load(),
		InUnknownProtos: l.drops.proto.Load(),
		InOtherHost:     l.drops.otherHost.Load(),
		InBadSource:     l.drops.source.Load(),
		InMartian:       l.drops.martian.Load(),
		InDetached:      l.drops.detached.Load(),
		GROPackets:      l.gro.packets.Load(),
		GROMerged:       l.gro.merged.Load(),
		TCPDirect:       l.tcp.direct.Load(),
		TSOPackets:      l.tso.packets.Load(),
		TSOSegments:     l.tso.segments.Load(),
		TxQueued:        l.txq.queued.Load(),
		OutUnresolved:   l.lookups.dropped.Load(),
		NeighHeard:      l.lookups.heard.Load(),
	}
}

func ipStats(g *tcpip.Stats) IPStats {
	ip := &g.IP
	return IPStats{
		InReceives:    ip.PacketsReceived.Value(),
		InDelivers:    ip.PacketsDelivered.Value(),
		InHdrErrors:   ip.MalformedPacketsReceived.Value(),
		InAddrErrors:  ip.InvalidDestinationAddressesReceived.Value() + ip.InvalidSourceAddressesReceived.Value(),
		ReasmFails:    ip.MalformedFragmentsReceived.Value(),
		OutRequests:   ip.PacketsSent.Value(),
		OutDiscards:   ip.OutgoingPacketErrors.Value(),
		InDisabled:    ip.DisabledPacketsReceived.Value(),
		InUnknownL4:   sum(g.NICs.UnknownL4ProtocolRcvdPacketCounts),
		InMalformedL4: g.NICs.MalformedL4RcvdPackets.Value(),
	}
}

func sum(m *tcpip.IntegralStatCounterMap) (n uint64) {
	for _, k := range m.Keys() {
		if c, ok := m.Get(k); ok {
			n += c.Value()
		}
	}
	return n
}

func arpStats(a *tcpip.ARPStats) ARPStats {
	return ARPStats{
		InPackets:   a.PacketsReceived.Value(),
		InRequests:  a.RequestsReceived.Value(),
		InReplies:   a.RepliesReceived.Value(),
		InErrors:    a.MalformedPacketsReceived.Value(),
		OutRequests: a.OutgoingRequestsSent.Value(),
		OutReplies:  a.OutgoingRepliesSent.Value(),
		OutDropped:  a.OutgoingRequestsDropped.Value() + a.OutgoingRepliesDropped.Value(),
	}
}

func icmp4Stats(i *tcpip.ICMPv4Stats) ICMPStats {
	in, out := &i.PacketsReceived, &i.PacketsSent
	return ICMPStats{
		InErrors:        in.Invalid.Value(),
		InEchos:         in.EchoRequest.Value(),
		InEchoReps:      in.EchoReply.Value(),
		InDestUnreachs:  in.DstUnreachable.Value(),
		OutErrors:       out.Dropped.Value(),
		OutRateLimited:  out.RateLimited.Value(),
		OutEchos:        out.EchoRequest.Value(),
		OutEchoReps:     out.EchoReply.Value(),
		OutDestUnreachs: out.DstUnreachable.Value(),
	}
}

func icmp6Stats(i *tcpip.ICMPv6Stats) ICMPStats {
	in, out := &i.PacketsReceived, &i.PacketsSent
	return ICMPStats{
		InErrors:        in.Invalid.Value(),
		InEchos:         in.EchoRequest.Value(),
		InEchoReps:      in.EchoReply.Value(),
		InDestUnreachs:  in.DstUnreachable.Value(),
		OutErrors:       out.Dropped.Value(),
		OutRateLimited:  out.RateLimited.Value(),
		OutEchos:        out.EchoRequest.Value(),
		OutEchoReps:     out.EchoReply.Value(),
		OutDestUnreachs: out.DstUnreachable.Value(),
	}
}

func udpStats(u *tcpip.UDPStats) UDPStats {
	return UDPStats{
		InDatagrams:  u.PacketsReceived.Value(),
		NoPorts:      u.UnknownPortErrors.Value(),
		InErrors:     u.MalformedPacketsReceived.Value(),
		RcvbufErrors: u.ReceiveBufferErrors.Value(),
		InCsumErrors: u.ChecksumErrors.Value(),
		OutDatagrams: u.PacketsSent.Value(),
		OutErrors:    u.PacketSendErrors.Value(),
	}
}

func tcpStats(t *tcpip.TCPStats) TCPStats {
	return TCPStats{
		ActiveOpens:     t.ActiveConnectionOpenings.Value(),
		PassiveOpens:    t.PassiveConnectionOpenings.Value(),
		AttemptFails:    t.FailedConnectionAttempts.Value(),
		EstabResets:     t.EstablishedResets.Value(),
		CurrEstab:       t.CurrentEstablished.Value(),
		InSegs:          t.ValidSegmentsReceived.Value(),
		InErrs:          t.InvalidSegmentsReceived.Value(),
		InCsumErrors:    t.ChecksumErrors.Value(),
		OutSegs:         t.SegmentsSent.Value(),
		OutErrs:         t.SegmentSendErrors.Value(),
		OutRsts:         t.ResetsSent.Value(),
		RetransSegs:     t.Retransmits.Value(),
		TCPTimeouts:     t.Timeouts.Value(),
		FastRetrans:     t.FastRetransmit.Value(),
		ListenOverflows: t.ListenOverflowSynDrop.Value() + t.ListenOverflowAckDrop.Value(),
	}
}
