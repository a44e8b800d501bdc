//go:build arm

package sockets

import "gvisor.dev/gvisor/pkg/tcpip"

// Errno values of linux/arm.
const (
	ePERM           = 1
	eNOENT          = 2
	eAGAIN          = 11
	eACCES          = 13
	eFAULT          = 14
	eEXIST          = 17
	eNODEV          = 19
	eINVAL          = 22
	ePIPE           = 32
	eDESTADDRREQ    = 89
	eMSGSIZE        = 90
	eNOPROTOOPT     = 92
	eOPNOTSUPP      = 95
	eAFNOSUPPORT    = 97
	eADDRINUSE      = 98
	eADDRNOTAVAIL   = 99
	eNETUNREACH     = 101
	eCONNABORTED    = 103
	eCONNRESET      = 104
	eNOBUFS         = 105
	eISCONN         = 106
	eNOTCONN        = 107
	eTIMEDOUT       = 110
	eCONNREFUSED    = 111
	eHOSTDOWN       = 112
	eHOSTUNREACH    = 113
	eALREADY        = 114
	eINPROGRESS     = 115
	eNONET          = 64
	ePROTONOSUPPORT = 93
)

// errnoOf translates the stack's error into Linux's number; 0 for none.
func errnoOf(err tcpip.Error) int {
	switch err.(type) {
	case nil:
		return 0
	case *tcpip.ErrAborted, *tcpip.ErrClosedForSend:
		return ePIPE
	case *tcpip.ErrAddressFamilyNotSupported:
		return eAFNOSUPPORT
	case *tcpip.ErrAlreadyBound, *tcpip.ErrInvalidEndpointState, *tcpip.ErrInvalidOptionValue,
		*tcpip.ErrInvalidPortRange, *tcpip.ErrMalformedHeader:
		return eINVAL
	case *tcpip.ErrAlreadyConnected:
		return eISCONN
	case *tcpip.ErrAlreadyConnecting:
		return eALREADY
	case *tcpip.ErrBadAddress, *tcpip.ErrBadBuffer:
		return eFAULT
	case *tcpip.ErrBadLocalAddress:
		return eADDRNOTAVAIL
	case *tcpip.ErrBroadcastDisabled:
		return eACCES
	case *tcpip.ErrConnectStarted:
		return eINPROGRESS
	case *tcpip.ErrConnectionAborted:
		return eCONNABORTED
	case *tcpip.ErrConnectionRefused:
		return eCONNREFUSED
	case *tcpip.ErrConnectionReset:
		return eCONNRESET
	case *tcpip.ErrDestinationRequired:
		return eDESTADDRREQ
	case *tcpip.ErrDuplicateAddress:
		return eEXIST
	case *tcpip.ErrHostDown:
		return eHOSTDOWN
	case *tcpip.ErrHostUnreachable:
		return eHOSTUNREACH
	case *tcpip.ErrMessageTooLong:
		return eMSGSIZE
	case *tcpip.ErrNetworkUnreachable:
		return eNETUNREACH
	case *tcpip.ErrNoBufferSpace:
		return eNOBUFS
	case *tcpip.ErrNoNet:
		return eNONET
	case *tcpip.ErrNoPortAvailable:
		return eAGAIN
	case *tcpip.ErrNoSuchFile:
		return eNOENT
	case *tcpip.ErrNotConnected:
		return eNOTCONN
	case *tcpip.ErrNotPermitted:
		return ePERM
	case *tcpip.ErrNotSupported, *tcpip.ErrQueueSizeNotSupported:
		return eOPNOTSUPP
	case *tcpip.ErrPortInUse:
		return eADDRINUSE
	case *tcpip.ErrTimeout:
		return eTIMEDOUT
	case *tcpip.ErrUnknownDevice, *tcpip.ErrUnknownNICID, *tcpip.ErrInvalidNICID:
		return eNODEV
	case *tcpip.ErrUnknownProtocol:
		return ePROTONOSUPPORT
	case *tcpip.ErrUnknownProtocolOption:
		return eNOPROTOOPT
	case *tcpip.ErrWouldBlock:
		return eAGAIN
	}
	return eINVAL
}
