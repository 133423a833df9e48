package hydra

import (
	"errors"
	"fmt"
	"strings"

	"github.com/torchlit/torchlit/config/omegaconf"
)

// unescapeQuoted is what a quoted text stands for. Backslashes count only before a
// quote or at the end: there, each pair stands for one, and \" for the quote.
func unescapeQuoted(s string) string {
	quote, s := s[0], s[1:len(s)-1]
	var b strings.Builder
	run := 0 // of backslashes
	for i := range len(s) {
		switch {
		case s[i] == '\\':
			run++
			continue
		case s[i] == quote:
			b.WriteString(strings.Repeat(`\`, run/2))
		default:
			b.WriteString(strings.Repeat(`\`, run))
		}
		run = 0
		b.WriteByte(s[i])
	}
	b.WriteString(strings.Repeat(`\`, run/2))
	return b.String()
}

// String writes the text with its quotes.
func (q Quoted) String() string {
	var b strings.Builder
	b.WriteByte(q.Quote)
	run := 0
	for i := range len(q.Text) {
		c := q.Text[i]
		switch {
		case c == '\\':
			run++
			continue
		case c == q.Quote:
			b.WriteString(strings.Repeat(`\`, 2*run+1))
		default:
			b.WriteString(strings.Repeat(`\`, run))
		}
		run = 0
		b.WriteByte(c)
	}
	b.WriteString(strings.Repeat(`\`, 2*run))
	b.WriteByte(q.Quote)
	return b.String()
}

// format writes a value as it could stand in an override.
func format(v any) (string, error) {
	switch v := v.(type) {
	case nil:
		return "null", nil
	case Quoted:
		return v.String(), nil
	case string:
		return unquoted(v), nil
	case []any:
		var parts []string
		for _, item := range v {
			s, err := format(item)
			if err != nil {
				return "", err
			}
			parts = append(parts, s)
		}
		return "[" + strings.Join(parts, ",") + "]", nil
	case omegaconf.Dict:
		var parts []string
		for _, p := range v {
			key, err := format(p.Key)
			if err != nil {
				return "", err
			}
			value, err := format(p.Value)
			if err != nil {
				return "", err
			}
			parts = append(parts, key+":"+value)
		}
		return "{" + strings.Join(parts, ",") + "}", nil
	case *Choice, *Range, *Interval, *Glob:
		return "", errors.New("a sweep cannot be part of another value")
	case bool, int64, float64:
		return omegaconf.Str(v), nil
	}
	return fmt.Sprint(v), nil
}

// unquoted writes text with escapes; with quotes if it holds a character that has no
// escape, such as a letter with an accent.
func unquoted(s string) string {
	text := escape(s)
	if _, err := scan("k=" + text); err != nil {
		return Quoted{Text: s, Quote: '\''}.String()
	}
	return text
}

// escape puts a backslash before each character that means something in a value.
func escape(s string) string {
	var b strings.Builder
	for i := range len(s) {
		if strings.IndexByte("\\()[]{}:=, \t", s[i]) >= 0 {
			b.WriteByte('\\')
		}
		b.WriteByte(s[i])
	}
	return b.String()
}
