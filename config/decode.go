package config

import (
	"encoding"
	"errors"
	"fmt"
	"math"
	"math/big"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/torchlit/torchlit/config/hydra"
	"github.com/torchlit/torchlit/config/omegaconf"
)

// Decode resolves a tree and sets settings, a pointer to a struct with yaml tags, to
// its values. Keys that the tree does not have stay as they are; a key that the
// struct does not have is an error, and so is one that is still "???".
//
// A number may be given as text. null stands for the zero value. A field that reads
// itself from text (encoding.TextUnmarshaler) gets any scalar as text, also one whose
// values are lists; a time.Duration gets one such as "90s".
func Decode(tree *omegaconf.Node, settings any) error {
	resolved, err := tree.Resolved(true)
	if errors.Is(err, omegaconf.ErrMissing) {
		return fmt.Errorf("cannot use the configuration: %w", err)
	}
	if err != nil {
		return err
	}
	return decode(resolved, reflect.ValueOf(settings).Elem(), "")
}

// decode sets v, which is at path, to what n holds.
func decode(n *omegaconf.Node, v reflect.Value, path string) error {
	t := v.Type()
	switch {
	case n.IsNull():
		v.SetZero()
		return nil
	case t.Kind() == reflect.Pointer:
		fresh := reflect.New(t.Elem()) // what it pointed to may be somebody else's
		if !v.IsNil() {
			fresh.Elem().Set(v.Elem())
		}
		v.Set(fresh)
		return decode(n, v.Elem(), path)
	case t.Kind() == reflect.Interface:
		v.Set(reflect.ValueOf(n.Any()))
		return nil
	case t.Kind() == reflect.Struct && !readsText(t):
		return decodeStruct(n, v, path)
	case t.Kind() == reflect.Map:
		return decodeMap(n, v, path)
	case (t.Kind() == reflect.Slice || t.Kind() == reflect.Array) && (n.Kind() != omegaconf.Scalar || !readsText(t)):
		return decodeList(n, v, path)
	case n.Kind() != omegaconf.Scalar:
		return fmt.Errorf("cannot set %s to a %s: it is one value", path, n.Kind())
	}
	if err := decodeScalar(n.Value(), v); err != nil {
		return fmt.Errorf("cannot set %s to %s: %w", path, show(n.Value()), err)
	}
	return nil
}

func show(v any) string {
	if s, ok := v.(string); ok {
		return strconv.Quote(s)
	}
	return text(v)
}

// text is a scalar as a YAML file would have it.
func text(v any) string {
	if b, ok := v.(bool); ok {
		return strconv.FormatBool(b)
	}
	return omegaconf.Str(v)
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

func decodeStruct(n *omegaconf.Node, v reflect.Value, path string) error {
	if n.Kind() != omegaconf.Map {
		return fmt.Errorf("cannot set %s: it is a group of settings, not a %s", path, n.Kind())
	}
	fields := fieldsOf(v.Type())
	known := map[string]int{}
	var names []string
	for _, f := range fields {
		known[f.name] = f.index
		names = append(names, join(path, f.name))
	}
	for _, k := range n.Keys() {
		name := omegaconf.Str(k)
		index, ok := known[name]
		if !ok {
			nearest, _ := hydra.Nearest(join(path, name), names)
			return fmt.Errorf("there is no key %q; the nearest is %q", join(path, name), nearest)
		}
		if err := decode(n.Get(k), v.Field(index), join(path, name)); err != nil {
			return err
		}
	}
	return nil
}

func decodeMap(n *omegaconf.Node, v reflect.Value, path string) error {
	if n.Kind() != omegaconf.Map {
		return fmt.Errorf("cannot set %s: it is a mapping, not a %s", path, n.Kind())
	}
	m := reflect.New(v.Type()).Elem()
	if len(n.Keys()) > 0 {
		m = reflect.MakeMap(v.Type())
	}
	for _, k := range n.Keys() {
		item := reflect.New(v.Type().Elem()).Elem()
		if err := decode(n.Get(k), item, join(path, omegaconf.Str(k))); err != nil {
			return err
		}
		m.SetMapIndex(reflect.ValueOf(omegaconf.Str(k)).Convert(v.Type().Key()), item)
	}
	v.Set(m)
	return nil
}

func decodeList(n *omegaconf.Node, v reflect.Value, path string) error {
	if n.Kind() != omegaconf.List {
		return fmt.Errorf("cannot set %s: it is a list, as in %s=[a,b]", path, path)
	}
	items := n.Items()
	if v.Kind() == reflect.Array && len(items) != v.Len() {
		return fmt.Errorf("cannot set %s to %d values: it has %d", path, len(items), v.Len())
	}
	list := reflect.New(v.Type()).Elem()
	if v.Kind() == reflect.Slice && len(items) > 0 { // an empty list is nil, as a default is
		list = reflect.MakeSlice(v.Type(), len(items), len(items))
	}
	for i, item := range items {
		if err := decode(item, list.Index(i), fmt.Sprintf("%s[%d]", path, i)); err != nil {
			return err
		}
	}
	v.Set(list)
	return nil
}

// decodeScalar sets v to a scalar other than null.
func decodeScalar(s any, v reflect.Value) error {
	if u, ok := v.Addr().Interface().(encoding.TextUnmarshaler); ok {
		return u.UnmarshalText([]byte(text(s)))
	}
	if v.Type() == durationType {
		return decodeDuration(s, v)
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(text(s))
		return nil
	case reflect.Bool:
		switch strings.ToLower(text(s)) {
		case "true":
			v.SetBool(true)
			return nil
		case "false":
			v.SetBool(false)
			return nil
		}
		return errors.New("give true or false")
	case reflect.Float32, reflect.Float64:
		f, err := toFloat(s)
		if err == nil && v.OverflowFloat(f) {
			err = errors.New("the number is too large")
		}
		v.SetFloat(f)
		return err
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		i, err := toInt(s)
		if err == nil && (!i.IsInt64() || v.OverflowInt(i.Int64())) {
			err = errors.New("the number is too large")
		}
		if err == nil {
			v.SetInt(i.Int64())
		}
		return err
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		i, err := toInt(s)
		if err == nil && (!i.IsUint64() || v.OverflowUint(i.Uint64())) {
			err = errors.New("give a whole number that is not negative, and not too large")
		}
		if err == nil {
			v.SetUint(i.Uint64())
		}
		return err
	}
	panic(fmt.Sprintf("BUG: no setting can be a %s", v.Type()))
}

func decodeDuration(s any, v reflect.Value) error {
	if text(s) == "0" {
		v.SetInt(0)
		return nil
	}
	d, err := time.ParseDuration(text(s))
	if err != nil {
		return errors.New(`give a time such as "90s", "15m" or "1h30m"`)
	}
	v.SetInt(int64(d))
	return nil
}

func toFloat(s any) (float64, error) {
	switch s := s.(type) {
	case float64:
		return s, nil
	case int64, *big.Int:
		return omegaconf.ParseFloat(text(s))
	case string:
		if f, err := omegaconf.ParseFloat(s); err == nil {
			return f, nil
		}
	}
	return 0, errors.New("give a number")
}

// toInt takes floats such as 1e6, too, if they are whole.
func toInt(s any) (*big.Int, error) {
	if t, ok := s.(string); ok {
		if i, err := omegaconf.ParseInt(t); err == nil {
			s = i
		}
	}
	switch s := s.(type) {
	case int64:
		return big.NewInt(s), nil
	case *big.Int:
		return s, nil
	case float64:
		if s == math.Trunc(s) && !math.IsInf(s, 0) {
			i, _ := big.NewFloat(s).Int(nil)
			return i, nil
		}
	}
	return nil, errors.New("give a whole number")
}
