package omegaconf

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"gopkg.in/yaml.v3"
)

// maxNodes bounds what aliases of aliases may grow to.
const maxNodes = 100_000

// Load reads a YAML document as OmegaConf.load does: by the rules of YAML 1.1 as
// PyYAML implements them (yes and on are true, 010 is 8, 1:30 is 90), but 1e-3 is a
// number and dates are text. Keys that occur twice are errors. An empty document is
// an empty mapping.
func Load(data []byte) (*Node, error) {
	n, err := load(data)
	if err != nil {
		return nil, err
	}
	if s, ok := n.Text(); ok { // a document that is one string may itself be YAML
		if n, err = load([]byte(s)); err != nil {
			return nil, err
		}
		if s, ok := n.Text(); ok {
			return newMap(Dict{{s, nil}})
		}
	}
	switch {
	case n.IsNull():
		return NewMap(), nil
	case n.kind == Scalar:
		return nil, fmt.Errorf("it holds only %s; a mapping or a list is needed", pyRepr(n.value))
	}
	return n, nil
}

func load(data []byte) (*Node, error) {
	if !utf8.Valid(data) {
		return nil, errors.New("it is not UTF-8 text")
	}
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	var doc yaml.Node
	switch err := decoder.Decode(&doc); {
	case errors.Is(err, io.EOF):
		return &Node{}, nil
	case err != nil:
		return nil, errors.New(strings.TrimPrefix(err.Error(), "yaml: "))
	}
	if err := decoder.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		if err != nil {
			return nil, errors.New(strings.TrimPrefix(err.Error(), "yaml: "))
		}
		return nil, errors.New("it holds more than one document")
	}
	l := loader{}
	return l.node(doc.Content[0])
}

type loader struct {
	nodes int
	depth int
}

func (l *loader) node(y *yaml.Node) (*Node, error) {
	l.nodes++
	l.depth++
	defer func() { l.depth-- }()
	if l.nodes > maxNodes || l.depth > 2*maxNesting {
		return nil, errors.New("it is nested too deep or grows too large by its aliases")
	}
	switch y.Kind {
	case yaml.AliasNode:
		return l.node(y.Alias)
	case yaml.MappingNode:
		if err := untagged(y, "!!map"); err != nil {
			return nil, err
		}
		return l.mapping(y)
	case yaml.SequenceNode:
		if err := untagged(y, "!!seq"); err != nil {
			return nil, err
		}
		n := &Node{kind: List}
		for _, item := range y.Content {
			c, err := l.node(item)
			if err != nil {
				return nil, err
			}
			n.appendNode(c)
		}
		return n, nil
	}
	v, err := construct(y)
	if err == nil {
		v, err = scalar(v)
	}
	if err != nil {
		return nil, fmt.Errorf("line %d: %w", y.Line, err)
	}
	return &Node{value: v}, nil
}

func untagged(y *yaml.Node, tag string) error {
	if y.Style&yaml.TaggedStyle != 0 && y.Tag != tag && y.Tag != "!" {
		return fmt.Errorf("line %d: the tag %s is not supported", y.Line, y.Tag)
	}
	return nil
}

func (l *loader) mapping(y *yaml.Node) (*Node, error) {
	seen := map[string]bool{}
	for i := 0; i+1 < len(y.Content); i += 2 {
		k := y.Content[i]
		if k.Kind != yaml.ScalarNode || tagOf(k) != "!!str" {
			continue
		}
		if seen[k.Value] {
			return nil, fmt.Errorf("line %d: the key %q occurs twice", k.Line, k.Value)
		}
		seen[k.Value] = true
	}
	entries, err := l.flatten(y, 0)
	if err != nil {
		return nil, err
	}
	n := NewMap()
	for _, e := range entries {
		if e[0].Kind == yaml.AliasNode {
			e[0] = e[0].Alias
		}
		if e[0].Kind != yaml.ScalarNode {
			return nil, fmt.Errorf("line %d: a key must be a scalar", e[0].Line)
		}
		k, err := constructKey(e[0])
		if err == nil {
			k, err = mapKey(k)
		}
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", e[0].Line, err)
		}
		c, err := l.node(e[1])
		if err != nil {
			return nil, err
		}
		n.put(k, c)
	}
	return n, nil
}

// flatten lists a mapping's entries, those of its merge key (<<) first.
func (l *loader) flatten(y *yaml.Node, depth int) ([][2]*yaml.Node, error) {
	if depth > maxNesting {
		return nil, fmt.Errorf("line %d: merge keys go round in a circle", y.Line)
	}
	var merged, own [][2]*yaml.Node
	for i := 0; i+1 < len(y.Content); i += 2 {
		k, v := y.Content[i], y.Content[i+1]
		if k.Kind != yaml.ScalarNode || tagOf(k) != "!!merge" {
			own = append(own, [2]*yaml.Node{k, v})
			continue
		}
		if v.Kind == yaml.AliasNode {
			v = v.Alias
		}
		sources := []*yaml.Node{v}
		if v.Kind == yaml.SequenceNode {
			sources = v.Content
		}
		for j := len(sources) - 1; j >= 0; j-- { // the first of a list wins
			s := sources[j]
			if s.Kind == yaml.AliasNode {
				s = s.Alias
			}
			if s.Kind != yaml.MappingNode {
				return nil, fmt.Errorf("line %d: only mappings can be merged with <<", k.Line)
			}
			entries, err := l.flatten(s, depth+1)
			if err != nil {
				return nil, err
			}
			if merged = append(merged, entries...); len(merged) > maxNodes {
				return nil, fmt.Errorf("line %d: merge keys grow too large", k.Line)
			}
		}
	}
	return append(merged, own...), nil
}
