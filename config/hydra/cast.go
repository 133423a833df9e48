package hydra

import (
	"errors"
	"fmt"
	"math"
	"math/big"
	"slices"
	"strings"

	"github.com/torchlit/torchlit/config/omegaconf"
)

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
