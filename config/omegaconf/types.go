package omegaconf

import (
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strings"
)

// Type is what a typed config demands of a value. A nil Type demands nothing.
type Type struct {
	Name     string           // "str", "int", "bool", "any", "dict", "list", or "enum"
	Optional bool             // null is fine
	Elem     *Type            // of each item of a dict or list; nil: anything
	Fields   map[string]*Type // of a dict that takes these keys and no others
	Values   []string         // of an enum
}

func (t *Type) closed() bool { return t != nil && t.Fields != nil }

// item is what a mapping of type t demands of an item, and whether it knows the key.
func (t *Type) item(key any) (_ *Type, known bool) {
	if t == nil {
		return nil, false
	}
	if t.Fields == nil {
		return t.Elem, false
	}
	name, _ := key.(string)
	field, known := t.Fields[name]
	return field, known
}

// Type is what n has to keep to; nil if nothing is demanded.
func (n *Node) Type() *Type { return n.typ }

// Demand makes n and what is below it keep to t from now on. What n holds has to
// fit already: it panics otherwise, as t and n are both the program's own.
func (n *Node) Demand(t *Type) {
	if t == nil || t.Name == "any" {
		return
	}
	n.typ = t
	for _, k := range n.keys {
		child := n.items[k]
		if name, ok := k.(string); ok && t.Fields != nil {
			child.Demand(t.Fields[name])
		} else {
			child.Demand(t.Elem)
		}
	}
	for _, item := range n.list {
		item.Demand(t.Elem)
	}
}

// conform makes n, which is about to be put at path, a value of type t.
func (n *Node) conform(t *Type, path string) error {
	if t == nil || t.Name == "any" {
		return nil
	}
	n.typ = t
	if n.kind != Scalar {
		return n.conformItems(t, path)
	}
	switch {
	case n.IsMissing() || n.IsInterpolation():
		return nil
	case n.value == nil:
		if !t.Optional {
			return fmt.Errorf("%q cannot be null", path)
		}
		return nil
	}
	v, err := t.convert(n.value)
	if err != nil {
		return fmt.Errorf("cannot set %q: %w", path, err)
	}
	n.value = v
	return nil
}

func (n *Node) conformItems(t *Type, path string) error {
	if (n.kind == Map) != (t.Name == "dict") || (n.kind == List) != (t.Name == "list") {
		return fmt.Errorf("cannot set %q to a %s: it is a %s", path, n.kind, t.Name)
	}
	for _, k := range n.keys {
		want := t.Elem
		if t.closed() {
			name, _ := k.(string)
			field, known := t.Fields[name]
			if !known {
				return &KeyError{Path: path + "." + pyStr(k), Siblings: slices.Sorted(maps.Keys(t.Fields))}
			}
			want = field
		}
		if err := n.items[k].conform(want, path+"."+pyStr(k)); err != nil {
			return err
		}
	}
	for i, item := range n.list {
		if err := item.conform(t.Elem, fmt.Sprintf("%s[%d]", path, i)); err != nil {
			return err
		}
	}
	return nil
}

// convert turns a scalar other than null into one of type t, as OmegaConf's typed
// nodes do: text may stand for a number, and a number for text.
func (t *Type) convert(v any) (any, error) {
	switch t.Name {
	case "str":
		return pyStr(v), nil
	case "int":
		switch v := v.(type) {
		case int64, *big.Int:
			return v, nil
		case string:
			return ParseInt(v)
		}
	case "bool":
		return convertBool(v)
	case "enum":
		s, _ := v.(string)
		for i, name := range t.Values {
			if s == name || v == int64(i+1) {
				return name, nil
			}
		}
		return nil, fmt.Errorf("%s is none of %s", pyRepr(v), strings.Join(t.Values, ", "))
	}
	return nil, fmt.Errorf("%s is not of type %s", pyRepr(v), t.Name)
}

func convertBool(v any) (any, error) {
	switch v := v.(type) {
	case bool:
		return v, nil
	case int64:
		return v != 0, nil
	case string:
		if i, err := ParseInt(v); err == nil {
			return convertBool(i)
		}
		switch strings.ToLower(v) {
		case "yes", "y", "on", "true":
			return true, nil
		case "no", "n", "off", "false":
			return false, nil
		}
	}
	return nil, fmt.Errorf("%s is not a truth value", pyRepr(v))
}
