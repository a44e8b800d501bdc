//go:build arm && sabrelite

package kernel_test

import _ "github.com/gasp-go/gasp/boards/sabrelite"
