package loghttp

import (
	"fmt"
	"net/http"
	"path"
	"strconv"

	"github.com/gasp-go/gasp/console/ramoops"
)

// Pstore returns a handler for the files of earlier lives, as they are in Linux's
// /sys/fs/pstore: mounted at "/pstore/", GET of that lists them, one name a line, GET
// /pstore/NAME has one, and DELETE erases it, from the memory too. A nil store has
// none.
func Pstore(store *ramoops.Store) http.Handler { return pstore{store} }

type pstore struct{ store *ramoops.Store }

func (p pstore) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	name := path.Base(r.URL.Path)
	list := r.URL.Path == "" || r.URL.Path[len(r.URL.Path)-1] == '/'
	var files []ramoops.File
	if p.store != nil {
		files = p.store.Files()
	}
	switch {
	case r.Method == http.MethodDelete && !list:
		if p.store == nil || p.store.Erase(name) != nil {
			http.NotFound(w, r)
			return
		}
		w.WriteHeader(http.StatusNoContent)
		return
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		w.Header().Set("Allow", "GET, HEAD, DELETE")
		http.Error(w, "use GET, or DELETE on a file", http.StatusMethodNotAllowed)
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	if list {
		for _, f := range files {
			fmt.Fprintln(w, f.Name)
		}
		return
	}
	for _, f := range files {
		if f.Name == name {
			w.Header().Set("Content-Length", strconv.Itoa(len(f.Data)))
			w.Write(f.Data)
			return
		}
	}
	http.NotFound(w, r)
}
