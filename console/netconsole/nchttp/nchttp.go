// Package nchttp lets netconsole's targets be seen and changed over HTTP, in
// JSON:
//
//	GET    /netconsole          all targets with their counters
//	POST   /netconsole          create one; "name" and attributes
//	GET    /netconsole/<name>   one target
//	PATCH  /netconsole/<name>   change the attributes that are given
//	PUT    /netconsole/<name>   the same, and the others become defaults
//	DELETE /netconsole/<name>   remove it
//
// See netconsole.Attributes for what they are.
package nchttp

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/gasp-go/gasp/console/netconsole"
)

// maxBody bounds a request: all user data that there may be, and more.
const maxBody = 256 << 10

// Handler serves s below prefix, "/netconsole".
func Handler(prefix string, s *netconsole.Set) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name, ok := strings.CutPrefix(r.URL.Path, prefix)
		name = strings.TrimPrefix(name, "/")
		if !ok || strings.Contains(name, "/") {
			http.NotFound(w, r)
			return
		}
		if err := serve(w, r, s, name); err != nil {
			code := http.StatusBadRequest
			switch {
			case errors.Is(err, netconsole.ErrNotExist):
				code = http.StatusNotFound
			case errors.Is(err, netconsole.ErrExist):
				code = http.StatusConflict
			case errors.Is(err, errMethod):
				code = http.StatusMethodNotAllowed
			}
			http.Error(w, err.Error(), code)
		}
	})
}

var errMethod = errors.New("GET and POST on the list, GET, PATCH, PUT and DELETE on a target")

func serve(w http.ResponseWriter, r *http.Request, s *netconsole.Set, name string) error {
	switch {
	case r.Method == http.MethodGet && name == "":
		return answer(w, http.StatusOK, s.List())
	case r.Method == http.MethodGet:
		return one(w, http.StatusOK, s, name)
	case r.Method == http.MethodPost && name == "":
		t := struct {
			Name string `json:"name"`
			netconsole.Attributes
		}{Attributes: netconsole.Default()}
		b, err := body(w, r)
		if err == nil {
			err = Decode(b, &t)
		}
		if err != nil {
			return err
		}
		if err := s.Create(t.Name, t.Attributes); err != nil {
			return err
		}
		return one(w, http.StatusCreated, s, t.Name)
	case (r.Method == http.MethodPatch || r.Method == http.MethodPut) && name != "":
		b, err := body(w, r)
		if err != nil {
			return err
		}
		err = s.Change(name, func(a *netconsole.Attributes) error {
			if r.Method == http.MethodPut {
				*a = netconsole.Default()
			}
			return Decode(b, a)
		})
		if err != nil {
			return err
		}
		return one(w, http.StatusOK, s, name)
	case r.Method == http.MethodDelete && name != "":
		if err := s.Remove(name); err != nil {
			return err
		}
		w.WriteHeader(http.StatusNoContent)
		return nil
	}
	return errMethod
}

func one(w http.ResponseWriter, code int, s *netconsole.Set, name string) error {
	for _, st := range s.List() {
		if st.Name == name {
			return answer(w, code, st)
		}
	}
	return netconsole.ErrNotExist
}

func answer(w http.ResponseWriter, code int, v any) error {
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	w.Write(append(b, '\n'))
	return nil
}

// body returns the whole of a request, before anything is locked.
func body(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	return io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
}

// Decode decodes one JSON object over what v, a pointer, has. Names that v does
// not have are errors.
func Decode(b []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return err
	}
	if _, err := d.Token(); err != io.EOF {
		return fmt.Errorf("more than one JSON value")
	}
	return nil
}
