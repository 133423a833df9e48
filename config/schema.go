package config

import (
	"encoding"
	"fmt"
	"reflect"
	"strings"
	"time"

	"github.com/torchlit/torchlit/config/omegaconf"
)

// Base returns settings, a struct with yaml tags or a pointer to one, as a tree that
// configs are merged into: it holds the struct's values, and takes no keys but the
// struct's, at any depth.
func Base(settings any) *omegaconf.Node {
	v := reflect.Indirect(reflect.ValueOf(settings))
	n, err := omegaconf.New(valueOf(v))
	if err != nil {
		panic("BUG: no tree of these settings: " + err.Error())
	}
	n.Demand(typeOf(v.Type()))
	return n
}

// field is one setting of a struct.
type field struct {
	name  string
	index int
	typ   reflect.Type
}

func fieldsOf(t reflect.Type) []field {
	var fields []field
	for i := range t.NumField() {
		name, _, _ := strings.Cut(t.Field(i).Tag.Get("yaml"), ",")
		if name != "" && name != "-" {
			fields = append(fields, field{name, i, t.Field(i).Type})
		}
	}
	return fields
}

var (
	durationType    = reflect.TypeFor[time.Duration]()
	marshalerType   = reflect.TypeFor[encoding.TextMarshaler]()
	unmarshalerType = reflect.TypeFor[encoding.TextUnmarshaler]()
)

// readsText tells whether a type reads itself from text.
func readsText(t reflect.Type) bool { return reflect.PointerTo(t).Implements(unmarshalerType) }

// valueOf is a setting as a tree holds it.
func valueOf(v reflect.Value) any {
	switch {
	case v.Type() == durationType:
		return v.Interface().(time.Duration).String()
	case v.Type().Implements(marshalerType):
		return textOf(v.Interface().(encoding.TextMarshaler))
	}
	switch v.Kind() {
	case reflect.Struct:
		d := omegaconf.Dict{}
		for _, f := range fieldsOf(v.Type()) {
			d = append(d, omegaconf.Pair{Key: f.name, Value: valueOf(v.Field(f.index))})
		}
		return d
	case reflect.Slice, reflect.Array:
		list := make([]any, v.Len())
		for i := range list {
			list[i] = valueOf(v.Index(i))
		}
		return list
	case reflect.Map:
		m := map[string]any{}
		for _, k := range v.MapKeys() {
			m[k.String()] = valueOf(v.MapIndex(k))
		}
		return m
	case reflect.Pointer, reflect.Interface:
		if v.IsNil() {
			return nil
		}
		return valueOf(v.Elem())
	}
	return v.Interface()
}

// textOf is what a type writes itself as: a number if that is what it looks like.
func textOf(m encoding.TextMarshaler) any {
	b, err := m.MarshalText()
	if err != nil {
		panic("BUG: a default that cannot be written: " + err.Error())
	}
	text := string(b)
	if i, err := omegaconf.ParseInt(text); err == nil && omegaconf.Str(i) == text {
		return i
	}
	if f, err := omegaconf.ParseFloat(text); err == nil && omegaconf.FloatRepr(f) == text {
		return f
	}
	return text
}

// typeOf is what a tree must demand for a Go type: which keys there are. What the
// values have to be shows when they are decoded.
func typeOf(t reflect.Type) *omegaconf.Type {
	if t == durationType || readsText(t) {
		return nil
	}
	switch t.Kind() {
	case reflect.Pointer:
		return typeOf(t.Elem())
	case reflect.Struct:
		fields := map[string]*omegaconf.Type{}
		for _, f := range fieldsOf(t) {
			fields[f.name] = typeOf(f.typ)
		}
		return &omegaconf.Type{Name: "dict", Fields: fields, Optional: true}
	case reflect.Slice, reflect.Array:
		return &omegaconf.Type{Name: "list", Elem: typeOf(t.Elem()), Optional: true}
	case reflect.Map:
		if t.Key().Kind() != reflect.String {
			panic(fmt.Sprintf("BUG: settings cannot be a %s: keys are text", t))
		}
		return &omegaconf.Type{Name: "dict", Elem: typeOf(t.Elem()), Optional: true}
	}
	return nil
}
