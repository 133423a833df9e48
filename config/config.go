// Package config reads settings: a YAML file, and overrides such as
// "optim.lr=0.05" on top of it.
//
// A key that nobody reads is an error, not a silence: the error names the
// nearest key that exists. So a misspelt override cannot train the wrong model
// for an hour.
package config

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

// Load fills into, a pointer to a struct with yaml tags that holds the defaults:
// first from the YAML file at path ("" for none), then from the overrides
// key=value, whose keys are paths with dots and whose values are YAML.
func Load(path string, overrides []string, into any) error {
	keys := keysOf(reflect.TypeOf(into).Elem(), "")
	if path != "" {
		data, err := os.ReadFile(path)
		if err != nil {
			return fmt.Errorf("cannot read the configuration: %w", err)
		}
		if err := decode(data, keys, into); err != nil {
			return fmt.Errorf("cannot use configuration %q: %w", path, err)
		}
	}
	for _, o := range overrides {
		if err := override(o, keys, into); err != nil {
			return fmt.Errorf("cannot use override %q: %w", o, err)
		}
	}
	return nil
}

func override(text string, keys []string, into any) error {
	key, value, ok := strings.Cut(text, "=")
	if !ok {
		return errors.New("it is not of the form key=value")
	}
	if err := known(key, keys); err != nil {
		return err
	}
	var parsed yaml.Node
	if err := yaml.Unmarshal([]byte(value), &parsed); err != nil {
		return fmt.Errorf("its value is not YAML: %w", err)
	}
	node := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: ""}
	if len(parsed.Content) == 1 {
		node = parsed.Content[0]
	}
	parts := strings.Split(key, ".")
	slices.Reverse(parts)
	for _, part := range parts {
		name := &yaml.Node{Kind: yaml.ScalarNode, Value: part}
		node = &yaml.Node{Kind: yaml.MappingNode, Content: []*yaml.Node{name, node}}
	}
	return plain(node.Decode(into))
}

func decode(data []byte, keys []string, into any) error {
	var root yaml.Node
	if err := yaml.Unmarshal(data, &root); err != nil {
		return err
	}
	if len(root.Content) == 0 {
		return nil
	}
	for _, key := range keysIn(root.Content[0], "") {
		if err := known(key, keys); err != nil {
			return err
		}
	}
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	decoder.KnownFields(true)
	return plain(decoder.Decode(into))
}

// plain strips the library's name for its own errors.
func plain(err error) error {
	var typed *yaml.TypeError
	if errors.As(err, &typed) {
		return errors.New(strings.Join(typed.Errors, "; "))
	}
	return err
}

// known returns an error that names the nearest key when key is none.
func known(key string, keys []string) error {
	if slices.Contains(keys, key) {
		return nil
	}
	nearest := slices.MinFunc(keys, func(a, b string) int { return distance(key, a) - distance(key, b) })
	return fmt.Errorf("there is no key %q; the nearest is %q", key, nearest)
}

// keysOf lists the paths of a struct's fields, groups included.
func keysOf(t reflect.Type, prefix string) []string {
	var keys []string
	for i := range t.NumField() {
		name, _, _ := strings.Cut(t.Field(i).Tag.Get("yaml"), ",")
		if name == "" {
			continue
		}
		keys = append(keys, prefix+name)
		if ft := t.Field(i).Type; ft.Kind() == reflect.Struct {
			keys = append(keys, keysOf(ft, prefix+name+".")...)
		}
	}
	return keys
}

// keysIn lists the paths of a YAML mapping's keys; lists are leaves.
func keysIn(node *yaml.Node, prefix string) []string {
	if node.Kind != yaml.MappingNode {
		return nil
	}
	var keys []string
	for i := 0; i+1 < len(node.Content); i += 2 {
		name := prefix + node.Content[i].Value
		keys = append(keys, name)
		keys = append(keys, keysIn(node.Content[i+1], name+".")...)
	}
	return keys
}

// distance is Levenshtein's: the least number of letters to insert, delete or
// change to get from a to b.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
