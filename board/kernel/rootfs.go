//go:build arm

package kernel

// Made texts (proc.go) and devices (device.go).
const (
	procEmpty = iota
	procCmdline
	procEnviron
	procMaps
	procStatus
	procStat
	procAuxv
	procMeminfo
	procCPUInfo
	procUptime
	procVersion
)

const (
	devNull = iota
	devZero
	devRandom
)

const (
	hostname  = "gasp"
	osRelease = "5.10.0-gasp" // the interface that is imitated
	exePath   = "/gasp"       // this program; there is no such file
)

// rootfs is what there is at boot.
var rootfs = [...]struct {
	path string
	kind nodeKind
	id   uint8
	text string
}{
	{path: "/dev/null", kind: nodeDevice, id: devNull},
	{path: "/dev/zero", kind: nodeDevice, id: devZero},
	{path: "/dev/random", kind: nodeDevice, id: devRandom},
	{path: "/dev/urandom", kind: nodeDevice, id: devRandom},
	{path: "/etc/group", kind: nodeFile, text: "root:x:0:\n"},
	{path: "/etc/hosts", kind: nodeFile, text: "127.0.0.1\tlocalhost " + hostname + "\n::1\tlocalhost ip6-localhost\n"},
	{path: "/etc/nsswitch.conf", kind: nodeFile, text: "hosts: files dns\n"},
	{path: "/etc/passwd", kind: nodeFile, text: "root:x:0:0:root:/:/bin/false\n"},
	{path: "/etc/protocols", kind: nodeFile, text: protocols},
	{path: "/etc/resolv.conf", kind: nodeFile, text: "# no name server is known yet\n"},
	{path: "/etc/services", kind: nodeFile, text: services},
	{path: "/proc/cpuinfo", kind: nodeProc, id: procCPUInfo},
	{path: "/proc/meminfo", kind: nodeProc, id: procMeminfo},
	{path: "/proc/self/auxv", kind: nodeProc, id: procAuxv},
	{path: "/proc/self/cmdline", kind: nodeProc, id: procCmdline},
	{path: "/proc/self/environ", kind: nodeProc, id: procEnviron},
	{path: "/proc/self/exe", kind: nodeLink, text: exePath},
	{path: "/proc/self/maps", kind: nodeProc, id: procMaps},
	{path: "/proc/self/stat", kind: nodeProc, id: procStat},
	{path: "/proc/self/status", kind: nodeProc, id: procStatus},
	{path: "/proc/sys/kernel/hostname", kind: nodeFile, text: hostname + "\n"},
	{path: "/proc/sys/kernel/osrelease", kind: nodeFile, text: osRelease + "\n"},
	{path: "/proc/sys/net/core/somaxconn", kind: nodeFile, text: "4096\n"},
	{path: "/proc/uptime", kind: nodeProc, id: procUptime},
	{path: "/proc/version", kind: nodeProc, id: procVersion},
	{path: "/tmp", kind: nodeDir},
}

// initVFS builds the tree. The Go pointers it stores are static data's, and no
// collector runs yet.
func initVFS() {
	nodes[0] = node{child: noNode, last: noNode, next: noNode, content: noNode}
	nNodes = 1
	for i := range rootfs {
		r := &rootfs[i]
		n := addNode(r.path, r.kind)
		if n < 0 {
			puts("rootfs: too many files\n")
			return
		}
		nodes[n].id = r.id
		if r.kind == nodeFile || r.kind == nodeLink {
			addContent(n, r.text)
		}
	}
	unpackFiles()
}

// IANA's numbers and names.
const (
	protocols = `ip	0	IP
icmp	1	ICMP
igmp	2	IGMP
tcp	6	TCP
udp	17	UDP
ipv6	41	IPv6
ipv6-icmp	58	IPv6-ICMP
sctp	132	SCTP
`
	services = `echo	7/tcp
echo	7/udp
discard	9/tcp
discard	9/udp
chargen	19/tcp
chargen	19/udp
ftp	21/tcp
ssh	22/tcp
telnet	23/tcp
smtp	25/tcp
time	37/tcp
time	37/udp
domain	53/tcp
domain	53/udp
bootps	67/udp
bootpc	68/udp
tftp	69/udp
http	80/tcp
ntp	123/udp
imap2	143/tcp	imap
snmp	161/udp
https	443/tcp
https	443/udp
syslog	514/udp
imaps	993/tcp
pop3s	995/tcp
mdns	5353/udp
`
)
