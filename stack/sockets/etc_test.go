//go:build arm && (mx6ulevk || sabrelite)

package sockets_test

import (
	"context"
	"embed"
	"errors"
	"io"
	"io/fs"
	"mime"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
	_ "time/tzdata"

	"github.com/gasp-go/gasp/board/kernel"
)

// What the standard library makes of the files of /etc, and of files that a
// firmware adds.

//go:embed testdata/www
var embedded embed.FS

func TestTheResolverReadsHostsAsTheyAre(t *testing.T) {
	old, err := os.ReadFile("/etc/hosts")
	if err != nil {
		t.Fatal(err)
	}
	defer kernel.SetFile("/etc/hosts", old)
	if err := kernel.SetFile("/etc/hosts", append(old, "192.0.2.9 added.example\n2001:db8::9 added.example\n"...)); err != nil {
		t.Fatal(err)
	}
	var got string
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		addrs, _ := net.DefaultResolver.LookupHost(context.Background(), "added.example")
		if got = strings.Join(addrs, " "); got != "" { // the resolver looks every 5 s
			break
		}
	}
	if got != "192.0.2.9 2001:db8::9" {
		t.Errorf("%q", got)
	}
	if names, err := net.LookupAddr("192.0.2.9"); err != nil || len(names) != 1 || names[0] != "added.example." {
		t.Errorf("%q, %v", names, err)
	}
}

func TestServicesAndProtocolsHaveTheirNumbers(t *testing.T) {
	for name, want := range map[string]int{"chargen": 19, "https": 443, "nothing": 0} {
		if n, err := net.LookupPort("tcp", name); n != want || (err == nil) != (want > 0) {
			t.Errorf("%s: %d, %v", name, n, err)
		}
	}
	if _, err := net.ListenPacket("ip4:snmp", "127.0.0.1"); err == nil || errors.Is(err, syscall.ESOCKTNOSUPPORT) {
		t.Errorf("a protocol of no name: %v", err)
	}
	if _, err := net.ListenPacket("ip4:sctp", "127.0.0.1"); !errors.Is(err, syscall.ESOCKTNOSUPPORT) {
		t.Errorf("a protocol in /etc/protocols: %v", err)
	}
}

func TestTimeZonesComeWithTheProgram(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	noon := time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)
	if got := noon.In(berlin).Format("15:04 MST"); got != "14:00 CEST" {
		t.Error(got)
	}
}

func TestFilesOfTheImageAreServed(t *testing.T) {
	www, err := fs.Sub(embedded, "testdata/www")
	if err != nil {
		t.Fatal(err)
	}
	if err := kernel.AddFS(www, "/srv/www"); err != nil {
		t.Fatal(err)
	}
	if err := kernel.SetFile("/etc/mime.types", []byte("text/x-gasp gasp\n")); err != nil {
		t.Fatal(err)
	}
	if err := kernel.SetFile("/srv/www/note.gasp", []byte("added")); err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{Handler: http.FileServer(http.Dir("/srv/www"))}
	go srv.Serve(ln)
	defer srv.Close()
	for _, c := range []struct{ path, kind, want string }{
		{"/page.html", "text/html; charset=utf-8", "<p>from the image</p>\n"},
		{"/note.gasp", "text/x-gasp; charset=utf-8", "added"},
		{"/nothing", "text/plain; charset=utf-8", "404 page not found\n"},
		{"/", "text/html; charset=utf-8", ""},
	} {
		r, err := http.Get("http://" + ln.Addr().String() + c.path)
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(r.Body)
		r.Body.Close()
		if err != nil || c.want != "" && string(b) != c.want || !strings.Contains(string(b), "page.html") && c.path == "/" {
			t.Errorf("%s: %q, %v", c.path, b, err)
		}
		if got := r.Header.Get("Content-Type"); got != c.kind {
			t.Errorf("%s: %s, want %s", c.path, got, c.kind)
		}
	}
	if got := mime.TypeByExtension(".gasp"); !strings.HasPrefix(got, "text/x-gasp") {
		t.Error(got)
	}
	if err := os.WriteFile("/srv/www/page.html", nil, 0o600); !errors.Is(err, syscall.EROFS) {
		t.Errorf("write: %v", err)
	}
}
