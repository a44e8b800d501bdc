// Command stdtable makes the tables of docs/std.md of what the standard library's
// tests did on the target:
//
//	scripts/std.sh -board mx6ulevk -json > std.json
//	go run ./scripts/stdtable scripts/std.txt std.json
//
// It counts top-level tests, examples and fuzz targets that ran. The results may
// be of a run in which what is to be left out was tried, and failed. Any other test
// that failed or did not end, and a package without a result, is an error: the exit
// status is 1 and the package is in no table.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
)

func main() {
	if err := run(os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "stdtable:", err)
		os.Exit(1)
	}
}

func run(args []string, w io.Writer) error {
	if len(args) < 2 {
		return fmt.Errorf("want the list of packages and results of go test -json")
	}
	l, err := os.Open(args[0])
	if err != nil {
		return err
	}
	defer l.Close()
	list, err := readList(l)
	if err != nil {
		return fmt.Errorf("%s: %w", args[0], err)
	}
	results := map[string]result{}
	for _, name := range args[1:] {
		f, err := os.Open(name)
		if err != nil {
			return err
		}
		err = readResults(f, results)
		f.Close()
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return tables(w, list, results)
}

// pkg is a package of the list.
type pkg struct {
	path    string
	reasons []reason
}

// reason is why tests are left out; tests is "*" alone if all are.
type reason struct {
	why   string
	tests []string
}

// notRun reports whether nothing of p is run.
func (p *pkg) notRun() bool {
	return len(p.reasons) == 1 && slices.Equal(p.reasons[0].tests, []string{"*"})
}

// leavesOut reports whether the list has test, or a part of it.
func (p *pkg) leavesOut(test string) bool {
	for _, r := range p.reasons {
		for _, t := range r.tests {
			if name, _, _ := strings.Cut(t, "/"); name == test {
				return true
			}
		}
	}
	return false
}

// readList reads std.txt.
func readList(r io.Reader) ([]*pkg, error) {
	var list []*pkg
	byPath := map[string]*pkg{}
	s := bufio.NewScanner(r)
	for s.Scan() {
		line := s.Text()
		if line == "" || line[0] == '#' {
			continue
		}
		path, rest, ok := strings.Cut(line, ":")
		if !ok {
			return nil, fmt.Errorf("no colon behind the package in %q", line)
		}
		p := byPath[path]
		if p == nil {
			p = &pkg{path: path}
			byPath[path] = p
			list = append(list, p)
		}
		if rest = strings.TrimSpace(rest); rest == "" {
			continue
		}
		why, tests, ok := strings.Cut(rest, ": ")
		if !ok {
			return nil, fmt.Errorf("no tests behind the reason in %q", line)
		}
		p.reasons = append(p.reasons, reason{why, strings.Fields(tests)})
	}
	return list, s.Err()
}

// result is what a package's top-level tests did: pass, skip, fail, or run if
// they did not end. The package's own result is that of "".
type result map[string]string

// count is how many tests did that.
func (r result) count(action string) (n int) {
	for test, a := range r {
		if test != "" && a == action {
			n++
		}
	}
	return n
}

// wrong tells what is wrong with the results of package p.
func (r result) wrong(p *pkg) error {
	var failed []string
	for test, a := range r {
		if test != "" && a != "pass" && a != "skip" && (a == "run" || !p.leavesOut(test)) {
			failed = append(failed, test)
		}
	}
	slices.Sort(failed)
	switch {
	case len(failed) > 0:
		return fmt.Errorf("%s: failed or did not end: %s", p.path, strings.Join(failed, " "))
	case r[""] == "":
		return fmt.Errorf("%s: no result", p.path)
	case r[""] == "fail" && r.count("fail") == 0:
		return fmt.Errorf("%s: failed as a whole", p.path)
	}
	return nil
}

// readResults adds what go test -json wrote.
func readResults(r io.Reader, results map[string]result) error {
	s := bufio.NewScanner(r)
	s.Buffer(nil, 16<<20)
	for s.Scan() {
		var e struct{ Action, Package, Test string }
		if len(s.Bytes()) == 0 || s.Bytes()[0] != '{' {
			continue // what goes around -json
		}
		if err := json.Unmarshal(s.Bytes(), &e); err != nil {
			return fmt.Errorf("%w in %.100q", err, s.Text())
		}
		if e.Package == "" || strings.Contains(e.Test, "/") {
			continue
		}
		switch e.Action {
		case "run", "pass", "skip", "fail":
			if results[e.Package] == nil {
				results[e.Package] = result{}
			}
			results[e.Package][e.Test] = e.Action
		}
	}
	return s.Err()
}
