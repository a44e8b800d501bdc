package panics

import "github.com/gasp-go/gasp/console"

// pollBudget is how many received frames are taken from a device at a time.
const pollBudget = 64

// wait carries out the policy: restart at once, after a time, or never. While
// it waits the network devices are polled, so the board answers ARP and echo
// requests, and consoles that could not be reached get the rest.
func (s *state) wait() {
	if !s.waiting {
		s.waiting = true
		s.began = now()
		if hooks.Timeout > 0 && s.depth <= maxDepth {
			t := s.begin()
			t.Str("Rebooting in ").Dec(uint64(hooks.Timeout)).Str(" seconds..")
			s.emit(console.Emerg)
		}
	}
	for {
		if hooks.Timeout < 0 || hooks.Timeout > 0 && s.expired() {
			if hooks.Restart != nil {
				hooks.Restart()
			}
			// It came back: there is nothing left but to stay.
		}
		if s.depth > maxDepth && hooks.Timeout == 0 {
			continue // nothing works: the watchdog is not kept content any more
		}
		beats.Add(1)
		if s.depth <= maxDepth {
			s.poll()
		}
		if hooks.Idle != nil {
			hooks.Idle()
		}
	}
}

// poll serves the network once. A device that faulted here is left alone.
func (s *state) poll() {
	for i := range pollers {
		if i >= int(npollers.Load()) {
			break
		}
		if s.bad[i] {
			continue
		}
		s.polling = i + 1
		pollers[i].Panic() // does nothing if it was seized before
		pollers[i].Poll(pollBudget)
		s.polling = 0
	}
	s.emitting = true // a fault here is a console's
	console.Flush()
	s.emitting = false
}

// expired reports whether the time to wait is over. Without a clock it is.
func (s *state) expired() bool {
	return hooks.Now == nil || now()-s.began >= int64(hooks.Timeout)*1e9
}

func now() int64 {
	if hooks.Now == nil {
		return 0
	}
	return hooks.Now()
}
