package omegaconf

import (
	"errors"
	"fmt"
	"strings"
)

// What the parser makes of an interpolation: a tree that resolve.go walks.
type (
	// textExpr is a concatenation; of a single interpolation it is that one's value.
	textExpr []any // token, *refExpr or *callExpr
	// refExpr is ${a.b}: the parts of the path, joined with the dots and brackets
	// in between.
	refExpr struct{ parts []any } // string, *refExpr or *callExpr
	// callExpr is ${name:args}.
	callExpr struct {
		name []any // string, *refExpr or *callExpr, to be joined with dots
		args []any
	}
	quotedExpr struct{ text textExpr }
	listExpr   []any
	dictExpr   []dictEntry
	dictEntry  struct {
		key   textExpr
		value any
	}
	emptyExpr struct{} // an argument that is left out: the empty string
)

// maxNesting bounds the depth of brackets in one text, far above what anyone writes.
const maxNesting = 200

type parser struct {
	tokens []token
	pos    int
	depth  int
}

// parseText reads a string that may hold interpolations.
func parseText(s string) (textExpr, error) {
	tokens, err := scan(s, topMode)
	if err != nil {
		return nil, err
	}
	p := &parser{tokens: tokens}
	text, err := p.text()
	if err != nil {
		return nil, err
	}
	return text, p.end()
}

// parseElement reads one value as a resolver's argument is written.
func parseElement(s string) (any, error) {
	tokens, err := scan(s, valueMode)
	if err != nil {
		return nil, err
	}
	p := &parser{tokens: tokens}
	e, err := p.element()
	if err != nil {
		return nil, err
	}
	return e, p.end()
}

func (p *parser) peek() tokenType { return p.tokens[p.pos].typ }

func (p *parser) next() token {
	t := p.tokens[p.pos]
	if t.typ != tokEOF {
		p.pos++
	}
	return t
}

func (p *parser) accept(typ tokenType) bool {
	if p.peek() != typ {
		return false
	}
	p.pos++
	return true
}

func (p *parser) end() error {
	if p.peek() == tokEOF {
		return nil
	}
	return p.unexpected()
}

func (p *parser) unexpected() error {
	if p.peek() == tokEOF {
		return errors.New("it ends too early; is a closing brace or quote missing?")
	}
	return fmt.Errorf("%q is not expected there", p.tokens[p.pos].text)
}

// deeper counts nesting; what it returns undoes that.
func (p *parser) deeper() (func(), error) {
	if p.depth++; p.depth > maxNesting {
		return nil, errors.New("it is nested too deep")
	}
	return func() { p.depth-- }, nil
}

// text: (interpolation | text as it is | escapes)+
func (p *parser) text() (textExpr, error) {
	var text textExpr
	for {
		switch p.peek() {
		case tokStr, tokEsc, tokEscInter, tokTopEsc, tokQuotedEsc:
			text = append(text, p.next())
		case tokInterOpen:
			e, err := p.interpolation()
			if err != nil {
				return nil, err
			}
			text = append(text, e)
		default:
			if len(text) == 0 {
				return nil, p.unexpected()
			}
			return text, nil
		}
	}
}

// interpolation: ${ path } or ${ resolver : arguments }. Which one it is shows only
// behind the first name, so both begin alike.
func (p *parser) interpolation() (any, error) {
	up, err := p.deeper()
	if err != nil {
		return nil, err
	}
	defer up()
	p.next() // ${
	ref := &refExpr{}
	simple := p.peek() == tokID || p.peek() == tokInterOpen // may be a resolver's name
	for p.peek() == tokDot {
		ref.parts = append(ref.parts, p.next().text)
	}
	for first := true; ; first = false {
		if p.accept(tokBracketOpen) {
			simple = false
			if err := p.pathKey(ref, &simple); err != nil {
				return nil, err
			}
			if !p.accept(tokBracketClose) {
				return nil, p.unexpected()
			}
			last := len(ref.parts) - 1
			ref.parts = append(ref.parts[:last:last], "[", ref.parts[last], "]")
		} else {
			if !first {
				ref.parts = append(ref.parts, p.next().text) // the dot
			}
			if err := p.pathKey(ref, &simple); err != nil {
				return nil, err
			}
		}
		if p.peek() != tokDot && p.peek() != tokBracketOpen {
			break
		}
	}
	switch {
	case p.accept(tokInterClose):
		return ref, nil
	case simple && p.accept(tokColon):
		return p.call(ref)
	default:
		return nil, p.unexpected()
	}
}

// pathKey reads a name or a nested interpolation.
func (p *parser) pathKey(ref *refExpr, simple *bool) error {
	switch p.peek() {
	case tokInterOpen:
		e, err := p.interpolation()
		if err != nil {
			return err
		}
		ref.parts = append(ref.parts, e)
		return nil
	case tokKey:
		*simple = false
		fallthrough
	case tokID:
		ref.parts = append(ref.parts, p.next().text)
		return nil
	}
	return p.unexpected()
}

func (p *parser) call(name *refExpr) (any, error) {
	call := &callExpr{}
	for i := 0; i < len(name.parts); i += 2 { // dots in between
		call.name = append(call.name, name.parts[i])
	}
	if p.accept(tokBraceClose) {
		return call, nil
	}
	args, err := p.sequence(tokBraceClose)
	if err != nil {
		return nil, err
	}
	call.args = args
	if !p.accept(tokBraceClose) {
		return nil, p.unexpected()
	}
	return call, nil
}

// sequence: elements with commas in between; what is left out is an empty string.
func (p *parser) sequence(end tokenType) ([]any, error) {
	var items []any
	for {
		switch p.peek() {
		case tokComma, end:
			items = append(items, emptyExpr{})
		default:
			e, err := p.element()
			if err != nil {
				return nil, err
			}
			items = append(items, e)
		}
		if !p.accept(tokComma) {
			return items, nil
		}
	}
}

func (p *parser) element() (any, error) {
	up, err := p.deeper()
	if err != nil {
		return nil, err
	}
	defer up()
	switch p.peek() {
	case tokQuoteOpen:
		return p.quoted()
	case tokBracketOpen:
		p.next()
		if p.accept(tokBracketClose) {
			return listExpr{}, nil
		}
		items, err := p.sequence(tokBracketClose)
		if err != nil {
			return nil, err
		}
		if !p.accept(tokBracketClose) {
			return nil, p.unexpected()
		}
		return listExpr(items), nil
	case tokBraceOpen:
		return p.dict()
	default:
		return p.primitive(true)
	}
}

func (p *parser) quoted() (any, error) {
	p.next()
	if p.accept(tokQuoteClose) {
		return quotedExpr{}, nil
	}
	text, err := p.text()
	if err != nil {
		return nil, err
	}
	if !p.accept(tokQuoteClose) {
		return nil, p.unexpected()
	}
	return quotedExpr{text}, nil
}

func (p *parser) dict() (any, error) {
	p.next()
	d := dictExpr{}
	if p.accept(tokBraceClose) {
		return d, nil
	}
	for {
		key, err := p.primitive(false)
		if err != nil {
			return nil, err
		}
		if !p.accept(tokColon) {
			return nil, p.unexpected()
		}
		value, err := p.element()
		if err != nil {
			return nil, err
		}
		d = append(d, dictEntry{key, value})
		if p.accept(tokBraceClose) {
			return d, nil
		}
		if !p.accept(tokComma) {
			return nil, p.unexpected()
		}
	}
}

// primitive is a run of unquoted tokens; a key has no colons and interpolations.
func (p *parser) primitive(value bool) (textExpr, error) {
	var text textExpr
	for {
		switch t := p.peek(); t {
		case tokID, tokNull, tokInt, tokFloat, tokBool, tokChar, tokEsc, tokSpace:
			text = append(text, p.next())
			continue
		case tokColon:
			if value {
				text = append(text, p.next())
				continue
			}
		case tokInterOpen:
			if value {
				e, err := p.interpolation()
				if err != nil {
					return nil, err
				}
				text = append(text, e)
				continue
			}
		}
		if len(text) == 0 {
			return nil, p.unexpected()
		}
		return text, nil
	}
}

// everySecond undoes backslashes: of each two characters the second one stays.
func everySecond(s string) string {
	var b strings.Builder
	for i, r := range []rune(s) {
		if i%2 == 1 {
			b.WriteRune(r)
		}
	}
	return b.String()
}
