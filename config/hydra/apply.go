package hydra

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/torchlit/torchlit/config/omegaconf"
)

// apply changes a value of the tree. Groups are the names that may have been meant.
func (l *Loader) apply(o *Override, tree *omegaconf.Node, groups []string) error {
	if o.HasPkg {
		return fmt.Errorf("there is no config group %q", o.Key)
	}
	value := o.plain()
	switch o.Op {
	case Delete:
		return suggest(tree.Delete(o.Key, value), tree, o.Key, groups)
	case ForceAdd:
		return tree.Update(o.Key, value, true)
	case Add:
		there, err := tree.Select(o.Key)
		if err != nil {
			return err
		}
		switch value.(type) {
		case []any, omegaconf.Dict:
		default:
			if there != nil && !there.IsNull() && !there.IsMissing() {
				return fmt.Errorf("%q is there already: leave out the + to change it, or write ++ to add or change it", o.Key)
			}
		}
		return tree.Update(o.Key, value, true)
	}
	err := tree.Update(o.Key, value, false)
	var unknown *omegaconf.KeyError
	if !errors.As(err, &unknown) {
		return err
	}
	err = suggest(err, tree, o.Key, groups)
	if l.Base != nil { // which keys there are is settled
		return err
	}
	return fmt.Errorf("%w (to add it, write +%s)", err, o.Line)
}

// suggest adds the nearest key that exists to an error about one that does not.
func suggest(err error, tree *omegaconf.Node, key string, groups []string) error {
	var unknown *omegaconf.KeyError
	switch {
	case errors.As(err, &unknown):
		key = unknown.Path
	case !errors.Is(err, omegaconf.ErrNotThere):
		return err
	}
	keys := append(tree.Paths(), groups...)
	if !strings.HasPrefix(key, "hydra") {
		keys = slices.DeleteFunc(keys, func(k string) bool {
			return k == "hydra" || strings.HasPrefix(k, "hydra.") || strings.HasPrefix(k, "hydra/")
		})
	}
	// The siblings are nearest: the prefix is right already.
	if unknown != nil {
		prefix := key[:strings.LastIndexByte(key, '.')+1]
		for _, sibling := range unknown.Siblings {
			keys = append(keys, prefix+sibling)
		}
	}
	nearest, _ := Nearest(key, keys)
	if nearest == "" {
		return err
	}
	return fmt.Errorf("%w; the nearest is %q", err, nearest)
}
