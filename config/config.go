// Package config turns configurations into typed settings: a YAML file, and overrides
// such as "optim.lr=0.05" on top of it, become the fields of a struct.
//
// How files and overrides are put together is the business of its packages
// [github.com/torchlit/torchlit/config/hydra] and
// [github.com/torchlit/torchlit/config/omegaconf]. This package knows which keys
// there are: the yaml tags of the struct. A key that nobody reads is an error, not a
// silence: the error names the nearest key that exists. So a misspelt override
// cannot train the wrong model for an hour.
package config

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/torchlit/torchlit/config/hydra"
)

// Load fills into, a pointer to a struct with yaml tags that holds the defaults:
// first from the YAML file at path ("" for none), then from overrides such as
// key=value, in hydra's grammar.
func Load(path string, overrides []string, into any) error {
	l := &hydra.Loader{Base: Base(into)}
	if path != "" {
		if err := FromFile(l, path); err != nil {
			return err
		}
	}
	job, err := l.NewJob(overrides)
	if err != nil {
		return err
	}
	return Decode(job.Config, into)
}

// FromFile makes the YAML file at path, of any name, the primary config of l. The
// configs that it lists in its defaults are looked for beside it first.
func FromFile(l *hydra.Loader, path string) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("cannot read the configuration: %w", err)
	}
	name := filepath.Base(path)
	l.Name = strings.TrimSuffix(name, filepath.Ext(name))
	l.Primary = append([]byte{}, data...)
	l.Sources = append([]hydra.Source{hydra.Dir("main", filepath.Dir(path))}, l.Sources...)
	return nil
}
