package main

import (
	"strings"
	"testing"
)

const listText = `# comment
good:
part: writes files: TestW TestX/sub
part: a process: TestP
selves:
never: network: *
`

func event(action, pkg, test string) string {
	return `{"Action":"` + action + `","Package":"` + pkg + `","Test":"` + test + `"}` + "\n"
}

func table(t *testing.T, results string) (string, error) {
	t.Helper()
	list, err := readList(strings.NewReader(listText))
	if err != nil {
		t.Fatal(err)
	}
	m := map[string]result{}
	if err := readResults(strings.NewReader(results), m); err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	err = tables(&b, list, m)
	return b.String(), err
}

func TestTablesTellWhatPassedAndWhatWasLeftOut(t *testing.T) {
	got, err := table(t, "gasp: building\n"+event("pass", "good", "TestA")+event("pass", "good", "TestA/sub")+
		event("skip", "good", "TestB")+event("pass", "good", "")+
		event("pass", "part", "TestC")+event("pass", "part", "")+
		event("skip", "selves", "TestD")+event("pass", "selves", ""))
	if err != nil {
		t.Error(err)
	}
	for _, want := range []string{
		"1 packages pass whole and 1 but for 3 tests: 2 tests pass.",
		"| good | 1 | 1 |", "| part | 1 |  | writes files: TestW, TestX/sub; a process: TestP |",
		"| selves | 1 |", "| never | network |",
	} {
		if !strings.Contains(got, want+"\n") {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
}

func TestFailuresAndGapsAreErrorsAndInNoTable(t *testing.T) {
	for _, c := range []struct{ results, want string }{
		{event("fail", "good", "TestA") + event("fail", "good", ""), "good: failed or did not end: TestA"},
		{event("run", "good", "TestA") + event("pass", "good", ""), "good: failed or did not end: TestA"},
		{event("pass", "good", "TestA") + event("fail", "good", ""), "good: failed as a whole"},
		{event("pass", "good", "TestA"), "good: no result"},
	} {
		got, err := table(t, c.results)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("error %v, want %s", err, c.want)
		}
		if strings.Contains(got, "| good |") {
			t.Errorf("%s\nis in\n%s", c.want, got)
		}
	}
}

func TestWhatIsLeftOutMayHaveFailed(t *testing.T) {
	got, err := table(t, event("pass", "part", "TestC")+event("fail", "part", "TestW")+event("fail", "part", "TestX")+event("fail", "part", ""))
	if err == nil || strings.Contains(err.Error(), "part") || !strings.Contains(got, "| part | 1 |") {
		t.Errorf("error %v, tables\n%s", err, got)
	}
}

func TestAListThatMakesNoSenseIsAnError(t *testing.T) {
	for _, text := range []string{"package", "package: reason"} {
		if _, err := readList(strings.NewReader(text)); err == nil {
			t.Errorf("no error for %q", text)
		}
	}
}
