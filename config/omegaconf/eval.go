package omegaconf

import (
	"errors"
	"fmt"
	"strings"
)

func (n *Node) evalText(s string, node *Node, st *state) (any, error) {
	text, err := parseText(s)
	if err != nil {
		return nil, fmt.Errorf("cannot read %q: %w", s, err)
	}
	e := evaluator{at: n, node: node, st: st}
	return e.text(text)
}

// evaluator computes the parts of one interpolated text, which stands in the
// container at.
type evaluator struct {
	at   *Node
	node *Node
	st   *state
}

func (e evaluator) eval(x any) (any, error) {
	switch x := x.(type) {
	case emptyExpr:
		return "", nil
	case *refExpr:
		return e.ref(x)
	case *callExpr:
		return e.call(x)
	case quotedExpr:
		if x.text == nil {
			return "", nil
		}
		v, err := e.text(x.text)
		if err != nil {
			return nil, err
		}
		return pyStr(v), nil
	case listExpr:
		list := make([]any, 0, len(x))
		for _, item := range x {
			v, err := e.value(item)
			if err != nil {
				return nil, err
			}
			list = append(list, v)
		}
		return list, nil
	case dictExpr:
		return e.dict(x)
	case textExpr:
		return e.primitive(x)
	}
	panic(fmt.Sprintf("BUG: no rule for a %T", x))
}

// value is eval with scalars taken out of their nodes.
func (e evaluator) value(x any) (any, error) {
	v, err := e.eval(x)
	if n, ok := v.(*Node); ok && n.kind == Scalar {
		return n.value, err
	}
	return v, err
}

func (e evaluator) dict(x dictExpr) (any, error) {
	d := Dict{}
	for _, entry := range x {
		key, err := e.primitive(entry.key)
		if err != nil {
			return nil, err
		}
		v, err := e.value(entry.value)
		if err != nil {
			return nil, err
		}
		d = append(d, Pair{key, v})
	}
	return d, nil
}

// text is the value of a single interpolation, and otherwise a string.
func (e evaluator) text(x textExpr) (any, error) {
	if _, isToken := x[0].(token); len(x) == 1 && !isToken {
		return e.eval(x[0])
	}
	return e.concat(x)
}

// primitive is text whose single token may be a number, a truth value or null.
func (e evaluator) primitive(x textExpr) (any, error) {
	t, isToken := x[0].(token)
	if len(x) > 1 || !isToken {
		return e.text(x)
	}
	switch t.typ {
	case tokNull:
		return nil, nil
	case tokInt:
		return ParseInt(t.text)
	case tokFloat:
		return ParseFloat(t.text)
	case tokBool:
		return strings.EqualFold(t.text, "true"), nil
	case tokSpace:
		return nil, errors.New("a value of spaces only needs quotes")
	case tokEsc:
		return everySecond(t.text), nil
	}
	return t.text, nil
}

func (e evaluator) concat(x textExpr) (string, error) {
	var b strings.Builder
	for i, part := range x {
		t, isToken := part.(token)
		if !isToken {
			v, err := e.eval(part)
			if err != nil {
				return "", err
			}
			b.WriteString(pyStr(resultText(v)))
			continue
		}
		followed := false // by an interpolation
		if i+1 < len(x) {
			_, nextIsToken := x[i+1].(token)
			followed = !nextIsToken
		}
		last := i+1 == len(x)
		switch {
		case t.typ == tokEscInter:
			b.WriteString(t.text[len(t.text)-(len(t.text)/2+1):])
		case t.typ == tokEsc, t.typ == tokTopEsc && followed, t.typ == tokQuotedEsc && (followed || last):
			b.WriteString(everySecond(t.text))
		default:
			b.WriteString(t.text)
		}
	}
	return b.String(), nil
}

// resultText makes a node of lists and dicts that a resolver returned, for pyStr.
func resultText(v any) any {
	switch v.(type) {
	case []any, Dict:
		if n, err := wrap(v); err == nil {
			return n
		}
	}
	return v
}

// ref follows ${a.b}.
func (e evaluator) ref(x *refExpr) (any, error) {
	var path strings.Builder
	for _, part := range x.parts {
		if s, ok := part.(string); ok {
			path.WriteString(s)
			continue
		}
		v, err := e.value(part)
		if err != nil {
			return nil, err
		}
		s, ok := v.(string)
		if !ok {
			return nil, fmt.Errorf("an interpolation inside of a path must be text, not %s", pyRepr(v))
		}
		path.WriteString(s)
	}
	found, err := e.at.selectPath(path.String(), e.st, true)
	switch {
	case err != nil:
		return nil, err
	case found == nil:
		return nil, fmt.Errorf("there is no key %q to refer to", strings.TrimLeft(path.String(), "."))
	}
	for up := e.at; up != nil; up = up.parent {
		if up == found {
			return nil, fmt.Errorf("%q refers to a mapping that it is part of", path.String())
		}
	}
	return found, nil
}
