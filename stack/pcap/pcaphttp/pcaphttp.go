// Package pcaphttp serves what package pcap records over HTTP.
package pcaphttp

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"time"

	"github.com/gasp-go/gasp/stack/pcap"
)

// maxSeconds bounds a capture.
const maxSeconds = 24 * 3600

// look is how often a capture looks for frames: the recorder works in trap
// context and cannot wake it.
const look = 20 * time.Millisecond

// Handler serves captures of the recorders' devices. now is the recorders'
// clock.
//
//	GET ?count=N&seconds=S  the frames from now on as a pcap file, until there
//	                        were N or S seconds have passed
//	GET                     what is in the ring of a recording that is on
//	POST ?record=on|off     switches a recording on or off
//
// All understand dev= (default: the first device) and snaplen=; GET filter= (see
// pcap.ParseFilter), POST ring= (bytes). The connection over which a capture
// leaves is not in it. The trailer Pcap-Lost says how many frames were
// overwritten before the client could have them.
func Handler(now func() int64, recorders ...*pcap.Recorder) http.Handler {
	return &handler{now, recorders}
}

type handler struct {
	now       func() int64
	recorders []*pcap.Recorder
}

func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	q, err := h.parse(r)
	switch {
	case err != nil:
	case r.Method == http.MethodGet:
		err = h.get(w, r, q)
	case r.Method == http.MethodPost:
		err = h.post(w, q)
	default:
		w.Header().Set("Allow", "GET, POST")
		http.Error(w, "GET or POST", http.StatusMethodNotAllowed)
		return
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
	}
}

// query is a request's parameters. What is not given is zero.
type query struct {
	recorder      *pcap.Recorder
	count         int
	seconds       int
	snaplen, ring int
	filter        pcap.Filter
	record        string
}

func (h *handler) parse(r *http.Request) (q query, err error) {
	for name, values := range r.URL.Query() {
		v := values[len(values)-1]
		switch name {
		case "dev":
			for _, rec := range h.recorders {
				if rec.Device().Name() == v {
					q.recorder = rec
				}
			}
			if q.recorder == nil {
				return q, fmt.Errorf("dev=%q: no such device", v)
			}
		case "count":
			q.count, err = number(name, v, 1<<31-1)
		case "seconds":
			q.seconds, err = number(name, v, maxSeconds)
		case "snaplen":
			q.snaplen, err = number(name, v, 1<<18)
			q.snaplen = min(q.snaplen, pcap.MaxSnap) // no frame is longer
		case "ring":
			q.ring, err = number(name, v, pcap.MaxRing)
		case "filter":
			q.filter, err = pcap.ParseFilter(v)
		case "record":
			if q.record = v; v != "on" && v != "off" {
				err = fmt.Errorf("record=%q: on or off", v)
			}
		default:
			err = fmt.Errorf("unknown parameter %q", name)
		}
		if err != nil {
			return q, err
		}
	}
	if q.recorder == nil {
		if len(h.recorders) == 0 {
			return q, fmt.Errorf("no device")
		}
		q.recorder = h.recorders[0]
	}
	return q, nil
}

func number(name, v string, most int) (int, error) {
	n, err := strconv.Atoi(v)
	if err != nil || n < 1 || n > most {
		return 0, fmt.Errorf("%s=%q: not a number from 1 to %d", name, v, most)
	}
	return n, nil
}

func (h *handler) post(w http.ResponseWriter, q query) error {
	if q.record == "" || q.count != 0 || q.seconds != 0 {
		return fmt.Errorf("POST wants record=on or record=off, and no count= or seconds=")
	}
	if err := q.recorder.Keep(q.record == "on", q.ring, q.snaplen); err != nil {
		return err
	}
	fmt.Fprintf(w, "%s: recording %s\n", q.recorder.Device().Name(), q.record)
	return nil
}

func (h *handler) get(w http.ResponseWriter, r *http.Request, q query) error {
	if q.record != "" || q.ring != 0 {
		return fmt.Errorf("record= and ring= are for POST")
	}
	follow := q.count > 0 || q.seconds > 0
	if !follow && !q.recorder.Kept() {
		return fmt.Errorf("no recording is on: say count= or seconds=, or switch one on with POST record=on")
	}
	if err := q.recorder.Start(0, 0); err != nil {
		return err
	}
	defer q.recorder.Stop()
	snap := q.snaplen
	if snap == 0 {
		snap = pcap.MaxSnap
	}
	c := &capture{query: q, w: bufio.NewWriterSize(w, 4<<10), done: r.Context().Done()}
	c.offset = time.Now().UnixNano() - h.now()
	c.filter = without(q.filter, r)
	if follow {
		c.cursor = q.recorder.Newest()
	} else {
		c.cursor = q.recorder.Oldest()
		c.until = h.now()
	}
	w.Header().Set("Content-Type", "application/vnd.tcpdump.pcap")
	w.Header().Set("Content-Disposition", `attachment; filename="`+q.recorder.Device().Name()+`.pcap"`)
	w.Header().Set("Trailer", "Pcap-Lost")
	var err error
	if c.file, err = pcap.NewWriter(c.w, snap); err == nil {
		c.run(http.NewResponseController(w))
	}
	w.Header().Set("Pcap-Lost", strconv.FormatUint(c.cursor.Lost(), 10))
	return nil // the client has its answer, or has gone
}

// without excepts the request's own connection from the filter.
func without(f pcap.Filter, r *http.Request) pcap.Filter {
	local, _ := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	remote, err := netip.ParseAddrPort(r.RemoteAddr)
	if local == nil || err != nil {
		return f
	}
	us, err := netip.ParseAddrPort(local.String())
	if err != nil {
		return f
	}
	return f.Without(us, remote)
}

// capture is one GET.
type capture struct {
	query
	cursor *pcap.Cursor
	file   *pcap.Writer
	w      *bufio.Writer
	done   <-chan struct{} // the client has gone
	until  int64           // of a dump: the time of the newest frame in it
	offset int64           // from the recorder's clock to Unix time

	written int
}

// batch is how many frames are looked at before anything else.
const batch = 256

// run writes frames until it is enough. A client that has gone ends it too.
func (c *capture) run(client *http.ResponseController) {
	var end <-chan time.Time
	if c.seconds > 0 {
		end = time.After(time.Duration(c.seconds) * time.Second)
	}
	tick := time.NewTicker(look)
	defer tick.Stop()
	for {
		over, all := c.some()
		// The header too is sent at once: the client sees that it has begun.
		if c.w.Flush() != nil || client.Flush() != nil || over {
			return
		}
		if !all {
			select {
			case <-end:
				return
			default:
			}
			continue
		}
		if c.until != 0 {
			return
		}
		select {
		case <-tick.C:
		case <-end:
			return
		case <-c.done:
			return
		}
	}
}

// some writes some frames and reports whether that was enough, or failed, and
// whether there are no more for now.
func (c *capture) some() (over, all bool) {
	for range batch {
		rec, ok := c.cursor.Next()
		if !ok || c.until != 0 && rec.Time > c.until {
			return false, true
		}
		if !c.filter.Match(rec.Data) {
			continue
		}
		if c.file.WriteFrame(time.Unix(0, rec.Time+c.offset), rec.Len, rec.Data) != nil {
			return true, false
		}
		if c.written++; c.written == c.count {
			return true, false
		}
	}
	return false, false
}
