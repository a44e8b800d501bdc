package qemu

import (
	"fmt"
	"strings"
)

// MaxBootArgs is how many bytes of boot arguments a board takes, without the
// NUL at their end.
const MaxBootArgs = 4095

// Quote returns word in the quoting of Linux's command line: as it is, or
// between double quotes if it holds white space, is empty, or could be taken
// for a word of the environment. That quoting has no escapes, so a word that
// holds a double quote cannot be passed. Control characters other than tab and
// newline cannot either: a board takes such bytes for no boot arguments at
// all.
func Quote(word string) (string, error) {
	if err := passable(word); err != nil {
		return "", err
	}
	if word == "" || needsQuotes(word) || isUpper(word[0]) && strings.Contains(word, "=") {
		return `"` + word + `"`, nil
	}
	return word, nil
}

// quoteEnv does the same for a word KEY=value of the environment. The quotes
// stand around the value, which tells it from an argument.
func quoteEnv(word string) (string, error) {
	if err := passable(word); err != nil {
		return "", err
	}
	key, value, ok := strings.Cut(word, "=")
	if !ok || key == "" || !isUpper(key[0]) || needsQuotes(key) {
		return "", fmt.Errorf("%q is no KEY=value with an upper-case key", word)
	}
	if needsQuotes(value) {
		value = `"` + value + `"`
	}
	return key + "=" + value, nil
}

func passable(word string) error {
	for _, c := range []byte(word) {
		if c == '"' || c < ' ' && c != '\t' && c != '\n' || c == 0x7f {
			return fmt.Errorf("%q holds %q, which boot arguments cannot carry", word, c)
		}
	}
	return nil
}

// needsQuotes tells whether word would be split. Linux's isspace works on
// bytes and counts 0xa0, which in UTF-8 is a part of letters such as "à"; so
// everything outside ASCII is quoted.
func needsQuotes(word string) bool {
	return strings.ContainsFunc(word, func(r rune) bool { return r <= ' ' || r >= 0x7f })
}

func isUpper(c byte) bool { return 'A' <= c && c <= 'Z' }

// BootArgs composes the boot arguments of a program: the kernel's own, then
// " -- ", the program's environment as KEY=value words, and the program's
// arguments. kernel is taken as it is; what is empty is left out.
func BootArgs(kernel string, env, args []string) (string, error) {
	var words []string
	if kernel = strings.TrimSpace(kernel); kernel != "" {
		words = append(words, kernel)
	}
	if len(env)+len(args) > 0 {
		words = append(words, "--")
	}
	for _, e := range env {
		q, err := quoteEnv(e)
		if err != nil {
			return "", fmt.Errorf("environment: %w", err)
		}
		words = append(words, q)
	}
	for _, a := range args {
		q, err := Quote(a)
		if err != nil {
			return "", fmt.Errorf("argument %w", err)
		}
		words = append(words, q)
	}
	s := strings.Join(words, " ")
	return s, checkBootArgs(s)
}

func checkBootArgs(s string) error {
	if len(s) > MaxBootArgs {
		return fmt.Errorf("boot arguments need %d bytes, the board has room for %d", len(s), MaxBootArgs)
	}
	if strings.IndexByte(s, 0) >= 0 {
		return fmt.Errorf("boot arguments hold a NUL byte")
	}
	return nil
}
