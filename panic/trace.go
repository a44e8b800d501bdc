package panics

import "github.com/gasp-go/gasp/console"

const (
	maxWords   = 512 // of a stack that are looked at where frames cannot be walked
	maxCalls   = 24  // that are shown of the stack that died
	maxThreads = 16  // that are shown
	maxFrames  = 8   // of each of them

	maxGoroutines = 64 // that are shown, with as many frames
)

// walk goes up a stack, frame by frame, by the frame sizes that the linker noted.
// It holds no pointers and reads nothing but by way of the hooks.
type walk struct {
	pc, lr, sp uint32
	depth      int // frames since the start, or since a signal
	lines      int // made
	done       bool
}

func (w *walk) begin(pc, lr, sp uint32) { *w = walk{pc: pc, lr: lr, sp: sp} }

// next makes a line of the frame it stands on and goes to its caller. It reports
// false at the end.
func (w *walk) next(t *Text) bool {
	if w.done || hooks.Symbolize == nil || hooks.Frame == nil || w.sp&3 != 0 {
		return false
	}
	if hooks.Signal != nil {
		if to, ok := hooks.Signal(w.pc, w.sp); ok {
			t.Str(" <signal>")
			*w = walk{pc: to.PC, lr: to.LR, sp: to.SP, lines: w.lines + 1}
			return true
		}
	}
	at := w.pc
	if w.depth > 0 {
		at -= 4 // the call: what it returns to may be another function
	}
	name, _ := hooks.Symbolize(at)
	if name == "" {
		return false
	}
	t.Str(" ").place(w.pc, at)
	w.depth++
	w.lines++
	size, ok := hooks.Frame(at)
	switch {
	case !ok:
		w.done = true
	case size != 0: // the return address is the lowest word of the frame
		w.pc, ok = hooks.Stack(w.sp, 0)
		w.done = !ok
		w.sp += size
	case w.depth == 1:
		w.pc = w.lr
	default: // the function that began it all
		w.done = true
	}
	return true
}

// backtrace shows who called whom, up to the exception or the thread's start.
// Where the frames cannot be walked, as the PC or the stack is bad, it shows the
// words on the stack that look like return addresses instead. Some of these may be
// left over from earlier calls, hence the question mark.
func backtrace(s *state, i int, t *Text) (console.Level, bool) {
	r := &s.cause.Regs
	if !s.cause.HasRegs || hooks.Stack == nil || hooks.Symbolize == nil || i > maxCalls {
		return 0, false
	}
	if i == 0 {
		t.Str("Call trace:")
		s.walk.begin(r[15], r[14], r[13])
		return console.Warning, true
	}
	if s.walk.next(t) {
		return console.Warning, true
	}
	if s.walk.lines > 1 {
		return 0, false
	}
	i -= s.walk.lines
	for w, found := 0, 0; w < maxWords; w++ {
		pc, ok := hooks.Stack(r[13], w)
		if !ok {
			break
		}
		// A return address is behind a call, so never at a function's start.
		if name, off := hooks.Symbolize(pc); name == "" || off == 0 || pc&3 != 0 {
			continue
		}
		if found++; found == i {
			t.Str(" ? ").place(pc, pc-4)
			return console.Warning, true
		}
	}
	return 0, false
}

// frame makes the next line of the stack of the thread or goroutine shown last, if there
// is one; line 0 begins anew.
func (s *state) frame(i int, t *Text) bool {
	if i == 0 {
		s.shown = 0
	}
	return s.shown > 0 && s.walk.lines < maxFrames && s.walk.next(t)
}

// threads shows where the kernel's threads are, for deaths that the Go runtime
// writes no traceback of.
func threads(s *state, i int, t *Text) (console.Level, bool) {
	if s.cause.Kind == Exit || hooks.Thread == nil {
		return 0, false
	}
	if s.frame(i, t) {
		return console.Warning, true
	}
	if s.shown >= maxThreads || !hooks.Thread(s.shown, t, &s.where) {
		return 0, false
	}
	s.shown++
	s.walk.begin(s.where.PC, s.where.LR, s.where.SP)
	return console.Warning, true
}

// goroutines shows where the goroutines are, for the same deaths, and who created them.
func goroutines(s *state, i int, t *Text) (console.Level, bool) {
	if s.cause.Kind == Exit || hooks.Goroutine == nil {
		return 0, false
	}
	if i == 0 {
		s.goroutine, s.creator = 0, 0
	}
	if s.frame(i, t) {
		return console.Warning, true
	}
	if pc := s.creator; pc != 0 {
		s.creator = 0
		t.Str(" created by ").place(pc, pc-4)
		return console.Warning, true
	}
	if s.shown > maxGoroutines || !hooks.Goroutine(&s.goroutine, t, &s.where, &s.creator) {
		return 0, false
	}
	if s.shown++; s.shown > maxGoroutines {
		t.Reset().Str("There are more goroutines.")
		s.creator = 0
		return console.Warning, true
	}
	s.goroutine++
	s.walk.begin(s.where.PC, s.where.LR, s.where.SP)
	s.walk.done = s.where.PC == 0
	return console.Warning, true
}

// place appends where pc is: function, offset, and source line of the call at.
func (t *Text) place(pc, at uint32) *Text {
	t.symbol(pc)
	if hooks.Line != nil {
		if file, line := hooks.Line(at); line != 0 {
			t.Str(" ").Str(file).Str(":").Dec(uint64(line))
		}
	}
	return t
}
