package profile

import (
	"cmp"
	"debug/elf"
	"fmt"
	"slices"
	"sort"
	"strings"
)

// Symbols are the functions of an image by address.
type Symbols struct{ list []symbol }

type symbol struct {
	name       string
	start, end uint32
}

// LoadSymbols reads the functions of the ELF file at path.
func LoadSymbols(path string) (*Symbols, error) {
	f, err := elf.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	all, err := f.Symbols()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	var list []symbol
	for _, s := range all {
		if elf.ST_TYPE(s.Info) == elf.STT_FUNC && s.Size > 0 {
			list = append(list, symbol{s.Name, uint32(s.Value), uint32(s.Value + s.Size)})
		}
	}
	return newSymbols(list), nil
}

func newSymbols(list []symbol) *Symbols {
	slices.SortFunc(list, func(a, b symbol) int { return cmp.Compare(a.start, b.start) })
	return &Symbols{append(list, symbol{name: "(elsewhere)"})}
}

// Len is the number of functions and one for what is in none.
func (s *Symbols) Len() int { return len(s.list) }

// Name is the name of function i.
func (s *Symbols) Name(i int) string { return s.list[i].name }

// Find is the index of the function at pc.
func (s *Symbols) Find(pc uint32) int {
	n := len(s.list) - 1
	i := sort.Search(n, func(i int) bool { return s.list[i].start > pc }) - 1
	if i < 0 || pc >= s.list[i].end {
		return n
	}
	return i
}

// Lookup is the address of the function called name, 0 if there is none.
func (s *Symbols) Lookup(name string) uint32 {
	for _, f := range s.list {
		if f.name == name {
			return f.start
		}
	}
	return 0
}

// Package is the import path of the package that a function is in.
func Package(function string) string {
	if i := strings.IndexByte(function, '['); i >= 0 {
		function = function[:i] // type arguments have paths too
	}
	slash := strings.LastIndexByte(function, '/') + 1
	if dot := strings.IndexByte(function[slash:], '.'); dot >= 0 {
		return function[:slash+dot]
	}
	return function
}
