// Package gasp puts the parts together: a firmware calls Start first thing in
// main and has a console, a network that is configured by the boot arguments,
// and a panic path. The parts are usable on their own; this package is what a
// firmware without special wishes needs.
//
//	import (
//		"net/http"
//
//		"github.com/gasp-go/gasp"
//		_ "github.com/gasp-go/gasp/boards/mx6ulevk"
//	)
//
//	func main() {
//		gasp.Start()
//		panic(http.ListenAndServe(":80", nil))
//	}
//
// The log, its consoles and the panic path are there before main, for deaths in init
// functions. Once Start has returned, packages net and net/http work, on the first
// interface's stack. Build it with "gasp build". See docs/architecture.md for the layers.
package gasp
