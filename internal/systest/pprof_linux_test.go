package systest

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// pprofTop is what go tool pprof makes of a profile, most first.
func pprofTop(t *testing.T, data []byte, args ...string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "profile")
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("go", append(append([]string{"tool", "pprof", "-top", "-symbolize=none"}, args...), file)...).CombinedOutput()
	if err != nil {
		t.Fatalf("go tool pprof: %v\n%s", err, out)
	}
	return string(out)
}

func TestProfilesOverHTTPTellWhatTheFirmwareDoes(t *testing.T) {
	t.Parallel()
	n := newNamespace(t)
	g := n.boot(staticIP + " gasp.die=1")
	to := n.way()
	t.Run("goroutines", func(t *testing.T) {
		out := pprofTop(t, []byte(get(t, to, "/debug/pprof/goroutine")))
		if !strings.Contains(out, "runtime.gopark") || !strings.Contains(out, "main.serveHTTP") {
			t.Error(out)
		}
	})
	t.Run("heap", func(t *testing.T) {
		// One in 512 KB is sampled: enough for some.
		for range 300 {
			get(t, to, "/")
		}
		out := pprofTop(t, []byte(get(t, to, "/debug/pprof/heap?gc=1")), "-sample_index=alloc_space")
		if !strings.Contains(out, "Type: alloc_space") || !strings.Contains(out, "net/http.") {
			t.Error(out)
		}
	})
	t.Run("the CPU's time goes to what computes", func(t *testing.T) {
		if _, err := fetch(to, "POST", "/die?how=spin"); err != nil {
			t.Fatal(err)
		}
		g.retry("profile of a goroutine that spins", func() error {
			out := pprofTop(t, []byte(get(t, to, "/debug/pprof/profile?seconds=2")))
			return dominates(out, "main.spinForever", 60)
		})
	})
	t.Run("and to the network under traffic", func(t *testing.T) {
		c := connect(t, to, "tcp", portChargen)
		var over atomic.Bool
		defer over.Store(true)
		go func() {
			buf := make([]byte, 64<<10)
			c.SetDeadline(time.Time{})
			for !over.Load() {
				if _, err := c.Read(buf); err != nil {
					return
				}
			}
		}()
		out := pprofTop(t, []byte(get(t, to, "/debug/pprof/profile?seconds=2")), "-cum")
		if !strings.Contains(out, "main.chargen") {
			t.Error(out)
		}
	})
	t.Run("execution trace", func(t *testing.T) {
		b := []byte(get(t, to, "/debug/pprof/trace?seconds=1"))
		if !bytes.HasPrefix(b, []byte("go 1.")) || len(b) < 1000 {
			t.Errorf("%d bytes: %.16q", len(b), b)
		}
	})
	g.unharmed()
}

// dominates checks that at least percent of the samples were in a function.
func dominates(top, function string, percent float64) error {
	for l := range strings.Lines(top) {
		f := strings.Fields(l)
		if len(f) < 6 || f[5] != function {
			continue
		}
		share, err := strconv.ParseFloat(strings.TrimSuffix(f[1], "%"), 64)
		if err == nil && share >= percent {
			return nil
		}
	}
	return fmt.Errorf("%s has not %v %%:\n%s", function, percent, top)
}
