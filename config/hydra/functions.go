package hydra

import (
	"errors"
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/torchlit/torchlit/config/omegaconf"
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

type cast struct {
	name   string
	scalar func(v any) (any, error)
}

var (
	toInt   = cast{"int", castInt}
	toFloat = cast{"float", castFloat}
	toStr   = cast{"str", castStr}
	toBool  = cast{"bool", castBool}
)

func castCall(to cast) func(c call) (any, error) {
	return func(c call) (any, error) {
		if err := c.only("value"); err != nil {
			return nil, err
		}
		for _, arg := range append(slices.Clone(c.args), c.named["value"]) {
			if _, isGlob := arg.(*Glob); isGlob {
				return nil, errors.New("a glob cannot be cast")
			}
		}
		value := c.named["value"]
		switch {
		case value != nil && len(c.args) > 0:
			return nil, errors.New("it takes arguments either with or without a name")
		case value != nil:
			return to.apply(value)
		case len(c.args) == 0:
			return nil, errors.New("it needs an argument")
		case len(c.args) == 1:
			return to.apply(c.args[0])
		}
		sweep, err := simpleChoice(c.args)
		if err != nil {
			return nil, err
		}
		return to.apply(sweep)
	}
}

func simpleChoice(args []any) (*Choice, error) {
	for _, arg := range args {
		if isSweep(arg) {
			return nil, errors.New("a sweep cannot be one of several arguments")
		}
	}
	return &Choice{List: slices.Clone(args), Simple: true}, nil
}

func isSweep(v any) bool { return (&Override{Value: v}).IsSweep() }

// apply casts what is inside of lists, dicts and sweeps.
func (to cast) apply(v any) (any, error) {
	switch v := v.(type) {
	case Quoted:
		return to.apply(v.Text)
	case []any:
		return to.list(v)
	case omegaconf.Dict:
		d := make(omegaconf.Dict, len(v))
		for i, p := range v {
			value, err := to.apply(p.Value)
			if err != nil {
				return nil, err
			}
			d[i] = omegaconf.Pair{Key: p.Key, Value: value}
		}
		return d, nil
	case *Choice:
		list, err := to.list(v.List)
		if err != nil {
			return nil, err
		}
		return &Choice{List: list, Simple: v.Simple}, nil
	case *Range:
		if to.name != "int" && to.name != "float" {
			return nil, errors.New("a range can be cast to int or float only")
		}
		list, err := to.list([]any{v.Start, v.Stop, v.Step})
		if err != nil {
			return nil, err
		}
		return &Range{Start: list[0], Stop: list[1], Step: list[2]}, nil
	case *Interval:
		if to.name != "int" && to.name != "float" {
			return nil, errors.New("an interval can be cast to int or float only")
		}
		list, err := to.list([]any{v.Start, v.End})
		if err != nil {
			return nil, err
		}
		return &Interval{Start: list[0], End: list[1], Tags: v.Tags}, nil
	}
	return to.scalar(v)
}

func (to cast) list(items []any) ([]any, error) {
	list := make([]any, 0, len(items))
	for _, item := range items {
		v, err := to.apply(item)
		if err != nil {
			return nil, err
		}
		if isSweep(v) {
			return nil, errors.New("a sweep cannot be part of another value")
		}
		list = append(list, v)
	}
	return list, nil
}

func castInt(v any) (any, error) {
	switch v := v.(type) {
	case bool:
		if v {
			return int64(1), nil
		}
		return int64(0), nil
	case int64, *big.Int:
		return v, nil
	case float64:
		if math.IsInf(v, 0) || math.IsNaN(v) {
			return nil, fmt.Errorf("%s is no whole number", omegaconf.FloatRepr(v))
		}
		i, _ := big.NewFloat(v).Int(nil)
		if i.IsInt64() {
			return i.Int64(), nil
		}
		return i, nil
	case string:
		return omegaconf.ParseInt(v)
	}
	return nil, fmt.Errorf("%s cannot become a whole number", omegaconf.Str(v))
}

func castFloat(v any) (any, error) {
	switch v := v.(type) {
	case bool:
		if v {
			return 1.0, nil
		}
		return 0.0, nil
	case int64:
		return float64(v), nil
	case *big.Int:
		f, _ := new(big.Float).SetInt(v).Float64()
		if math.IsInf(f, 0) {
			return nil, errors.New("the number is too large")
		}
		return f, nil
	case float64:
		return v, nil
	case string:
		return omegaconf.ParseFloat(v)
	}
	return nil, fmt.Errorf("%s cannot become a number", omegaconf.Str(v))
}

func castStr(v any) (any, error) {
	switch v := v.(type) {
	case nil:
		return nil, errors.New("null cannot become text")
	case bool:
		return strings.ToLower(omegaconf.Str(v)), nil
	}
	return omegaconf.Str(v), nil
}

func castBool(v any) (any, error) {
	switch v := v.(type) {
	case nil:
		return false, nil
	case bool:
		return v, nil
	case string:
		switch strings.ToLower(v) {
		case "true":
			return true, nil
		case "false":
			return false, nil
		}
		return nil, fmt.Errorf("%q cannot become a truth value", v)
	case int64:
		return v != 0, nil
	case float64:
		return v != 0, nil
	}
	return true, nil // a number beyond int64
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

// sweepArg takes a sweep out of the named arguments that sort and shuffle share.
func (c call) sweepArg() (any, error) {
	if list := c.named["list"]; list != nil {
		if _, ok := list.([]any); !ok {
			return nil, errors.New("list must be a list")
		}
		return list, nil
	}
	switch s := c.named["sweep"].(type) {
	case nil:
		return nil, nil
	case *Choice, *Range:
		return s, nil
	}
	return nil, errors.New("sweep must be a choice or a range")
}

func shuffleCall(c call) (any, error) {
	if err := c.only("sweep", "list"); err != nil {
		return nil, err
	}
	arg, err := c.sweepArg()
	if err != nil {
		return nil, err
	}
	for _, a := range c.args {
		switch a.(type) {
		case nil, *Interval, *Glob:
			return nil, errors.New("it takes values, choices and ranges")
		}
	}
	if arg == nil && len(c.args) == 1 {
		arg = c.args[0]
	}
	switch v := arg.(type) {
	case nil:
		s, err := simpleChoice(c.args)
		if err != nil {
			return nil, err
		}
		s.Shuffle = true
		return s, nil
	case *Choice:
		s := *v
		s.Shuffle = true
		return &s, nil
	case *Range:
		s := *v
		s.Shuffle = true
		return &s, nil
	case []any:
		list := slices.Clone(v)
		rand.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
		return list, nil
	default:
		return []any{v}, nil
	}
}

func sortCall(c call) (any, error) {
	if err := c.only("sweep", "list", "reverse"); err != nil {
		return nil, err
	}
	reverse := false
	if v, given := c.named["reverse"]; given {
		var ok bool
		if reverse, ok = v.(bool); !ok {
			return nil, errors.New("reverse must be true or false")
		}
	}
	arg, err := c.sweepArg()
	if err != nil {
		return nil, err
	}
	for _, a := range c.args {
		switch a.(type) {
		case nil, *Interval, *Glob:
			return nil, errors.New("it takes values, choices and ranges")
		}
	}
	if arg == nil && len(c.args) == 1 {
		arg = c.args[0]
	}
	switch v := arg.(type) {
	case *Choice:
		s := *v
		s.List, err = sorted(v.List, reverse)
		return &s, err
	case *Range:
		return v.sorted(reverse)
	case []any:
		return sorted(v, reverse)
	case nil:
	default:
		return v, nil
	}
	if len(c.args) == 0 {
		return nil, errors.New("it needs something to sort")
	}
	for _, a := range c.args {
		switch a.(type) {
		case []any, omegaconf.Dict, *Choice, *Range:
			return nil, errors.New("it sorts several numbers or texts, or one list or sweep")
		}
	}
	list, err := sorted(c.args, reverse)
	return &Choice{List: list, Simple: true}, err
}
