// Package loghttp serves the log over HTTP: as dmesg prints it, and what earlier
// lives left in persistent memory.
package loghttp

import (
	"encoding/json"
	"errors"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gasp-go/gasp/console"
)

// followPeriod is how often a request that follows the log looks for more.
const followPeriod = 100 * time.Millisecond

// Dmesg returns a handler that answers GET with the log's records, the oldest
// first. Its parameters are dmesg's options where that has them:
//
//	level=err,warn    only these levels; warn+ is warn and what is more severe
//	facility=kern     only these facilities (kern, user, daemon, ..., local0, or numbers)
//	seq=17            from the record with this number on
//	since=12.5        from this time on, in seconds since boot
//	follow            do not end; send new records as they come
//	format=text       lines with the time in front, as on a console (the default)
//	format=kmsg       Linux's /dev/kmsg: level,seq,usec,flag;text, then the
//	                  dictionary's entries as lines that begin with a space
//	format=json       one object a line
//
// Records that the ring no longer has are told by one that says how many, with the
// number of the last of them.
func Dmesg() http.Handler { return dmesg{console.Read, console.NextSeq} }

type dmesg struct {
	read func(seq uint64, r *console.Record) (ok bool, lost uint64)
	next func() uint64
}

// query is what a request asks for.
type query struct {
	levels     [8]bool
	facilities []uint8 // none: all
	seq        uint64
	since      int64 // ns
	follow     bool
	append     func(dst []byte, r *console.Record) []byte
	mime       string
}

func (d dmesg) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "use GET", http.StatusMethodNotAllowed)
		return
	}
	q, err := parse(r.URL.Query())
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", q.mime)
	w.Header().Set("Cache-Control", "no-store")
	if r.Method == http.MethodHead {
		return
	}
	rec := new(console.Record)
	var out []byte
	// Unless it follows, it gets what there is now: a program that logs while it
	// sends its log does not go on for ever.
	end := d.next()
	if q.follow {
		end = math.MaxUint64
	}
	for seq := q.seq; seq < end && r.Context().Err() == nil; {
		out = out[:0]
		more := false
		for n := 0; len(out) < 4096 && n < 1000 && seq < end; n++ {
			ok, lost := d.read(seq, rec)
			if lost > 0 && q.levels[console.Warning] {
				var notice console.Record
				notice.SetLost(lost, seq+lost, rec.Time)
				out = q.append(out, &notice)
			}
			if !ok {
				seq += lost
				break
			}
			seq, more = rec.Seq+1, true
			if q.wants(rec) {
				out = q.append(out, rec)
			}
		}
		if _, err := w.Write(out); err != nil {
			return
		}
		switch {
		case more:
		case !q.follow:
			return
		default:
			if http.NewResponseController(w).Flush() != nil {
				return
			}
			select {
			case <-r.Context().Done():
				return
			case <-time.After(followPeriod):
			}
		}
	}
}

func (q *query) wants(r *console.Record) bool {
	return q.levels[r.Level&7] && r.Time >= q.since &&
		(q.facilities == nil || slices.Contains(q.facilities, r.Facility))
}

func parse(v url.Values) (*query, error) {
	q := &query{append: appendText, mime: "text/plain; charset=utf-8"}
	for key := range v {
		if !slices.Contains([]string{"level", "facility", "seq", "since", "follow", "format"}, key) {
			return nil, errors.New("unknown parameter " + strconv.Quote(key) + ": there are level, facility, seq, since, follow, format")
		}
	}
	if err := q.setLevels(v.Get("level")); err != nil {
		return nil, err
	}
	for name := range strings.SplitSeq(v.Get("facility"), ",") {
		if name == "" {
			continue
		}
		f, ok := console.ParseFacility(name)
		if !ok {
			return nil, errors.New("no facility " + strconv.Quote(name))
		}
		q.facilities = append(q.facilities, f)
	}
	if s := v.Get("seq"); s != "" {
		n, err := strconv.ParseUint(s, 10, 64)
		if err != nil {
			return nil, errors.New("seq is a number")
		}
		q.seq = n
	}
	if s := v.Get("since"); s != "" {
		sec, err := strconv.ParseFloat(s, 64)
		if err != nil || !(sec >= 0 && sec < 9e9) {
			return nil, errors.New("since is seconds since boot")
		}
		q.since = int64(sec * 1e9)
	}
	if v.Has("follow") {
		switch v.Get("follow") {
		case "", "1", "true":
			q.follow = true
		case "0", "false":
		default:
			return nil, errors.New("follow is 0 or 1")
		}
	}
	switch v.Get("format") {
	case "", "text":
	case "kmsg":
		q.append = console.AppendKmsg
	case "json":
		q.append, q.mime = appendJSON, "application/x-ndjson"
	default:
		return nil, errors.New("format is text, kmsg or json")
	}
	return q, nil
}

// setLevels reads names or numbers, each with a + for those more severe too.
func (q *query) setLevels(list string) error {
	if list == "" {
		for i := range q.levels {
			q.levels[i] = true
		}
		return nil
	}
	for name := range strings.SplitSeq(list, ",") {
		name, up := strings.CutSuffix(name, "+")
		l, ok := console.ParseLevel(name)
		if !ok {
			return errors.New("no level " + strconv.Quote(name))
		}
		q.levels[l] = true
		for up && l > 0 {
			l--
			q.levels[l] = true
		}
	}
	return nil
}

func appendText(dst []byte, r *console.Record) []byte { return console.AppendLine(dst, r, true) }

// entry is a record in JSON. Bytes that are no UTF-8 become U+FFFD.
type entry struct {
	Seq      uint64            `json:"seq"`
	Usec     int64             `json:"usec"`
	Level    string            `json:"level"`
	Facility string            `json:"facility"`
	Cont     bool              `json:"cont,omitempty"`
	Lost     uint64            `json:"lost,omitempty"`
	Text     string            `json:"text"`
	Dict     map[string]string `json:"dict,omitempty"`
}

func appendJSON(dst []byte, r *console.Record) []byte {
	e := entry{
		Seq: r.Seq, Usec: max(r.Time, 0) / 1000, Level: r.Level.String(), Facility: console.FacilityName(r.Facility),
		Cont: r.Cont, Lost: r.Lost, Text: string(r.Message()),
	}
	for kv := range strings.SplitSeq(string(r.Dictionary()), "\x00") {
		if key, value, ok := strings.Cut(kv, "="); ok {
			if e.Dict == nil {
				e.Dict = map[string]string{}
			}
			e.Dict[key] = value
		}
	}
	b, err := json.Marshal(&e)
	if err != nil {
		return dst
	}
	return append(append(dst, b...), '\n')
}
