package main

import (
	"errors"
	"fmt"
	"io"
	"strings"
)

// shown is how many tests of a reason are named.
const shown = 4

// tables writes the tables of docs/std.md.
func tables(w io.Writer, list []*pkg, results map[string]result) error {
	var whole, part, selves, none strings.Builder
	var bad []error
	var passed, wholes, parts, left int
	for _, p := range list {
		if p.notRun() {
			fmt.Fprintf(&none, "| %s | %s |\n", p.path, p.reasons[0].why)
			continue
		}
		r := results[p.path]
		if err := r.wrong(p); err != nil {
			bad = append(bad, err)
			continue
		}
		pass, skip := r.count("pass"), r.count("skip")
		if len(p.reasons) == 0 && pass == 0 {
			fmt.Fprintf(&selves, "| %s | %d |\n", p.path, skip)
			continue
		}
		passed += pass
		if len(p.reasons) == 0 {
			wholes++
			fmt.Fprintf(&whole, "| %s | %d | %s |\n", p.path, pass, count(skip))
			continue
		}
		parts++
		var whys []string
		for _, reason := range p.reasons {
			left += len(reason.tests)
			whys = append(whys, reason.String())
		}
		fmt.Fprintf(&part, "| %s | %d | %s | %s |\n", p.path, pass, count(skip), strings.Join(whys, "; "))
	}
	fmt.Fprintf(w, "%d packages pass whole and %d but for %d tests: %d tests pass.\n", wholes, parts, left, passed)
	fmt.Fprintf(w, "\n## Whole\n\n| package | passed | skip themselves |\n|---|---|---|\n%s", whole.String())
	fmt.Fprintf(w, "\n## But for some tests\n\n| package | passed | skip themselves | left out, and why |\n|---|---|---|---|\n%s", part.String())
	fmt.Fprintf(w, "\n## Every test skips itself\n\n| package | tests |\n|---|---|\n%s", selves.String())
	fmt.Fprintf(w, "\n## Not run\n\n| package | why |\n|---|---|\n%s", none.String())
	return errors.Join(bad...)
}

// count is n, nothing for 0.
func count(n int) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprint(n)
}

func (r reason) String() string {
	if n := len(r.tests); n > shown+1 {
		return fmt.Sprintf("%s: %s and %d more", r.why, strings.Join(r.tests[:shown], ", "), n-shown)
	}
	return r.why + ": " + strings.Join(r.tests, ", ")
}
