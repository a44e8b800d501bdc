package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/gasp-go/gasp/internal/gobuild"
)

var buildCommand = &command{
	name:  "build",
	args:  "[package]",
	short: "build a firmware image",
	long: `
Build builds a main package, by default the one in the current directory, into
an ELF image for a board. It runs "go build" for linux/arm with the link
address and the entry point of the board and with the board's name as a build
tag; the package has to import the board's package, usually in a file with
that tag:

	//go:build mx6ulevk

	package main

	import _ "github.com/gasp-go/gasp/boards/mx6ulevk"

The image is called like the package, with .elf, unless -o says otherwise.`,
	run: runBuild,
}

func runBuild(ctx context.Context, c *call) int {
	fs := c.flags
	board := boardFlag(fs)
	out := fs.String("o", "", "`file` to write (default: package name and .elf)")
	ldflags := fs.String("ldflags", "", "`flags` to add to the linker's, as for go build")
	tags := fs.String("tags", "", "build `tags` to add to the board's, separated by commas")
	cmdline := fs.String("cmdline", "", "boot `arguments` to use when the loader passes none")
	if status, ok := c.parse(); !ok {
		return status
	}
	b, err := board()
	if err != nil {
		return c.wrongUsage(err)
	}
	pkg, err := onePackage(fs.Args())
	if err != nil {
		return c.wrongUsage(err)
	}
	if *out == "" {
		name, err := gobuild.Name(ctx, b, "", pkg)
		if err != nil {
			return c.fail(err)
		}
		*out = name + ".elf"
	}
	f := gobuild.Firmware{
		Board: b, Package: pkg, Output: *out,
		LDFlags: *ldflags, Tags: *tags, Cmdline: *cmdline, Stderr: c.stderr,
	}
	if err := f.Build(ctx); err != nil {
		return c.fail(err)
	}
	fmt.Fprintln(c.stdout, *out)
	return exitOK
}

// onePackage returns the only argument, or "." for none.
func onePackage(args []string) (string, error) {
	switch len(args) {
	case 0:
		return ".", nil
	case 1:
		return args[0], nil
	}
	return "", errors.New("more than one package")
}
