//go:build arm && mx6ulevk

package sockets_test

import _ "github.com/gasp-go/gasp/boards/mx6ulevk"

// connections are how many are opened and closed to see what they leave behind.
const connections = 5000
