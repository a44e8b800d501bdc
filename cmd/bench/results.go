package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/gasp-go/gasp/internal/bench/guest"
	"github.com/gasp-go/gasp/internal/qemu"
)

// results collects what a guest prints.
type results struct{ list []guest.Result }

// line takes one line; what is no result is passed over.
func (r *results) line(l string) {
	var one guest.Result
	if json.Unmarshal([]byte(l), &one) != nil || one.Row == "" {
		return
	}
	r.list = append(r.list, one)
	fmt.Fprintf(os.Stderr, "%s: %.1f %s\n", one.Row, one.Cost, one.Err)
}

// end returns the results, or why there are none, with the end of the guest's
// console.
func (r *results) end(err error, console *qemu.Log) ([]guest.Result, error) {
	if err == nil && len(r.list) == 0 {
		err = errors.New("the guest gave no results")
	}
	if err != nil {
		return nil, fmt.Errorf("%w; its console's end:\n%s", err, strings.Join(console.Tail(20), "\n"))
	}
	return r.list, nil
}
