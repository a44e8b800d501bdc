package ramoops

import (
	"fmt"
	"io/fs"
	"strconv"

	"github.com/gasp-go/gasp/console"
)

// File is what pstore has of a life: console-ramoops-N its log as a console
// prints it, dmesg-ramoops-N what it logged in its panic, each line with its level
// in front. N is 0 for the latest life.
type File struct {
	Name string
	Data []byte
}

const (
	consoleFile = "console-ramoops-"
	dmesgFile   = "dmesg-ramoops-"
)

// Files are those there are, like /sys/fs/pstore.
func (s *Store) Files() []File {
	s.mu.Lock()
	defer s.mu.Unlock()
	var files []File
	for _, l := range s.lives {
		n := strconv.Itoa(l.Ago - 1)
		if len(l.Dump) > 0 {
			data := []byte("Panic#1 Part1\n")
			for i := range l.Dump {
				r := &l.Dump[i]
				data = append(strconv.AppendInt(append(data, '<'), int64(r.Facility)<<3|int64(r.Level), 10), '>')
				data = appendLine(data, r)
			}
			files = append(files, File{dmesgFile + n, data})
		}
		if len(l.console) > 0 {
			var data []byte
			for i := range l.Records {
				data = appendLine(data, &l.Records[i])
			}
			files = append(files, File{consoleFile + n, data})
		}
	}
	return files
}

func appendLine(dst []byte, r *Record) []byte {
	var line console.Record
	line.Time = r.Time
	line.N = copy(line.Text[:], r.Text)
	return console.AppendLine(dst, &line, true)
}

// Erase removes a file, from the memory too, as unlinking does in pstore. With a
// panic's file the log loses those records too. The error is fs.ErrNotExist.
func (s *Store) Erase(name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range s.lives {
		n := strconv.Itoa(l.Ago - 1)
		var mem []byte
		switch {
		case name == consoleFile+n && len(l.console) > 0:
			l.console = nil
			if l.bank >= 0 {
				mem = s.banks[l.bank].console
			}
		case name == dmesgFile+n && len(l.Dump) > 0:
			l.Dump = nil
			if l.bank >= 0 {
				mem = s.banks[l.bank].dump
			}
		default:
			continue
		}
		clear(mem)
		l.join()
		return nil
	}
	return fmt.Errorf("%s: %w", name, fs.ErrNotExist)
}
