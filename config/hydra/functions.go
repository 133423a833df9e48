package hydra

import (
	"errors"
	"fmt"
	"math/big"
	"slices"
)

// call is a function of the grammar with its arguments, as in range(1,10,step=3).
type call struct {
	name  string
	args  []any
	named map[string]any
}

// functionNames are those that find knows.
const functionNames = "bool, choice, float, glob, int, interval, range, shuffle, sort, str, tag"

// find returns the function of a name. It is no table, as functions lead to others.
func find(name string) func(c call) (any, error) {
	switch name {
	case "int":
		return castCall(toInt)
	case "float":
		return castCall(toFloat)
	case "str":
		return castCall(toStr)
	case "bool":
		return castCall(toBool)
	case "choice":
		return choiceCall
	case "range":
		return rangeCall
	case "interval":
		return intervalCall
	case "glob":
		return globCall
	case "tag":
		return tagCall
	case "sort":
		return sortCall
	case "shuffle":
		return shuffleCall
	}
	return nil
}

func (c call) eval() (any, error) {
	f := find(c.name)
	if f == nil {
		return nil, fmt.Errorf("there is no function %q; there are %s", c.name, functionNames)
	}
	v, err := f(c)
	if err != nil {
		return nil, fmt.Errorf("cannot evaluate %s(): %w", c.name, err)
	}
	return v, nil
}

// only refuses named arguments other than the given ones.
func (c call) only(names ...string) error {
	for name := range c.named {
		if !slices.Contains(names, name) {
			return fmt.Errorf("it takes no argument %q", name)
		}
	}
	return nil
}

// params puts positional and named arguments in the order of names.
func (c call) params(names ...string) ([]any, error) {
	if err := c.only(names...); err != nil {
		return nil, err
	}
	if len(c.args) > len(names) {
		return nil, fmt.Errorf("it takes at most %d arguments", len(names))
	}
	values := make([]any, len(names))
	copy(values, c.args)
	for i, name := range names {
		v, named := c.named[name]
		if named && i < len(c.args) {
			return nil, fmt.Errorf("%q is given twice", name)
		}
		if named {
			values[i] = v
		}
	}
	return values, nil
}

// given tells whether an argument of params was given.
func (c call) given(i int, name string) bool {
	_, named := c.named[name]
	return named || i < len(c.args)
}

func choiceCall(c call) (any, error) {
	if err := c.only(); err != nil {
		return nil, err
	}
	if len(c.args) == 0 {
		return nil, errors.New("it needs at least one value")
	}
	for _, arg := range c.args {
		switch arg.(type) {
		case nil, *Range, *Interval, *Glob:
			return nil, errors.New("it takes neither null nor sweeps")
		}
	}
	if first, ok := c.args[0].(*Choice); ok && len(c.args) == 1 {
		if !first.Simple {
			return nil, errors.New("a choice cannot hold another one")
		}
		first.Simple = false
		return first, nil
	}
	return &Choice{List: c.args}, nil
}

// numeric takes whole numbers, floats, and truth values as Python does.
func numeric(v any, name string) (any, error) {
	switch v := v.(type) {
	case bool:
		return castInt(v)
	case int64, float64:
		return v, nil
	case *big.Int:
		return nil, fmt.Errorf("%s is too large", name)
	}
	return nil, fmt.Errorf("%s must be a number", name)
}

func rangeCall(c call) (any, error) {
	p, err := c.params("start", "stop", "step")
	if err != nil {
		return nil, err
	}
	r := &Range{Step: int64(1)}
	if r.Start, err = numeric(p[0], "start"); err != nil {
		return nil, err
	}
	if p[1] == nil {
		r.Start, r.Stop = int64(0), r.Start
	} else if r.Stop, err = numeric(p[1], "stop"); err != nil {
		return nil, err
	}
	if c.given(2, "step") {
		r.Step, err = numeric(p[2], "step")
	}
	return r, err
}

func intervalCall(c call) (any, error) {
	p, err := c.params("start", "end")
	if err != nil {
		return nil, err
	}
	i := &Interval{}
	if i.Start, err = numeric(p[0], "start"); err != nil {
		return nil, err
	}
	if i.End, err = numeric(p[1], "end"); err != nil {
		return nil, err
	}
	if i.Start, err = castFloat(i.Start); err != nil {
		return nil, err
	}
	i.End, err = castFloat(i.End)
	return i, err
}

func globCall(c call) (any, error) {
	p, err := c.params("include", "exclude")
	if err != nil {
		return nil, err
	}
	g := &Glob{}
	if !c.given(0, "include") || p[0] == nil {
		return nil, errors.New("it needs a pattern")
	}
	if g.Include, err = patterns(p[0]); err == nil && p[1] != nil {
		g.Exclude, err = patterns(p[1])
	}
	return g, err
}

func patterns(v any) ([]string, error) {
	switch v := v.(type) {
	case string:
		return []string{v}, nil
	case []any:
		var list []string
		for _, item := range v {
			s, ok := unquote(item).(string)
			if !ok {
				return nil, errors.New("its patterns must be text")
			}
			list = append(list, s)
		}
		return list, nil
	}
	return nil, errors.New("its patterns must be text")
}

func tagCall(c call) (any, error) {
	if err := c.only("sweep"); err != nil {
		return nil, err
	}
	args := slices.Clone(c.args)
	if len(args) == 0 {
		return nil, errors.New("it needs a sweep")
	}
	if s := c.named["sweep"]; s != nil {
		args = append(args, s)
	}
	var tags []string
	for _, arg := range args[:len(args)-1] {
		s, ok := arg.(string)
		if !ok {
			return nil, errors.New("its tags must be text")
		}
		tags = append(tags, s)
	}
	switch s := args[len(args)-1].(type) {
	case *Choice:
		s.Tags = tags
		return s, nil
	case *Range:
		s.Tags = tags
		return s, nil
	case *Interval:
		s.Tags = tags
		return s, nil
	}
	return nil, errors.New("its last argument must be a choice, a range or an interval")
}
