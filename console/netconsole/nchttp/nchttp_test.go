package nchttp

import (
	"encoding/json"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"github.com/gasp-go/gasp/console"
	"github.com/gasp-go/gasp/console/netconsole"
	"github.com/gasp-go/gasp/stack/netdev"
	"github.com/gasp-go/gasp/stack/netpoll"
)

func testSet() *netconsole.Set {
	ep := netpoll.New(netdev.New("eth0", [6]byte{2, 0, 0, 0, 0, 1}, 1500, nil, nil), nil)
	return netconsole.NewSet(netconsole.Env{
		Endpoint: func(c *netconsole.Config) *netpoll.Endpoint {
			if c.Device == "eth0" {
				return ep
			}
			return nil
		},
		Gateway: func(*netpoll.Endpoint, netip.Addr) netip.Addr { return netip.Addr{} },
		Level:   console.Debug,
	})
}

func TestTargetsAreListedMadeChangedAndRemoved(t *testing.T) {
	s := testSet()
	h := Handler("/netconsole", s)
	for _, tt := range []struct {
		method, path, body string
		code               int
		want               string // in the answer
	}{
		{"GET", "/netconsole", "", 200, "[]"},
		{"POST", "/netconsole", `{"name":"a","remote_ip":"10.0.0.9","userdata":{"k":"v"}}`, 201, `"remote_port": 6666`},
		{"POST", "/netconsole", `{"name":"a"}`, 409, "there is such a target"},
		{"POST", "/netconsole", `{"name":"b","remote":"10.0.0.9"}`, 400, `unknown field "remote"`},
		{"POST", "/netconsole", `{"name":"b"} {}`, 400, "more than one"},
		{"POST", "/netconsole", `{"name":"b","enabled":true}`, 400, "no target address"},
		{"GET", "/netconsole/b", "", 404, "no such target"},
		{"PATCH", "/netconsole/a", `{"extended":true}`, 200, `"k": "v"`},
		{"GET", "/netconsole/a", "", 200, `"extended": true`},
		{"PATCH", "/netconsole/a", `{"local_mac":"02:00:00:00:00:01"}`, 400, "local_mac"},
		{"PATCH", "/netconsole/a", `{"hmac_key":"00112233445566778899aabbccddeeff"}`, 200, `"hmac_key": "set"`},
		{"PATCH", "/netconsole/a", `{"enabled":"yes"}`, 400, "enabled"},
		{"PATCH", "/netconsole/a", ``, 400, "EOF"},
		{"PUT", "/netconsole/a", `{"remote_ip":"10.0.0.8","local_port":7}`, 200, `"extended": false`},
		{"GET", "/netconsole", "", 200, `"remote_ip": "10.0.0.8"`},
		{"POST", "/netconsole/a", "{}", 405, "GET"},
		{"DELETE", "/netconsole", "", 405, "GET"},
		{"DELETE", "/netconsole/a", "", 204, ""},
		{"DELETE", "/netconsole/a", "", 404, "no such"},
		{"PATCH", "/netconsole/a", "{}", 404, "no such"},
		{"GET", "/netconsole/a/b", "", 404, ""},
	} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(tt.method, tt.path, strings.NewReader(tt.body)))
		if w.Code != tt.code || !strings.Contains(w.Body.String(), tt.want) {
			t.Errorf("%s %s %s: %d %s, want %d %q", tt.method, tt.path, tt.body, w.Code, w.Body, tt.code, tt.want)
		}
		if w.Code < 300 && w.Body.Len() > 0 && !json.Valid(w.Body.Bytes()) {
			t.Errorf("%s is no JSON", w.Body)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"enabled":true,"remote_ip":"10.0.0.9","remote_mac":"","userdata":{"k":"v","x":null},"hmac_key":"00112233445566778899aabbccddeeff"}`))
	f.Add([]byte(`{"dev_name":"eth0.4094","local_ip":"fd00::1","remote_ip":"fd00::2","extended":true,"enabled":true}`))
	s := testSet()
	f.Fuzz(func(t *testing.T, b []byte) {
		a := netconsole.Default()
		if Decode(b, &a) != nil {
			return
		}
		if s.Create("x", a) != nil {
			return
		}
		st := s.List()[0]
		s.Remove("x")
		st.HMACKey = nil // which does not show
		out, err := json.Marshal(st.Attributes)
		if err != nil {
			t.Fatal(err)
		}
		again := netconsole.Default()
		if err := Decode(out, &again); err != nil {
			t.Errorf("%s: %v", out, err)
		}
	})
}
