package panics

import "github.com/gasp-go/gasp/console"

// warning is the report of a soft lockup; its steps are the panic path's.
var warning state

// Softlockup reports in the log that goroutines have not run for stuck ns, in
// Linux's words: who has the CPU, with its registers and call trace as c has them,
// and where the threads and goroutines are. The firmware goes on. Trap context.
func Softlockup(c *Cause, stuck int64, who string) {
	s := &warning
	s.cause = *c
	s.begin().Str("watchdog: BUG: soft lockup - CPU#0 stuck for ").Dec(uint64(stuck) / 1e9).Str("s! [").
		Str(who).Str(":").Dec(uint64(c.Thread)).Str("]")
	console.Emit(console.Emerg, console.FacKern, s.text.Bytes(), nil)
	for _, step := range [...]func(s *state, i int, t *Text) (console.Level, bool){identity, registers, backtrace, threads, goroutines} {
		for i := range maxLines {
			level, ok := step(s, i, s.begin())
			if !ok {
				break
			}
			console.Emit(level, console.FacKern, s.text.Bytes(), nil)
			if hooks.Pet != nil {
				hooks.Pet()
			}
		}
	}
}

// Hung is the cause of death by a soft lockup, in c's place.
func Hung(c *Cause) {
	c.Kind = Bug
	c.N = copy(c.Message[:], "softlockup: hung tasks")
}
