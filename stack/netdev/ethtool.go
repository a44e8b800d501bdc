package netdev

// Ethtool is a Driver that can be asked and told what ethtool asks and tells,
// the options beside each. Any of its operations may return ErrUnsupported.
// Goroutine.
type Ethtool interface {
	Offloader                             // -k, -K
	DriverInfo() DriverInfo               // -i
	LinkSettings() (LinkSettings, error)  // without an option
	SetLinkSettings(LinkSettings) error   // -s
	Renegotiate() error                   // -r
	RingParam() RingParam                 // -g
	SetRingParam(rx, tx int) error        // -G; an open device loses what is in its rings
	Coalesce() (Coalesce, error)          // -c
	SetCoalesce(Coalesce) error           // -C
	PauseParam() PauseParam               // -a
	SetPauseParam(autoneg, on bool) error // -A
	Registers() []Register                // -d; nil while the device has no power
	Statistics() []Stat                   // -S
}

// DriverInfo says what drives a device, and where it is.
type DriverInfo struct {
	Driver string `json:"driver"`
	Bus    string `json:"bus_info"` // where the device is
	PHY    string `json:"phy"`      // address and identifier, "" while there is none
}

// LinkSettings are a link's. With Autoneg, Speed and Full are what was agreed,
// and in SetLinkSettings the only mode that is offered, or with Speed 0 all.
// Without, they are what the PHY is told.
type LinkSettings struct {
	Autoneg bool `json:"autoneg"`
	Speed   int  `json:"speed"` // Mb/s
	Full    bool `json:"full_duplex"`
	Up      bool `json:"link"` // not to be set
}

// RingParam are the rings' sizes in descriptors.
type RingParam struct {
	RxMax int `json:"rx_max"`
	TxMax int `json:"tx_max"`
	Rx    int `json:"rx"`
	Tx    int `json:"tx"`
}

// Coalesce is how long a device waits with its interrupt: until that many
// frames, but no longer than that many microseconds after the first. Frames 0
// or 1, or a time of 0, is no waiting.
type Coalesce struct {
	RxUsecs  int `json:"rx_usecs"`
	RxFrames int `json:"rx_frames"`
	TxUsecs  int `json:"tx_usecs"`
	TxFrames int `json:"tx_frames"`
}

// PauseParam is the use of pause frames, in both directions alike.
type PauseParam struct {
	Autoneg bool `json:"autoneg"` // as agreed with the partner
	On      bool `json:"on"`      // as agreed, or without Autoneg as told
}

// Register is one register of a device.
type Register struct {
	Name   string `json:"name"`
	Offset uint32 `json:"offset"`
	Value  uint32 `json:"value"`
}

// Stat is one statistic.
type Stat struct {
	Name  string `json:"name"`
	Value uint64 `json:"value"`
}

// EthtoolReport is what a device says of itself, for JSON.
type EthtoolReport struct {
	DriverInfo
	Link      LinkSettings `json:"link"`
	Ring      RingParam    `json:"ring"`
	Coalesce  *Coalesce    `json:"coalesce,omitempty"` // nil: the device does not
	Pause     PauseParam   `json:"pause"`
	Features  []string     `json:"features"`
	Registers []Register   `json:"registers,omitempty"`
}

// Ethtool returns what the device says of itself, nil if its driver is not an
// Ethtool. Goroutine.
func (d *Device) Ethtool() *EthtoolReport {
	e, ok := d.drv.(Ethtool)
	if !ok {
		return nil
	}
	r := &EthtoolReport{DriverInfo: e.DriverInfo(), Ring: e.RingParam(), Pause: e.PauseParam(), Registers: e.Registers()}
	r.Link, _ = e.LinkSettings()
	if c, err := e.Coalesce(); err == nil {
		r.Coalesce = &c
	}
	on, _ := e.Features()
	r.Features = on.Names()
	return r
}

// Names returns the names of features as ethtool -k has them.
func (f Features) Names() []string {
	names := []string{}
	if f&FeatureRxChecksum != 0 {
		names = append(names, "rx-checksumming")
	}
	if f&FeatureTxChecksum != 0 {
		names = append(names, "tx-checksum-ipv4")
	}
	return names
}
