//go:build arm && sabrelite

package sockets_test

import _ "github.com/gasp-go/gasp/boards/sabrelite"
