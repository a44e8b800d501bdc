// Package gasp puts the parts together: a firmware calls Start first thing in
// main and has a console, a network that is configured by the boot arguments,
// and a panic path. The parts are usable on their own; this package is what a
// firmware without special wishes needs.
//
//	import (
//		"github.com/gasp-go/gasp"
//		_ "github.com/gasp-go/gasp/boards/mx6ulevk"
//	)
//
//	func main() {
//		sys := gasp.Start()
//		ln, err := sys.Stack().Listen("tcp", ":80")
//		...
//	}
//
// Build it with "gasp build". See docs/architecture.md for the layers.
package gasp
