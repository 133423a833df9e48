package oip

import (
	"bytes"
	"encoding/json"
)

// scanner walks over JSON (RFC 8259) without making a tree of it. A tensor's data may be millions of numbers, and for
// each of them a tree keeps some hundred bytes: a body of 32 MB of "0," would take gigabytes. What a scanner has walked
// over is valid JSON, except that it takes the bytes of strings as they are, UTF-8 or not.
type scanner struct {
	text  []byte
	at    int
	depth int
}

// maxNesting is how deep lists and objects may be in each other, as in Triton.
const maxNesting = 100

// unexpected is the error about what comes next.
func (s *scanner) unexpected() error {
	if s.at >= len(s.text) {
		return bad("bad_json", "The request is not valid JSON: it breaks off.")
	}
	return bad("bad_json", "The request is not valid JSON: %q at byte %d is not expected there.", s.text[s.at], s.at)
}

// next skips white space and returns the byte that follows; 0 at the end.
func (s *scanner) next() byte {
	for ; s.at < len(s.text); s.at++ {
		switch c := s.text[s.at]; c {
		case ' ', '\t', '\n', '\r':
		default:
			return c
		}
	}
	return 0
}

// end holds that nothing but white space follows.
func (s *scanner) end() error {
	if s.next(); s.at < len(s.text) {
		return s.unexpected()
	}
	return nil
}

// object calls visit for each member of the object that comes next. visit must walk over the member's value.
func (s *scanner) object(visit func(key []byte) error) error {
	if err := s.enter('{'); err != nil {
		return err
	}
	for first := true; ; first = false {
		if done, err := s.separated('}', first); done || err != nil {
			return err
		}
		if s.next() != '"' {
			return s.unexpected()
		}
		key, err := s.str()
		if err != nil {
			return err
		}
		if s.next() != ':' {
			return s.unexpected()
		}
		s.at++
		if err := visit(key); err != nil {
			return err
		}
	}
}

// array calls visit before each element of the list that comes next. visit must walk over the element.
func (s *scanner) array(visit func() error) error {
	if err := s.enter('['); err != nil {
		return err
	}
	for first := true; ; first = false {
		if done, err := s.separated(']', first); done || err != nil {
			return err
		}
		if err := visit(); err != nil {
			return err
		}
	}
}

func (s *scanner) enter(open byte) error {
	if s.next() != open {
		return s.unexpected()
	}
	if s.depth++; s.depth > maxNesting {
		return bad("bad_json", "The request has lists and objects more than %d deep in each other.", maxNesting)
	}
	s.at++
	return nil
}

// separated takes the comma before an element that is not the first, or what shuts the list.
func (s *scanner) separated(shut byte, first bool) (done bool, err error) {
	switch c := s.next(); {
	case c == shut:
		s.at++
		s.depth--
		return true, nil
	case first:
		return false, nil
	case c == ',':
		s.at++
		return false, nil
	}
	return false, s.unexpected()
}

// value walks over whatever comes next and returns its text.
func (s *scanner) value() (text []byte, err error) {
	c := s.next()
	start := s.at
	switch c {
	case '{':
		err = s.object(func([]byte) error { return s.skip() })
	case '[':
		err = s.array(s.skip)
	case '"':
		_, err = s.quoted()
	case 't':
		err = s.literal("true")
	case 'f':
		err = s.literal("false")
	case 'n':
		err = s.literal("null")
	default:
		_, err = s.number()
	}
	return s.text[start:s.at], err
}

func (s *scanner) skip() error {
	_, err := s.value()
	return err
}

func (s *scanner) literal(word string) error {
	if !bytes.HasPrefix(s.text[s.at:], []byte(word)) {
		return s.unexpected()
	}
	s.at += len(word)
	return nil
}

// number walks over the number at the scanner's place.
func (s *scanner) number() ([]byte, error) {
	start := s.at
	s.accept('-')
	if !s.accept('0') && !s.digits() {
		return nil, s.unexpected()
	}
	if s.accept('.') && !s.digits() {
		return nil, s.unexpected()
	}
	if s.accept('e') || s.accept('E') {
		if !s.accept('-') {
			s.accept('+')
		}
		if !s.digits() {
			return nil, s.unexpected()
		}
	}
	return s.text[start:s.at], nil
}

func (s *scanner) accept(c byte) bool {
	if s.at < len(s.text) && s.text[s.at] == c {
		s.at++
		return true
	}
	return false
}

// digits reports whether there was one at least.
func (s *scanner) digits() bool {
	start := s.at
	for s.at < len(s.text) && s.text[s.at]-'0' < 10 {
		s.at++
	}
	return s.at > start
}

// str walks over the string at the scanner's place and returns what it says. That points into the text, unless something in it
// was escaped.
func (s *scanner) str() ([]byte, error) {
	start := s.at
	escaped, err := s.quoted()
	if err != nil {
		return nil, err
	}
	if !escaped {
		return s.text[start+1 : s.at-1 : s.at-1], nil
	}
	var said string
	if err := json.Unmarshal(s.text[start:s.at], &said); err != nil {
		panic("BUG: a string that only the scanner takes: " + err.Error())
	}
	return []byte(said), nil
}

// quoted walks over the string at the scanner's place.
func (s *scanner) quoted() (escaped bool, err error) {
	for s.at++; s.at < len(s.text); s.at++ {
		switch c := s.text[s.at]; {
		case c == '"':
			s.at++
			return escaped, nil
		case c == '\\':
			escaped = true
			if !s.escape() {
				return false, s.unexpected()
			}
		case c < ' ':
			return false, s.unexpected()
		}
	}
	return false, s.unexpected()
}

// escape takes an escape but for its last byte.
func (s *scanner) escape() bool {
	if s.at++; s.at == len(s.text) {
		return false
	}
	switch s.text[s.at] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return true
	case 'u':
		for range 4 {
			if s.at++; s.at == len(s.text) || !isHex(s.text[s.at]) {
				return false
			}
		}
		return true
	}
	return false
}

func isHex(c byte) bool { return c-'0' < 10 || (c|0x20)-'a' < 6 }
