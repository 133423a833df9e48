package hydra

import (
	"fmt"
	"strings"

	"github.com/torchlit/torchlit/config/omegaconf"
)

// Operation is what an override does.
type Operation int

// The operations, by how an override begins.
const (
	Change   Operation = iota // key=value
	Add                       // +key=value
	ForceAdd                  // ++key=value
	Delete                    // ~key or ~key=value
)

func (o Operation) prefix() string { return [...]string{"", "+", "++", "~"}[o] }

// Override is one parsed argument such as "optim.lr=0.1", "+experiment=fast" or
// "model@teacher=resnet34".
type Override struct {
	Op      Operation
	Key     string // a path with dots, or a group with slashes
	Package string // what follows the @
	HasPkg  bool   // there is an @, though the package may be ""
	// Value is nil, bool, int64, *big.Int, float64, string, Quoted, []any,
	// omegaconf.Dict, or a sweep: *Choice, *Range, *Interval, *Glob.
	Value any
	Line  string // as it was given
}

// Quoted is text that stood in quotes, which it is given back when it is written.
type Quoted struct {
	Text  string
	Quote byte
}

// maxNesting bounds the depth of brackets, far above what anyone writes.
const maxNesting = 200

// ParseOverride reads one override by the grammar of hydra 1.3.
func ParseOverride(line string) (*Override, error) {
	tokens, err := scan(line)
	if err == nil {
		p := &parser{tokens: tokens}
		var o *Override
		if o, err = p.override(); err == nil {
			o.Line = line
			return o, nil
		}
	}
	return nil, fmt.Errorf("cannot read override %q: %w", line, err)
}

// ParseOverrides reads several.
func ParseOverrides(lines []string) ([]*Override, error) {
	var list []*Override
	for _, line := range lines {
		o, err := ParseOverride(line)
		if err != nil {
			return nil, err
		}
		list = append(list, o)
	}
	return list, nil
}

// KeyElement is all that stands before the equals sign.
func (o *Override) KeyElement() string {
	s := o.Op.prefix() + o.Key
	if o.HasPkg {
		s += "@" + o.Package
	}
	return s
}

// IsSweep tells whether the value stands for several.
func (o *Override) IsSweep() bool {
	switch o.Value.(type) {
	case *Choice, *Range, *Interval, *Glob:
		return true
	}
	return false
}

// IsHydra tells whether it sets hydra's own configuration.
func (o *Override) IsHydra() bool {
	return strings.HasPrefix(o.Key, "hydra.") || strings.HasPrefix(o.Key, "hydra/")
}

// plain is the value with quoted text as text.
func (o *Override) plain() any { return unquote(o.Value) }

func unquote(v any) any {
	switch v := v.(type) {
	case Quoted:
		return v.Text
	case []any:
		list := make([]any, len(v))
		for i, item := range v {
			list[i] = unquote(item)
		}
		return list
	case omegaconf.Dict:
		d := make(omegaconf.Dict, len(v))
		for i, p := range v {
			d[i] = omegaconf.Pair{Key: unquote(p.Key), Value: unquote(p.Value)}
		}
		return d
	}
	return v
}

// Text is the value as text, as a setting that is text would get it.
func (o *Override) Text() string {
	if v := o.plain(); v != nil {
		return omegaconf.Str(v)
	}
	return ""
}
