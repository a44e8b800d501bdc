package netdev

// RxFlags say what a driver knows about a received frame.
type RxFlags uint32

const (
	// RxChecksumOK: the device has checked the checksums of the IP header and
	// of TCP, UDP or ICMP, and they are right. Without it nothing is known
	// (Linux: CHECKSUM_UNNECESSARY, CHECKSUM_NONE).
	RxChecksumOK RxFlags = 1 << iota
)

// TxFlags say what is to be done to a frame on its way out. A driver does it,
// in hardware or itself; how is Features' to tell.
type TxFlags uint32

const (
	// TxChecksumL4: insert the checksum of TCP or UDP over IPv4, pseudo-header
	// included. Its field must be 0. Frames that are neither, or fragments,
	// stay as they are.
	TxChecksumL4 TxFlags = 1 << iota

	// TxChecksumIP: insert the IPv4 header's checksum. Its field must be 0.
	TxChecksumIP

	// TxMore: another frame follows in the same section (Linux: xmit_more). The
	// driver may leave it to that to tell the device; whatever becomes of that, the
	// device is told.
	TxMore
)

// Features are what a device does in hardware that can be switched on and off,
// by their names in ethtool -k.
type Features uint32

const (
	FeatureRxChecksum Features = 1 << iota // rx-checksumming
	FeatureTxChecksum                      // tx-checksum-ipv4
)

// Offloader is a Driver whose device has features.
type Offloader interface {
	// Features returns what is on, and what could be. Any context.
	Features() (on, available Features)

	// SetFeatures switches features; asking for one that the device does not
	// have is an error. Goroutine.
	SetFeatures(on Features) error
}

// Features returns what the device does in hardware now. Any context.
func (d *Device) Features() Features {
	if o, ok := d.drv.(Offloader); ok {
		on, _ := o.Features()
		return on
	}
	return 0
}
