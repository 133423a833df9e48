package oip

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
)

// walk reports whether the scanner takes text as one value of JSON.
func walk(text string) error {
	s := scanner{text: []byte(text)}
	if err := s.skip(); err != nil {
		return err
	}
	return s.end()
}

func TestScanner(t *testing.T) {
	for _, text := range []string{
		`null`, ` true `, `false`, `0`, `-0.5e+3`, `1E9`, `""`, `"\u00e9\"\\\/\b\f\n\r\t"`, `[]`, `[ 1 , [ ] ]`, `{}`,
		`{"a":{"b":[{"c":null}]},"a":1}`, "\t[\r\n1]", "\"\xff\"", strings.Repeat("[", 100) + strings.Repeat("]", 100),
	} {
		if err := walk(text); err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
	for _, text := range []string{
		``, ` `, `nul`, `tru`, `True`, `NaN`, `Infinity`, `-`, `01`, `1.`, `.5`, `1e`, `1e+`, `+1`, `"`, `"\x"`, `"\u00g0"`, `"\u00`, "\"\n\"", `'a'`,
		`[`, `[1`, `[1,`, `[1,]`, `[,1]`, `[1 2]`, `{`, `{"a"`, `{"a":`, `{"a":1`, `{"a":1,}`, `{a:1}`, `{1:1}`, `{"a" 1}`, `[}`, `1 2`, `[]]`, "\x00",
		strings.Repeat("[", 101) + strings.Repeat("]", 101), strings.Repeat(`{"a":`, 101) + "1" + strings.Repeat("}", 101),
	} {
		if e := new(Error); !errors.As(walk(text), &e) || e.HTTP != 400 || e.Code != "bad_json" {
			t.Errorf("%q is taken", text)
		}
	}
}

// FuzzScanner: the scanner takes what the standard library takes, but for what nests too deep.
func FuzzScanner(f *testing.F) {
	for _, text := range []string{`{"a":[1,-2.5e3,"b\n\u0041",true,false,null]}`, `[[],{}]`, "1 ", `[1,]`, `"\ud800"`, "\"\x7f\xff\""} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		err := walk(text)
		if valid := json.Valid([]byte(text)); valid != (err == nil) && !(valid && strings.Contains(err.Error(), "deep")) {
			t.Fatalf("%q is valid: %v; the scanner says: %v", text, valid, err)
		}
		if text == "" || text[0] != '"' || err != nil {
			return
		}
		s := scanner{text: []byte(text)}
		got, err := s.str()
		var want string
		if json.Unmarshal([]byte(text), &want) != nil || err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		if string(got) != want && string(got) != strings.TrimRight(text, " \t\r\n")[1:len(got)+1] { // bytes that are no UTF-8 stay
			t.Fatalf("%q says %q; want %q", text, got, want)
		}
	})
}
