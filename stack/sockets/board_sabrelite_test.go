//go:build arm && sabrelite

package sockets_test

import _ "github.com/gasp-go/gasp/boards/sabrelite"

// connections are how many are opened and closed to see what they leave behind.
// They take a while, and nothing about them is the board's.
const connections = 1000
