package omegaconf

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// KeyError tells that a key is not in a config that takes no new ones.
type KeyError struct {
	Path     string
	Siblings []string // the names that the mapping takes
}

func (e *KeyError) Error() string { return fmt.Sprintf("there is no key %q", e.Path) }

// rules is how strict a change is.
type rules struct {
	closed bool // new keys are errors, everywhere
	force  bool // new keys are fine, even in a typed mapping
}

// Merge puts src over n, both mappings or both lists, as OmegaConf.merge does:
// mappings are merged key by key, lists replaced, and a missing value ("???")
// changes nothing. Where n has an interpolation to a mapping and src a mapping,
// n's becomes a copy of what it refers to. src stays as it is.
func (n *Node) Merge(src *Node) error { return n.merge(src, rules{}) }

func (n *Node) merge(src *Node, r rules) error {
	switch {
	case n.kind == Map && src.kind == Map:
		for _, key := range src.keys {
			if err := n.mergeItem(key, src.items[key], r); err != nil {
				return err
			}
		}
		return nil
	case n.kind == List && src.kind == List:
		return n.replaceList(src)
	default:
		return fmt.Errorf("cannot merge a %s into the %s %q", src.kind, n.kind, n.Path())
	}
}

// String names a kind in messages.
func (k Kind) String() string { return [...]string{"value", "mapping", "list"}[k] }

func (n *Node) mergeItem(key any, src *Node, r rules) error {
	dest := n.items[key]
	if dest != nil && dest.IsInterpolation() {
		// A reference that cannot be followed yet is simply replaced.
		if target, err := dest.deref(nil); err == nil && target.kind != Scalar {
			n.put(key, target.copyNode())
			dest = n.items[key]
		}
	}
	switch {
	case dest == nil:
		return n.setItem(key, src, r)
	case src.IsMissing():
		return nil
	case dest.kind != Scalar && src.kind != Scalar:
		return dest.merge(src, r)
	default:
		return n.setItem(key, src, r)
	}
}

// names are the keys of a mapping, and those that its type has.
func (n *Node) names() []string {
	var names []string
	for _, k := range n.keys {
		names = append(names, pyStr(k))
	}
	if n.typ.closed() {
		names = append(names, slices.Sorted(maps.Keys(n.typ.Fields))...)
	}
	return names
}

func (n *Node) replaceList(src *Node) error {
	fresh := &Node{kind: List, typ: n.typ}
	for _, item := range src.list {
		c := item.copyNode()
		if n.typ != nil {
			if err := c.conform(n.typ.Elem, n.pathOf(len(fresh.list))); err != nil {
				return err
			}
		}
		fresh.appendNode(c)
	}
	n.list = nil
	for _, item := range fresh.list {
		n.appendNode(item)
	}
	return nil
}

// setItem puts a copy of src at key of a mapping.
func (n *Node) setItem(key any, src *Node, r rules) error {
	old := n.items[key]
	want, known := n.typ.item(key)
	if old == nil && !known && !r.force && (r.closed || n.typ.closed()) {
		return &KeyError{Path: n.pathOf(key), Siblings: n.names()}
	}
	if old != nil {
		want = old.typ
	}
	c := src.copyNode()
	c.typ = nil
	if want != nil {
		if err := c.conform(want, n.pathOf(key)); err != nil {
			return err
		}
	}
	n.put(key, c)
	return nil
}

// Update sets the value at a path such as "optim.lr" as OmegaConf.update does:
// mappings and lists are merged into what is there. A key that does not exist is a
// *KeyError, unless force is set.
func (n *Node) Update(path string, v any, force bool) error {
	value, err := New(v)
	if err != nil {
		return err
	}
	r := rules{closed: !force, force: force}
	parts := strings.Split(path, ".")
	root := n
	for _, part := range parts[:len(parts)-1] {
		next, err := root.step(part)
		if err != nil {
			return err
		}
		if next == nil || next.kind == Scalar {
			// What is no mapping gives way to one.
			if err := root.assign(part, NewMap(), r); err != nil {
				return err
			}
			if next, err = root.step(part); err != nil {
				return err
			}
		}
		root = next
	}
	last := parts[len(parts)-1]
	if value.kind != Scalar {
		there, err := root.step(last)
		switch {
		case err != nil:
			return err
		case there == nil && !force:
			return &KeyError{Path: root.pathOf(last), Siblings: root.names()}
		case there != nil && there.kind != Scalar:
			return there.merge(value, r)
		}
	}
	return root.assign(last, value, r)
}

// step is the item of that name: a mapping's key or a list's index. It is nil where
// there is none.
func (n *Node) step(name string) (*Node, error) {
	if n.kind != List {
		return n.items[name], nil
	}
	i, err := index(name)
	if err != nil {
		return nil, fmt.Errorf("cannot look into the list %q: %w", n.Path(), err)
	}
	return n.Get(i), nil
}

func index(name string) (int, error) {
	v, err := ParseInt(name)
	if err != nil {
		return 0, err
	}
	i, ok := v.(int64)
	if !ok || int64(int(i)) != i {
		return 0, strconv.ErrRange
	}
	return int(i), nil
}

// assign sets an item of a mapping or a list.
func (n *Node) assign(name string, value *Node, r rules) error {
	if n.kind != List {
		return n.setItem(name, value, r)
	}
	i, err := index(name)
	if err != nil {
		return fmt.Errorf("cannot look into the list %q: %w", n.Path(), err)
	}
	if i < 0 || i >= len(n.list) {
		return fmt.Errorf("the list %q has %d items, so there is no %q", n.Path(), len(n.list), n.pathOf(i))
	}
	c := value.copyNode()
	if n.typ != nil {
		if err := c.conform(n.typ.Elem, n.pathOf(i)); err != nil {
			return err
		}
	}
	n.list[i], c.parent, c.key = c, n, i
	return nil
}

// ErrNotThere tells that there is nothing at the path to delete.
var ErrNotThere = errors.New("it does not exist")

// Delete takes the value at a path out, which must be there and not be null. With
// want, it must also equal want.
func (n *Node) Delete(path string, want any) error {
	there, err := n.Select(path)
	switch {
	case err != nil:
		return err
	case there == nil || there.IsNull() || there.IsMissing():
		return ErrNotThere
	}
	if want != nil {
		value, err := New(want)
		if err != nil {
			return err
		}
		if !Equal(value, there) {
			return fmt.Errorf("its value is %s, not %s", pyStr(there), pyStr(value))
		}
	}
	parent, last := n, path
	if i := strings.LastIndexByte(path, '.'); i >= 0 {
		last = path[i+1:]
		if parent, err = n.Select(path[:i]); err != nil {
			return err
		}
	}
	if parent == nil || parent.kind != Map || parent.items[last] == nil {
		return fmt.Errorf("it is not an item of a mapping; give the whole list instead")
	}
	if parent.typ.closed() {
		return fmt.Errorf("%q is part of every config", parent.pathOf(last))
	}
	parent.Remove(last)
	return nil
}
