//go:build arm && mx6ulevk

package main

import _ "github.com/gasp-go/gasp/boards/mx6ulevk"
