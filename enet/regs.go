package enet

// Register offsets and bits of the ENET: i.MX 6UltraLite Applications Processor
// Reference Manual (IMX6ULRM), chapter "10/100-Mbps Ethernet MAC (ENET)",
// section "Memory map/register definition". The names are the manual's. Bits of
// i.MX6Q and i.MX7D are from the same chapters of their manuals.
const (
	regEIR  = 0x004 // Interrupt Event; write 1 to clear
	regEIMR = 0x008 // Interrupt Mask; 1 enables
	regRDAR = 0x010 // Receive Descriptor Active
	regTDAR = 0x014 // Transmit Descriptor Active
	regECR  = 0x024 // Ethernet Control
	regMMFR = 0x040 // MII Management Frame; package mii's
	regMSCR = 0x044 // MII Speed Control; package mii's
	regMIBC = 0x064 // MIB Control
	regRCR  = 0x084 // Receive Control
	regTCR  = 0x0c4 // Transmit Control
	regPALR = 0x0e4 // Physical Address Lower
	regPAUR = 0x0e8 // Physical Address Upper
	regOPD  = 0x0ec // Opcode/Pause Duration
	regIAUR = 0x118 // Descriptor Individual Upper Address
	regIALR = 0x11c // Descriptor Individual Lower Address
	regGAUR = 0x120 // Descriptor Group Upper Address
	regGALR = 0x124 // Descriptor Group Lower Address
	regTXIC = 0x0f0 // Transmit Interrupt Coalescing, ring 0; not on i.MX6Q
	regRXIC = 0x100 // Receive Interrupt Coalescing, ring 0; not on i.MX6Q
	regTFWR = 0x144 // Transmit FIFO Watermark
	regRDSR = 0x180 // Receive Descriptor Ring Start
	regTDSR = 0x184 // Transmit Buffer Descriptor Ring Start
	regMRBR = 0x188 // Maximum Receive Buffer Size
	regRSFL = 0x190 // Receive FIFO Section Full Threshold
	regRSEM = 0x194 // Receive FIFO Section Empty Threshold
	regRAEM = 0x198 // Receive FIFO Almost Empty Threshold
	regRAFL = 0x19c // Receive FIFO Almost Full Threshold
	regFTRL = 0x1b0 // Frame Truncation Length
	regTACC = 0x1c0 // Transmit Accelerator Function Configuration
	regRACC = 0x1c4 // Receive Accelerator Function Configuration
)

// Events, the same bits in EIR and EIMR.
const (
	evBABR  = 1 << 30 // babbling receive: a frame longer than MAX_FL
	evBABT  = 1 << 29 // babbling transmit: a frame longer than MAX_FL
	evGRA   = 1 << 28 // graceful stop is complete
	evTXF   = 1 << 27 // a frame was sent
	evTXB   = 1 << 26 // a transmit descriptor was updated
	evRXF   = 1 << 25 // a frame was received
	evRXB   = 1 << 24 // a receive descriptor that is not a frame's last was updated
	evMII   = 1 << 23 // a management frame is done; package mii's, never acknowledged here
	evEBERR = 1 << 22 // bus error of the DMA: the MAC has cleared ETHEREN
	evLC    = 1 << 21 // late collision
	evRL    = 1 << 20 // collision retry limit
	evUN    = 1 << 19 // transmit FIFO underrun

	evRx     = evRXF | evRXB
	evTx     = evTXF | evTXB
	evErrors = evBABR | evBABT | evEBERR | evLC | evRL | evUN

	// evEnabled is EIMR while interrupts are on. RXB is enabled for the frame
	// that fills the whole ring and has no end: it raises no RXF, and nothing
	// else would get reception going again. TXB says nothing TXF does not.
	evEnabled = evRx | evTXF | evErrors

	// evOurs are the events the driver acknowledges. MII is left to whoever
	// waits for a management frame on this bus.
	evOurs = evRx | evTx | evErrors | evGRA
)

const (
	active = 1 << 24 // RDAR, TDAR: the engine looks at the ring

	ecrRESET   = 1 << 0
	ecrETHEREN = 1 << 1
	ecrEN1588  = 1 << 4 // enhanced descriptors
	ecrSPEED   = 1 << 5 // 1000 Mb/s; i.MX6Q, 7D
	ecrDBSWP   = 1 << 8 // descriptors are little-endian

	rcrDRT      = 1 << 1 // no reception while transmitting (half duplex)
	rcrMIIMODE  = 1 << 2 // always 1 on these parts
	rcrPROM     = 1 << 3 // promiscuous
	rcrFCE      = 1 << 5 // obey pause frames
	rcrRGMIIEN  = 1 << 6
	rcrRMIIMODE = 1 << 8
	rcrRMII10T  = 1 << 9 // RMII at 10 Mb/s
	rcrMAXFL    = 16     // shift of MAX_FL

	tcrGTS  = 1 << 0 // graceful transmit stop
	tcrFDEN = 1 << 2 // full duplex

	tfwrSTRFWD = 1 << 8 // store and forward: no underrun on a busy bus

	raccSHIFT16 = 1 << 7 // two bytes before each received frame

	paurTYPE = 0x8808 // PAUR.TYPE, the type field of pause frames

	icEN    = 1 << 31 // RXIC, TXIC: coalesce
	icCLK   = 1 << 30 // the timer counts the system clock, in steps of 64
	icFT    = 20      // shift of ICFT, frames, 8 bits
	icFTMax = 0xff
	icTTMax = 0xffff // of ICTT, steps

	// Pause frames (section "MAC flow control"). The MAC sends one when its
	// receive FIFO holds more than RSEM units of 8 bytes, which makes sense only
	// if frames do not wait in there until they are complete (RSFL not 0).
	opdPause   = 0xfff0 // OPD: the pause asked for, in slot times
	rsflPause  = 16
	rsemPause  = 0x84
	raemPause  = 8
	raflPause  = 8
	fifoAlmost = 4 // RAEM and RAFL after reset
)
