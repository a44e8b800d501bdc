//go:build arm

package main

import (
	"encoding/json"
	"fmt"
	"html"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"os"
	"path"
	"runtime"
	"time"

	"github.com/gasp-go/gasp"
	"github.com/gasp-go/gasp/board/kernel"
	"github.com/gasp-go/gasp/console/loghttp"
	"github.com/gasp-go/gasp/console/netconsole/nchttp"
	"github.com/gasp-go/gasp/stack/pcap"
	"github.com/gasp-go/gasp/stack/pcap/pcaphttp"
)

// serveHTTP serves port 80 and returns only if it cannot.
func serveHTTP(sys *gasp.System) {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) { statusPage(w, sys) })
	mux.HandleFunc("GET /stats.json", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		e.Encode(sys.Stats())
	})
	mux.Handle("/dmesg", loghttp.Dmesg())
	mux.Handle("/log", loghttp.Dmesg())
	mux.Handle("/pstore/", loghttp.Pstore(sys.Ramoops))
	for _, dir := range []string{"/proc/", "/sys/"} {
		mux.HandleFunc("GET "+dir, filePage)
		mux.HandleFunc("PUT "+dir, func(w http.ResponseWriter, r *http.Request) { paramPage(w, r, sys) })
	}
	nc := nchttp.Handler("/netconsole", sys.Netconsole())
	mux.Handle("/netconsole", nc)
	mux.Handle("/netconsole/", nc)
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("POST /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	mux.Handle("/debug/pcap", captures(sys))
	mux.HandleFunc("POST /die", func(w http.ResponseWriter, r *http.Request) { diePage(w, r, sys) })
	mux.HandleFunc("POST /load", func(w http.ResponseWriter, r *http.Request) { loadPage(w, r, sys) })
	ln, err := net.Listen("tcp", ":80")
	if err != nil {
		slog.Error("http", "err", err)
		return
	}
	slog.Info("http: listening", "addr", ":80")
	srv := http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: time.Minute}
	slog.Error("http", "err", srv.Serve(ln))
}

// captures serves what the interfaces record.
func captures(sys *gasp.System) http.Handler {
	var r []*pcap.Recorder
	for _, n := range sys.Interfaces {
		r = append(r, n.Capture)
	}
	return pcaphttp.Handler(kernel.Nanotime, r...)
}

// filePage shows a file of /proc or /sys.
func filePage(w http.ResponseWriter, r *http.Request) {
	b, err := os.ReadFile(path.Clean(r.URL.Path))
	if err != nil {
		http.Error(w, err.Error(), http.StatusNotFound)
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Write(b)
}

// paramPage writes to one, if it is a parameter.
func paramPage(w http.ResponseWriter, r *http.Request, sys *gasp.System) {
	b, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 64))
	if err == nil {
		err = sys.SetParam(path.Clean(r.URL.Path), string(b))
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// mayDie answers for itself if the boot arguments do not allow what may be the end.
func mayDie(w http.ResponseWriter, sys *gasp.System) bool {
	ok := sys.Args.Gasp["die"] == "1"
	if !ok {
		http.Error(w, "not allowed: boot with gasp.die=1", http.StatusForbidden)
	}
	return ok
}

// loadPage has the firmware send datagrams to udp= from now on, as fast as it can.
func loadPage(w http.ResponseWriter, r *http.Request, sys *gasp.System) {
	if !mayDie(w, sys) {
		return
	}
	c, err := net.Dial("udp", r.FormValue("udp"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	go load(c)
	fmt.Fprintln(w, "sending")
}

// diePage ends the firmware in the way asked, after the answer was received and the
// time that after= asks for has passed.
func diePage(w http.ResponseWriter, r *http.Request, sys *gasp.System) {
	how := r.FormValue("how")
	if !mayDie(w, sys) {
		return
	}
	if !deadly(how) {
		http.Error(w, fmt.Sprintf("how=%q is none of: %s", how, ways()), http.StatusBadRequest)
		return
	}
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	defer conn.Close()
	body := "dying of " + how + "\n"
	fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s", len(body), body)
	// Who got the answer closes the connection.
	conn.SetReadDeadline(time.Now().Add(5 * time.Second))
	io.Copy(io.Discard, conn)
	after, _ := time.ParseDuration(r.FormValue("after"))
	go func() { // not under the server, which recovers panics
		time.Sleep(after)
		die(how)
	}()
}

type row struct{ Name, Value string }

func statusPage(w http.ResponseWriter, sys *gasp.System) {
	st := sys.Stats()
	idle := 0.0
	if st.Uptime > 0 {
		idle = 100 * float64(st.CPU.Idle) / float64(st.Uptime)
	}
	rows := []row{
		{"memory used", fmt.Sprintf("%d KiB", st.Memory.Used>>10)},
		{"memory free", fmt.Sprintf("%d KiB", st.Memory.Free>>10)},
		{"CPU idle", fmt.Sprintf("%.1f %%", idle)},
		{"threads", fmt.Sprint(st.CPU.Threads)},
		{"goroutines", fmt.Sprint(runtime.NumGoroutine())},
	}
	for _, n := range st.Interfaces {
		rows = append(rows,
			row{n.Name + " address", n.Addresses.IPv4.String()},
			row{n.Name + " received", fmt.Sprintf("%d frames, %d dropped, %d errors", n.Stack.Device.RxPackets, n.Stack.Device.RxDropped, n.Stack.Device.RxErrors)},
			row{n.Name + " sent", fmt.Sprintf("%d frames, %d dropped, %d errors", n.Stack.Device.TxPackets, n.Stack.Device.TxDropped, n.Stack.Device.TxErrors)},
		)
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	fmt.Fprintf(w, pageHead, kernel.Version, runtime.Version(), sys.Board.Name, time.Duration(st.Uptime).Round(time.Millisecond))
	for _, r := range rows {
		fmt.Fprintf(w, "<tr><td>%s<td>%s\n", html.EscapeString(r.Name), html.EscapeString(r.Value))
	}
	io.WriteString(w, pageFoot)
}

// The page is put together by hand: package html/template would keep every
// method of every type in the image, which doubles it.
const (
	pageHead = `<!DOCTYPE html>
<title>gasp</title>
<style>body{font:14px sans-serif;margin:2em}td{padding:0 1em 0 0}td+td{text-align:right}</style>
<h1>gasp %s</h1>
<p>%s on %s, up %s</p>
<table>
`
	pageFoot = `</table>
<p><a href="/stats.json">all counters</a> <a href="/dmesg">log</a> <a href="/pstore/">earlier logs</a> <a href="/debug/pprof/">profiles</a>
`
)
