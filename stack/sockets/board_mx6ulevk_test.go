//go:build arm && mx6ulevk

package sockets_test

import _ "github.com/gasp-go/gasp/boards/mx6ulevk"
