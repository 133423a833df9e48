// Package omegaconf holds configuration trees as OmegaConf 2.3 holds them: nested
// mappings and lists whose leaves may refer to one another, as in "${optim.lr}".
//
// It reads and writes YAML with PyYAML's rules (YAML 1.1: yes is true, 1e-3 is a
// number), merges trees, keeps the order of keys, and resolves interpolations. So a
// file that a Python program wrote means the same here, and the other way round.
// The facts come from OmegaConf's and PyYAML's published grammars and sources; the
// tests with build tag interop compare this package with the real ones.
package omegaconf

import (
	"fmt"
	"math/big"
	"slices"
	"strings"
)

// Kind tells what a Node is.
type Kind int

// The kinds of a Node.
const (
	Scalar Kind = iota
	Map
	List
)

// Missing is the value that has to be set before the config is used.
const Missing = "???"

// Node is one value of a tree: a scalar, a mapping with ordered keys, or a list.
//
// A scalar is nil, bool, int64, *big.Int, float64 or string; a string with "${" in
// it is an interpolation, which stays as it is until it is resolved. Keys of a
// mapping are strings, or int64, float64 or bool as YAML has them.
//
// A tree belongs to one goroutine at a time; reading it resolves lazily, so even
// readers need that.
type Node struct {
	kind   Kind
	value  any
	keys   []any
	items  map[any]*Node
	list   []*Node
	parent *Node
	key    any
	typ    *Type
	scope  *Scope // of a root
}

// Pair is one entry of a Dict.
type Pair struct{ Key, Value any }

// Dict is a mapping whose order counts, as a literal for New.
type Dict []Pair

// NewMap returns an empty mapping.
func NewMap() *Node { return &Node{kind: Map, items: map[any]*Node{}} }

// New makes a tree of Dict, map[string]any (in alphabetical order), []any, []string
// and scalars (any Go integer, float, string, bool, nil). A *Node is copied. Strings
// that contain "${" must be valid interpolations.
func New(v any) (*Node, error) {
	switch v := v.(type) {
	case *Node:
		return v.Copy(), nil
	case Dict:
		return newMap(v)
	case map[string]any:
		d := make(Dict, 0, len(v))
		for k, item := range v {
			d = append(d, Pair{k, item})
		}
		slices.SortFunc(d, func(a, b Pair) int { return strings.Compare(a.Key.(string), b.Key.(string)) })
		return newMap(d)
	case []any:
		return newList(v)
	case []string:
		return newList(v)
	default:
		s, err := scalar(v)
		if err != nil {
			return nil, err
		}
		return &Node{value: s}, nil
	}
}

func newMap(d Dict) (*Node, error) {
	n := NewMap()
	for _, p := range d {
		key, err := mapKey(p.Key)
		if err != nil {
			return nil, err
		}
		child, err := New(p.Value)
		if err != nil {
			return nil, err
		}
		n.put(key, child)
	}
	return n, nil
}

func newList[T any](items []T) (*Node, error) {
	n := &Node{kind: List}
	for _, item := range items {
		child, err := New(item)
		if err != nil {
			return nil, err
		}
		n.appendNode(child)
	}
	return n, nil
}

func mapKey(k any) (any, error) {
	k, err := plainScalar(k)
	if _, big := k.(*big.Int); err != nil || k == nil || big {
		return nil, fmt.Errorf("cannot use %s as a key: give text, a number or a truth value", pyRepr(k))
	}
	return k, nil
}

// Kind tells what n is.
func (n *Node) Kind() Kind { return n.kind }

// Value returns a scalar as it stands, not resolved; nil for mappings and lists.
func (n *Node) Value() any {
	if n.kind != Scalar {
		return nil
	}
	return n.value
}

// Text returns the value of a scalar string as it stands, and whether it is one.
func (n *Node) Text() (string, bool) {
	s, ok := n.Value().(string)
	return s, ok
}

// IsNull tells whether n is the scalar null.
func (n *Node) IsNull() bool { return n.kind == Scalar && n.value == nil }

// IsMissing tells whether n stands for a value that has yet to be given.
func (n *Node) IsMissing() bool { return n.kind == Scalar && n.value == Missing }

// IsInterpolation tells whether n is text with "${" in it.
func (n *Node) IsInterpolation() bool {
	s, ok := n.Text()
	return ok && strings.Contains(s, "${")
}

// Len is the number of a mapping's or a list's items.
func (n *Node) Len() int {
	if n.kind == Map {
		return len(n.keys)
	}
	return len(n.list)
}

// Keys returns a mapping's keys in their order. The caller must not change them.
func (n *Node) Keys() []any { return n.keys }

// Get returns the item of a mapping (by string, int64, float64 or bool) or of a list
// (by int), or nil. It resolves nothing.
func (n *Node) Get(key any) *Node {
	switch n.kind {
	case Map:
		return n.items[key]
	case List:
		if i, ok := key.(int); ok && i >= 0 && i < len(n.list) {
			return n.list[i]
		}
	}
	return nil
}

// Items returns a list's items. The caller must not change them.
func (n *Node) Items() []*Node { return n.list }

// put sets a mapping's item without any check.
func (n *Node) put(key any, child *Node) {
	if _, there := n.items[key]; !there {
		n.keys = append(n.keys, key)
	}
	n.items[key] = child
	child.parent, child.key = n, key
}

func (n *Node) appendNode(child *Node) {
	child.parent, child.key = n, len(n.list)
	n.list = append(n.list, child)
}

// Set puts v, which New understands, into a mapping, whether the key is there or not.
func (n *Node) Set(key string, v any) error {
	child, err := New(v)
	if err != nil {
		return err
	}
	if old := n.items[key]; old != nil {
		child.typ = old.typ
	}
	n.put(key, child)
	return nil
}

// Append adds v, which New understands, to a list.
func (n *Node) Append(v any) error {
	child, err := New(v)
	if err != nil {
		return err
	}
	n.appendNode(child)
	return nil
}

// Remove takes an item out of a mapping, if it is there.
func (n *Node) Remove(key any) {
	if n.items[key] == nil {
		return
	}
	delete(n.items, key)
	n.keys = slices.DeleteFunc(slices.Clone(n.keys), func(k any) bool { return k == key })
}

// Copy returns a copy that is the root of a tree of its own. It keeps the scope of
// the tree that it was taken from.
func (n *Node) Copy() *Node {
	c := n.copyNode()
	c.scope = n.root().scope
	return c
}

func (n *Node) copyNode() *Node {
	c := &Node{kind: n.kind, value: n.value, typ: n.typ}
	switch n.kind {
	case Map:
		c.items = make(map[any]*Node, len(n.items))
		for _, k := range n.keys {
			c.put(k, n.items[k].copyNode())
		}
	case List:
		for _, item := range n.list {
			c.appendNode(item.copyNode())
		}
	}
	return c
}

func (n *Node) root() *Node {
	for n.parent != nil {
		n = n.parent
	}
	return n
}

// Path is where n lies in its tree, as in "data.sizes[0].side".
func (n *Node) Path() string {
	if n.parent == nil {
		return ""
	}
	return n.parent.pathOf(n.key)
}

// pathOf is the path of an item, whether it is there or not.
func (n *Node) pathOf(key any) string {
	prefix := n.Path()
	switch {
	case n.kind == List:
		return fmt.Sprintf("%s[%v]", prefix, key)
	case prefix == "":
		return pyStr(key)
	default:
		return prefix + "." + pyStr(key)
	}
}

// Paths lists the paths of all items below n, mappings before what they hold;
// lists are leaves.
func (n *Node) Paths() []string {
	var paths []string
	for _, k := range n.keys {
		child := n.items[k]
		paths = append(paths, child.Path())
		paths = append(paths, child.Paths()...)
	}
	return paths
}

// Any returns n as it stands as plain Go values: map[string]any, []any, and scalars
// with int for whole numbers. Keys that are no strings are written as Python would.
func (n *Node) Any() any {
	switch n.kind {
	case Map:
		m := make(map[string]any, len(n.keys))
		for _, k := range n.keys {
			m[pyStr(k)] = n.items[k].Any()
		}
		return m
	case List:
		l := make([]any, len(n.list))
		for i, item := range n.list {
			l[i] = item.Any()
		}
		return l
	}
	if i, ok := n.value.(int64); ok {
		return int(i)
	}
	return n.value
}
