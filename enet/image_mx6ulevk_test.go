//go:build arm && mx6ulevk

package enet

import _ "github.com/gasp-go/gasp/boards/mx6ulevk"
