//go:build arm

// Command client is a firmware for the system tests: asked over HTTP, it looks up
// names with Go's own resolver and sends datagrams, and tells what came of it.
package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/gasp-go/gasp"
)

func main() {
	gasp.Start()
	http.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) { fmt.Fprintln(w, "ready") })
	http.HandleFunc("GET /lookup/{name}/{ms}", func(w http.ResponseWriter, r *http.Request) {
		limit, err := time.ParseDuration(r.PathValue("ms") + "ms")
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		fmt.Fprint(w, lookup(r.PathValue("name"), limit))
	})
	datagrams()
	panic(http.ListenAndServe(":80", nil))
}

// lookup returns the addresses of a host, sorted, or what kind of error it was.
func lookup(host string, limit time.Duration) string {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	addrs, err := net.DefaultResolver.LookupHost(ctx, host)
	var e *net.DNSError
	switch {
	case err == nil:
		slices.Sort(addrs)
		return strings.Join(addrs, " ")
	case !errors.As(err, &e):
		return err.Error()
	case e.IsNotFound:
		return "not found"
	case e.IsTimeout:
		return "timeout"
	}
	return e.Err
}
