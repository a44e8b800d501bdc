package console

import (
	"context"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"time"
)

// HandlerOptions configure NewHandler. The zero value is usable.
type HandlerOptions struct {
	Level    slog.Leveler // least level handled; nil: slog.LevelInfo
	Facility uint8        // FacKern unless set
}

// NewHandler returns a slog handler that logs here. Attributes are appended to
// the text as key=value and are the record's dictionary too, where tools find
// them unquoted. Times are the log's own.
func NewHandler(opts *HandlerOptions) slog.Handler {
	h := &handler{log: LogDict}
	if opts != nil {
		h.opts = *opts
	}
	if h.opts.Level == nil {
		h.opts.Level = slog.LevelInfo
	}
	return h
}

type handler struct {
	opts  HandlerOptions
	log   func(level Level, facility uint8, text, dict []byte)
	group string // "a.b.", the prefix of the keys
	text  []byte // of WithAttrs
	dict  []byte
}

// scratch is the memory of one Handle call.
type scratch struct{ text, dict []byte }

var scratches = sync.Pool{New: func() any { return new(scratch) }}

func (h *handler) Enabled(_ context.Context, l slog.Level) bool { return l >= h.opts.Level.Level() }

func (h *handler) Handle(_ context.Context, r slog.Record) error {
	s := scratches.Get().(*scratch)
	s.text = append(append(s.text[:0], r.Message...), h.text...)
	s.dict = append(s.dict[:0], h.dict...)
	r.Attrs(func(a slog.Attr) bool {
		s.attr(h.group, a)
		return true
	})
	h.log(levelOf(r.Level), h.opts.Facility, s.text, s.dict)
	if cap(s.text) <= 4*MaxText && cap(s.dict) <= 4*MaxDict {
		scratches.Put(s)
	}
	return nil
}

func (h *handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	s := scratch{text: append([]byte(nil), h.text...), dict: append([]byte(nil), h.dict...)}
	for _, a := range attrs {
		s.attr(h.group, a)
	}
	n := *h
	n.text, n.dict = s.text, s.dict
	return &n
}

func (h *handler) WithGroup(name string) slog.Handler {
	n := *h
	if name != "" {
		n.group += name + "."
	}
	return &n
}

// attr appends one attribute to text and dictionary.
func (s *scratch) attr(group string, a slog.Attr) {
	v := a.Value.Resolve()
	if v.Kind() == slog.KindGroup {
		if a.Key != "" {
			group += a.Key + "."
		}
		for _, m := range v.Group() {
			s.attr(group, m)
		}
		return
	}
	if a.Equal(slog.Attr{}) {
		return
	}
	key, value := group+a.Key, v.String()
	if v.Kind() == slog.KindTime {
		value = v.Time().Format(time.RFC3339Nano)
	}
	s.text = append(append(append(s.text, ' '), key...), '=')
	if needsQuotes(value) {
		s.text = strconv.AppendQuote(s.text, value)
	} else {
		s.text = append(s.text, value...)
	}
	s.dict = AppendDict(s.dict, key, value)
}

func needsQuotes(s string) bool {
	return s == "" || strings.ContainsFunc(s, func(r rune) bool {
		return r <= ' ' || r == '"' || r == '=' || !strconv.IsPrint(r)
	})
}

func levelOf(l slog.Level) Level {
	switch {
	case l > slog.LevelError:
		return Crit
	case l == slog.LevelError:
		return Err
	case l >= slog.LevelWarn:
		return Warning
	case l > slog.LevelInfo:
		return Notice
	case l == slog.LevelInfo:
		return Info
	}
	return Debug
}
