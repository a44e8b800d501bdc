package qemu

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
)

// maxLine is where Log cuts a line that does not end.
const maxLine = 16 << 10

// Log collects lines of text written to it, keeps the last ones and lets
// others wait for one. It is safe for use by many goroutines.
type Log struct {
	// Keep is how many lines are kept at least, of which there may be twice
	// as many; 0 means 10000. Line, if set, is called with each line as it
	// completes; it must not use the Log. Both are set before use.
	Keep int
	Line func(string)

	mu      sync.Mutex
	partial []byte
	lines   []string
	dropped int           // lines before lines[0]
	changed chan struct{} // closed when the next line comes
}

// Write takes text; it never fails. Line ends are \n or \r\n.
func (l *Log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := len(p)
	for {
		i := bytes.IndexByte(p, '\n')
		if i < 0 {
			break
		}
		l.partial = append(l.partial, p[:i]...)
		p = p[i+1:]
		l.end()
	}
	l.partial = append(l.partial, p...)
	if len(l.partial) >= maxLine {
		l.end()
	}
	return n, nil
}

// end makes a line of what is there. l.mu is held.
func (l *Log) end() {
	line := strings.TrimSuffix(string(l.partial), "\r")
	l.partial = l.partial[:0]
	keep := l.Keep
	if keep == 0 {
		keep = 10000
	}
	if len(l.lines) >= 2*keep { // not line by line, that would move them all each time
		l.lines = slices.Delete(l.lines, 0, keep)
		l.dropped += keep
	}
	l.lines = append(l.lines, line)
	if l.changed != nil {
		close(l.changed)
		l.changed = nil
	}
	if l.Line != nil {
		l.Line(line)
	}
}

// Flush ends a line that was begun.
func (l *Log) Flush() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.partial) > 0 {
		l.end()
	}
}

// Len is the number of lines there have been.
func (l *Log) Len() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.dropped + len(l.lines)
}

// Lines returns the lines that are kept.
func (l *Log) Lines() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.lines)
}

// Tail returns the last n lines and what there is of the next.
func (l *Log) Tail(n int) []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	t := slices.Clone(l.lines[max(0, len(l.lines)-n):])
	if len(l.partial) > 0 {
		t = append(t, string(l.partial))
	}
	return t
}

// WaitFor returns the first line, from the from-th there has been, that match
// accepts. It waits for it until ctx is done and then fails with the cause.
func (l *Log) WaitFor(ctx context.Context, from int, match func(string) bool) (string, error) {
	for {
		l.mu.Lock()
		for i := max(0, from-l.dropped); i < len(l.lines); i++ {
			if match(l.lines[i]) {
				line := l.lines[i]
				l.mu.Unlock()
				return line, nil
			}
		}
		from = l.dropped + len(l.lines)
		if l.changed == nil {
			l.changed = make(chan struct{})
		}
		changed := l.changed
		l.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
			return "", fmt.Errorf("no such line: %w", context.Cause(ctx))
		}
	}
}
