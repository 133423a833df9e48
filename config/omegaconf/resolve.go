package omegaconf

import (
	"errors"
	"fmt"
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
