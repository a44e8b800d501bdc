//go:build arm && sabrelite

package main

import _ "github.com/gasp-go/gasp/boards/sabrelite"
