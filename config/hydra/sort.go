package hydra

import (
	"errors"
	"math/rand/v2"
	"slices"

	"github.com/torchlit/torchlit/config/omegaconf"
)

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

// orderable returns the one thing whose items sort and shuffle put in another order; nil
// where the arguments themselves are the items.
func (c call) orderable() (any, error) {
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
	return arg, nil
}

func shuffleCall(c call) (any, error) {
	if err := c.only("sweep", "list"); err != nil {
		return nil, err
	}
	arg, err := c.orderable()
	if err != nil {
		return nil, err
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
	arg, err := c.orderable()
	if err != nil {
		return nil, err
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
