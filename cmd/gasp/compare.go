package main

import (
	"strings"

	"github.com/gasp-go/gasp/internal/ncrx"
)

// consoleTexts returns the lines of a console without their time. Empty lines
// that have no time either are left out.
func consoleTexts(lines []string) []string {
	var out []string
	for _, l := range lines {
		_, text, stamped := ncrx.CutTime(strings.TrimSuffix(l, "\r"))
		if stamped || text != "" {
			out = append(out, text)
		}
	}
	return out
}

// missingLines returns those lines of want that got does not have, looking for
// each behind where the last one was found.
func missingLines(want, got []string) []string {
	var missing []string
	at := 0
next:
	for _, w := range want {
		for i := at; i < len(got); i++ {
			if got[i] == w {
				at = i + 1
				continue next
			}
		}
		missing = append(missing, w)
	}
	return missing
}
