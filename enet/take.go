package enet

// What the poll does with the receive ring, in MAC.rxAt. It matters while the poll
// holds rxBusy, and only to TakeRx. These are plain stores: on one CPU TakeRx sees
// them in the program's order, and the calls in between keep that to what is
// written.
const (
	inRing  = iota // it may be anywhere in it
	inFrame        // up in the stack with the frame of the descriptor that is next
	outside        // elsewhere, with no frame: it will read the ring anew
)

// TakeRx is PollRx for when the poll does not come back: the network thread is
// blocked in the stack, for a lock that somebody keeps, say. It is safe whether
// the thread is really stuck, or only slow, or goes on right afterwards:
//
//   - With the poll not in the driver at all the ring is free.
//   - With the poll up in the stack (inFrame) the ring is whole; its next descriptor
//     is filled, and the stack reads in that one's buffer. The descriptor goes back
//     to the MAC with the spare buffer (bd.RX.Lend), once; TakeRx goes on behind it
//     and as often as it is called. The poll finds on its return that its frame was
//     lent, returns the buffer, and goes on where TakeRx has left the ring: no frame
//     is taken twice, and what the stack gets is in order.
//   - With the poll outside of the ring nothing is in anybody's hands.
//   - Anywhere else (inRing) the poll may be between a descriptor's words. The ring
//     is not touched. The poll is then not waiting for anybody, so it has only been
//     interrupted, and there is a next time.
//
// NAPI's state is not touched: the poll owns it, with the interrupt masked, until
// it comes back and completes.
//
// Events are left to PollController, and requests (filter, restart) to the poll. It
// returns how many frames it took. Trap context.
func (m *MAC) TakeRx(budget int, fn func(frame []byte)) (n int) {
	if m.state.Load() != stateOpen || m.dead.Load() {
		return 0
	}
	held := !m.rxBusy.CompareAndSwap(false, true)
	if held {
		switch r := m.rx[live]; {
		case m.rxAt == inFrame:
			if !r.Lent() {
				r.Lend()
			}
		case m.rxAt != outside:
			m.count(pollRxBusy)
			return 0
		}
	}
	n = m.drain(live, budget, fn)
	m.n[rxTaken].Add(uint64(n))
	if !held {
		m.rxBusy.Store(false)
	}
	return n
}
