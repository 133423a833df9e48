package hydra

import (
	"errors"
	"fmt"
	"strings"

	"github.com/torchlit/torchlit/config/omegaconf"
)

type parser struct {
	tokens []token
	pos    int
	depth  int
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

func (p *parser) unexpected() error {
	if p.peek() == tokEOF {
		return errors.New("it ends too early")
	}
	return fmt.Errorf("%q is not expected there; quote the value to make it text", p.tokens[p.pos].text)
}

// override: key = value | ~key (= value)? | + key = value | ++ key = value
func (p *parser) override() (*Override, error) {
	o := &Override{}
	switch {
	case p.accept(tokTilde):
		o.Op = Delete
	case p.accept(tokPlus):
		o.Op = Add
		if p.accept(tokPlus) {
			o.Op = ForceAdd
		}
	}
	if err := p.key(o); err != nil {
		return nil, err
	}
	switch {
	case o.Op == Delete && p.peek() == tokEOF:
		return o, nil
	case p.peek() == tokEOF:
		return nil, errors.New("it is not of the form key=value")
	case !p.accept(tokEqual):
		return nil, p.unexpected()
	case p.peek() == tokEOF:
		o.Value = ""
		return o, nil
	}
	var err error
	if o.Value, err = p.value(); err == nil && p.peek() != tokEOF {
		err = p.unexpected()
	}
	return o, err
}

// key: a path, or a group with slashes; then maybe @package. Either may be empty.
func (p *parser) key(o *Override) error {
	switch p.peek() {
	case tokID:
		o.Key = p.next().text
		for p.peek() == tokSlash {
			o.Key += p.next().text
			if p.peek() != tokID {
				return p.unexpected()
			}
			o.Key += p.next().text
		}
	case tokSpecial, tokPath:
		o.Key = p.next().text
	}
	if p.accept(tokAt) {
		o.HasPkg = true
		switch p.peek() {
		case tokID, tokSpecial, tokPath:
			o.Package = p.next().text
		}
	}
	return nil
}

// value: an element, or several with commas in between: a sweep.
func (p *parser) value() (any, error) {
	first, err := p.element()
	if err != nil || p.peek() != tokComma {
		return first, err
	}
	sweep := &Choice{List: []any{first}, Simple: true}
	for p.accept(tokComma) {
		e, err := p.element()
		if err != nil {
			return nil, err
		}
		sweep.List = append(sweep.List, e)
	}
	return sweep, nil
}

func (p *parser) element() (any, error) {
	if p.depth++; p.depth > maxNesting {
		return nil, errors.New("it is nested too deep")
	}
	defer func() { p.depth-- }()
	switch p.peek() {
	case tokQuoted:
		text := p.next().text
		return Quoted{Text: unescapeQuoted(text), Quote: text[0]}, nil
	case tokBracketOpen:
		p.next()
		return p.list()
	case tokBraceOpen:
		p.next()
		return p.dict()
	case tokID:
		if p.tokens[p.pos+1].typ == tokOpen {
			return p.function()
		}
	}
	return p.primitive(true)
}

func (p *parser) list() (any, error) {
	list := []any{}
	if p.accept(tokBracketClose) {
		return list, nil
	}
	for {
		e, err := p.element()
		if err != nil {
			return nil, err
		}
		list = append(list, e)
		if p.accept(tokBracketClose) {
			return list, nil
		}
		if !p.accept(tokComma) {
			return nil, p.unexpected()
		}
	}
}

func (p *parser) dict() (any, error) {
	d := omegaconf.Dict{}
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
		e, err := p.element()
		if err != nil {
			return nil, err
		}
		d = put(d, key, e)
		if p.accept(tokBraceClose) {
			return d, nil
		}
		if !p.accept(tokComma) {
			return nil, p.unexpected()
		}
	}
}

// put sets a key of d: one that was there keeps its place.
func put(d omegaconf.Dict, key, value any) omegaconf.Dict {
	for i := range d {
		if d[i].Key == key {
			d[i].Value = value
			return d
		}
	}
	return append(d, omegaconf.Pair{Key: key, Value: value})
}

func (p *parser) function() (any, error) {
	c := call{name: p.next().text, named: map[string]any{}}
	p.next() // (
	if p.accept(tokClose) {
		return c.eval()
	}
	for {
		name := ""
		if p.peek() == tokID && p.tokens[p.pos+1].typ == tokEqual {
			name = p.next().text
			p.next()
		} else if len(c.named) > 0 {
			return nil, errors.New("an argument without a name follows one that has one")
		}
		e, err := p.element()
		if err != nil {
			return nil, err
		}
		if q, ok := e.(Quoted); ok {
			e = q.Text
		}
		if name != "" {
			c.named[name] = e
		} else {
			c.args = append(c.args, e)
		}
		if p.accept(tokClose) {
			return c.eval()
		}
		if !p.accept(tokComma) {
			return nil, p.unexpected()
		}
	}
}

// primitive is a run of unquoted tokens: of one token it may be a number, a truth
// value or null; of more it is text. A key of a dict takes fewer kinds.
func (p *parser) primitive(value bool) (any, error) {
	var run []token
	for p.inPrimitive(value) {
		run = append(run, p.next())
	}
	if len(run) == 0 {
		return nil, p.unexpected()
	}
	if run[0].typ == tokSpace {
		run = run[1:]
	}
	if len(run) > 0 && run[len(run)-1].typ == tokSpace {
		run = run[:len(run)-1]
	}
	switch len(run) {
	case 0:
		return nil, errors.New("a value of spaces only needs quotes")
	case 1:
		return single(run[0])
	}
	var b strings.Builder
	for _, t := range run {
		b.WriteString(tokenText(t))
	}
	return b.String(), nil
}

func (p *parser) inPrimitive(value bool) bool {
	switch p.peek() {
	case tokID, tokNull, tokInt, tokFloat, tokBool, tokChar, tokEsc, tokSpace:
		return true
	case tokInterpolation, tokColon:
		return value
	}
	return false
}

func single(t token) (any, error) {
	switch t.typ {
	case tokInt:
		return omegaconf.ParseInt(t.text)
	case tokFloat:
		return omegaconf.ParseFloat(t.text)
	case tokNull:
		return nil, nil
	case tokBool:
		return strings.EqualFold(t.text, "true"), nil
	}
	return tokenText(t), nil
}

// tokenText is a token's text; of an escape, every second character.
func tokenText(t token) string {
	if t.typ != tokEsc {
		return t.text
	}
	var b strings.Builder
	for i := 1; i < len(t.text); i += 2 {
		b.WriteByte(t.text[i])
	}
	return b.String()
}
