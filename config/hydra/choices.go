package hydra

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/torchlit/torchlit/config/omegaconf"
)

// choices is what decides which options are taken, and what has been decided.
type choices struct {
	chosen    map[string]any // by override key: string or []string
	chosenBy  map[string]*decision
	order     []string // of chosen
	appended  []*entry
	values    []*Override // that change values, not groups
	deletions map[string]*deletion

	known         map[string]any // the option of each group in the tree: string or nil
	knownOrder    []string
	knownByGroup  map[string][]string
	deletionOrder []string
}

type decision struct {
	external bool   // on the command line
	in       string // else the config that decides
	used     bool
}

type deletion struct {
	option any // nil: whichever
	used   bool
}

func newChoices(r *repository, overrides []*Override) (*choices, error) {
	c := &choices{
		chosen: map[string]any{}, chosenBy: map[string]*decision{}, deletions: map[string]*deletion{},
		known: map[string]any{}, knownByGroup: map[string][]string{},
	}
	for _, o := range overrides {
		if o.IsSweep() {
			continue
		}
		if _, isDict := o.Value.(omegaconf.Dict); isDict || !r.groupExists(o.Key) {
			c.values = append(c.values, o)
			continue
		}
		if err := c.override(o); err != nil {
			return nil, fmt.Errorf("cannot use override %q: %w", o.Line, err)
		}
	}
	return c, nil
}

func (c *choices) override(o *Override) error {
	value := o.plain()
	if list, ok := value.([]any); ok {
		options := []string{}
		for _, item := range list {
			s, ok := item.(string)
			if !ok {
				return fmt.Errorf("the options of group %q are names", o.Key)
			}
			options = append(options, s)
		}
		value = options
	}
	_, isText := value.(string)
	_, isList := value.([]string)
	switch {
	case o.Op == ForceAdd:
		return fmt.Errorf("%q is a group: use +%s", o.Key, o.Line[2:])
	case o.Op == Delete:
		if value != nil && !isText {
			return fmt.Errorf("the option of group %q is a name", o.Key)
		}
		key := strings.TrimPrefix(o.KeyElement(), "~")
		c.deletions[key] = &deletion{option: value}
		c.deletionOrder = append(c.deletionOrder, key)
	case !isText && !isList:
		return fmt.Errorf("the option of group %q is a name or a list of names", o.Key)
	case o.Op == Add:
		e := &entry{group: o.Key, option: value, appended: true}
		if o.HasPkg {
			pkg := o.Package
			if pkg == "_here_" {
				pkg = ""
			}
			e.pkg = &pkg
		}
		if e.group == "" {
			return errors.New("it names no group")
		}
		c.appended = append(c.appended, e)
	default:
		c.choose(o.KeyElement(), value, &decision{external: true})
	}
	return nil
}

func (c *choices) choose(key string, option any, by *decision) {
	if _, there := c.chosen[key]; !there {
		c.order = append(c.order, key)
	}
	c.chosen[key], c.chosenBy[key] = option, by
}

func (c *choices) isDeleted(e *entry) bool {
	if !e.isGroup() {
		return false
	}
	d := c.deletions[e.overrideKey()]
	return d != nil && (d.option == nil || d.option == e.option)
}

func (c *choices) setKnown(e *entry) error {
	if !e.isGroup() {
		return nil
	}
	key := e.overrideKey()
	if before, there := c.known[key]; !there {
		c.known[key] = e.option
		c.knownOrder = append(c.knownOrder, key)
	} else if before != e.option {
		return fmt.Errorf("the group %q occurs with the options %v and %v: to choose another one, write 'override %s: %v'", key, before, e.option, key, e.option)
	}
	if group := e.groupPath(); !slices.Contains(c.knownByGroup[group], key) {
		c.knownByGroup[group] = append(c.knownByGroup[group], key)
	}
	return nil
}

// allUsed checks that each override of a group found the group.
func (c *choices) allUsed(r *repository) error {
	for _, key := range c.order {
		by := c.chosenBy[key]
		if by.used {
			continue
		}
		group, _, _ := strings.Cut(key, "@")
		hint := fmt.Sprintf("no defaults list has the group %q", group)
		if known := slices.Sorted(slices.Values(c.knownByGroup[group])); len(known) > 0 {
			hint = "did you mean " + strings.Join(known, " or ") + "?"
		}
		if !by.external {
			return fmt.Errorf("cannot override %q in config %q: %s", key, by.in, hint)
		}
		return fmt.Errorf("cannot override %q: %s (to add it, write +%s=%v)", key, hint, key, c.chosen[key])
	}
	for _, key := range c.deletionOrder {
		if !c.deletions[key].used {
			return fmt.Errorf("cannot delete %q: no defaults list has it", key)
		}
	}
	return nil
}

// knownOptions is what an interpolation in a defaults list can refer to: the options
// of the groups so far.
func (c *choices) knownOptions() omegaconf.Dict {
	known := make(omegaconf.Dict, 0, len(c.knownOrder)+1)
	for _, key := range c.knownOrder {
		known = append(known, omegaconf.Pair{Key: key, Value: c.known[key]})
	}
	return known
}
