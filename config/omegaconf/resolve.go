package omegaconf

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// maxDepth bounds how far one interpolation leads to another; beyond, they go round
// in a circle in a way that is not seen otherwise.
const maxDepth = 100

// state is what one resolution has seen.
type state struct {
	memo  map[*Node]bool // whose value is being resolved
	depth int
}

// ErrMissing tells that a value that must be given was not.
var ErrMissing = errors.New("it must be given a value")

// errNotContainer tells that a path leads on below a scalar.
var errNotContainer = errors.New("it holds no items")

// Select returns the node at a path such as "optim.lr" or "data.sizes[0]", resolved
// if it is an interpolation; nil where there is none. A path that begins with a dot
// is relative to n as in interpolations.
func (n *Node) Select(path string) (*Node, error) {
	found, err := n.selectPath(path, &state{}, false)
	if errors.Is(err, errNotContainer) {
		return nil, nil
	}
	return found, err
}

// deref follows n if it is an interpolation. The result is n itself, another node of
// the tree, or a node of its own that holds what a resolver returned.
func (n *Node) deref(st *state) (*Node, error) {
	if !n.IsInterpolation() {
		return n, nil
	}
	if st == nil {
		st = &state{}
	}
	if n.parent == nil {
		return nil, errors.New("cannot resolve an interpolation outside of a config")
	}
	v, err := n.parent.evalText(n.value.(string), n, st)
	if err != nil {
		return nil, fmt.Errorf("cannot resolve %q: %w", n.Path(), err)
	}
	res, isNode := v.(*Node)
	if !isNode {
		if res, err = wrap(v); err != nil {
			return nil, err
		}
		res.parent, res.key = n.parent, n.key
	}
	if n.typ != nil && n.typ.Name != "any" && res.kind == Scalar && res.value != nil && !res.IsMissing() {
		c, err := n.typ.convert(res.value)
		if err != nil {
			return nil, fmt.Errorf("cannot resolve %q: %w", n.Path(), err)
		}
		if c != res.value {
			res = &Node{value: c, parent: n.parent, key: n.key}
		}
	}
	return res, nil
}

// wrap makes a node of what a resolver returned: text in it is final.
func wrap(v any) (*Node, error) {
	switch v := v.(type) {
	case []any:
		n := &Node{kind: List}
		for _, item := range v {
			c, err := wrap(item)
			if err != nil {
				return nil, err
			}
			n.appendNode(c)
		}
		return n, nil
	case Dict:
		n := NewMap()
		for _, p := range v {
			key, err := mapKey(p.Key)
			if err != nil {
				return nil, err
			}
			c, err := wrap(p.Value)
			if err != nil {
				return nil, err
			}
			n.put(key, c)
		}
		return n, nil
	case *Node:
		return v.copyNode(), nil
	}
	s, err := plainScalar(v)
	return &Node{value: s}, err
}

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

// selectPath finds a node. Paths are absolute, but for those that begin with dots.
// With strict, a missing value on the way is an error.
func (n *Node) selectPath(path string, st *state, strict bool) (*Node, error) {
	if st.depth++; st.depth > maxDepth {
		return nil, errors.New("the interpolations go round in a circle")
	}
	defer func() { st.depth-- }()
	root, rest := n.root(), path
	if strings.HasPrefix(path, ".") {
		root = n
		for rest = path[1:]; strings.HasPrefix(rest, "."); rest = rest[1:] {
			if root = root.parent; root == nil {
				return nil, fmt.Errorf("%q has more dots than there are levels above it", path)
			}
		}
	}
	if rest == "" {
		return root, nil
	}
	parts := splitPath(rest)
	for _, part := range parts[:len(parts)-1] {
		next, err := root.selectOne(part, strict)
		if err != nil || next == nil {
			return nil, err
		}
		if next, err = next.deref(st); err != nil {
			return nil, err
		}
		if next.kind == Scalar {
			return nil, fmt.Errorf("%q leads through %s: %w", path, pyRepr(next.value), errNotContainer)
		}
		root = next
	}
	found, err := root.selectOne(parts[len(parts)-1], strict)
	if err != nil || found == nil || !found.IsInterpolation() {
		return found, err
	}
	if st.memo == nil {
		st.memo = map[*Node]bool{}
	}
	if st.memo[found] {
		return nil, fmt.Errorf("%q refers to itself", path)
	}
	st.memo[found] = true
	defer delete(st.memo, found)
	return found.deref(st)
}

func (n *Node) selectOne(name string, strict bool) (*Node, error) {
	found, err := n.step(name)
	if err == nil && found != nil && found.IsMissing() && strict {
		return nil, fmt.Errorf("%q is %s: %w", found.Path(), Missing, ErrMissing)
	}
	return found, err
}

var (
	pathHead = regexp.MustCompile(`^\.*[^.\[]*`)
	pathRest = regexp.MustCompile(`\.([^.\[]*)|\[([^\n]*?)\]`)
)

// splitPath splits "a.b", "a[b]" and the like into their keys.
func splitPath(path string) []string {
	head := pathHead.FindString(path)
	parts := strings.Split(head, ".")
	if len(head) == len(path) {
		return parts
	}
	if path[len(head)] == '[' && parts[len(parts)-1] == "" {
		parts = parts[:len(parts)-1]
	}
	for _, m := range pathRest.FindAllStringSubmatch(path[len(head):], -1) {
		if m[1] != "" {
			parts = append(parts, m[1])
		} else {
			parts = append(parts, m[2])
		}
	}
	return parts
}

// Resolve replaces each interpolation in n by what it refers to, in place. What
// refers to a missing value becomes one.
func (n *Node) Resolve() error {
	for _, k := range n.keys {
		if err := n.resolveItem(n.items[k]); err != nil {
			return err
		}
	}
	for i := range n.list {
		if err := n.resolveItem(n.list[i]); err != nil {
			return err
		}
	}
	return nil
}

func (n *Node) resolveItem(item *Node) error {
	if !item.IsInterpolation() {
		return item.Resolve()
	}
	v, err := item.deref(nil)
	if errors.Is(err, ErrMissing) {
		item.value = Missing
		return nil
	}
	if err != nil {
		return err
	}
	if err := v.Resolve(); err != nil {
		return err
	}
	c := v.copyNode()
	item.kind, item.value = c.kind, c.value
	item.keys, item.items, item.list = c.keys, c.items, c.list
	for _, k := range item.keys {
		item.items[k].parent = item
	}
	for _, child := range item.list {
		child.parent = item
	}
	return nil
}

// Resolved returns a copy of n with all interpolations resolved. With complete, a
// value that is missing is an error.
func (n *Node) Resolved(complete bool) (*Node, error) { return n.resolved(complete, 0) }

func (n *Node) resolved(complete bool, depth int) (*Node, error) {
	if depth > maxDepth {
		return nil, fmt.Errorf("cannot resolve %q: mappings refer to each other in a circle", n.Path())
	}
	path := n.Path()
	n, err := n.deref(nil)
	if err != nil {
		return nil, err
	}
	if n.IsMissing() && complete {
		return nil, fmt.Errorf("%q is %s: %w", path, Missing, ErrMissing)
	}
	c := &Node{kind: n.kind, value: n.value, typ: n.typ}
	if n.kind == Map {
		c.items = make(map[any]*Node, len(n.items))
	}
	for _, k := range n.keys {
		child, err := n.items[k].resolved(complete, depth+1)
		if err != nil {
			return nil, err
		}
		c.put(k, child)
	}
	for _, item := range n.list {
		child, err := item.resolved(complete, depth+1)
		if err != nil {
			return nil, err
		}
		c.appendNode(child)
	}
	return c, nil
}
