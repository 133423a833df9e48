package config

import (
	"cmp"
	"fmt"
	"os"
	"reflect"
	"strings"
	"time"

	"github.com/spf13/pflag"
)

// A group of settings, such as server, is one struct. Each of its fields with a
// yaml tag and a help tag is at once a key of the file ("server.max_batch_size"),
// a flag ("--max-batch-size") and a variable of the environment
// ("TORCHLIT_SERVER_MAX_BATCH_SIZE"). A flag wins over the environment, that
// over the file, and that over the default.

// AddFlags adds a flag for each field of settings, a pointer to a struct that
// holds the defaults. The flags are read by Resolve. A field's tag group is the heading under which
// FlagUsages lists its flag and those that follow.
func AddFlags(set *pflag.FlagSet, settings any) {
	v := reflect.ValueOf(settings).Elem()
	group := ""
	for i := range v.NumField() {
		field := v.Type().Field(i)
		if heading := field.Tag.Get("group"); heading != "" {
			group = heading
		}
		name, help := strings.ReplaceAll(field.Tag.Get("yaml"), "_", "-"), field.Tag.Get("help")
		if name == "" || help == "" {
			continue
		}
		switch value := v.Field(i).Interface().(type) {
		case string:
			set.String(name, value, help)
		case int:
			set.Int(name, value, help)
		case float64:
			set.Float64(name, value, help)
		case bool:
			set.Bool(name, value, help)
		case time.Duration:
			set.Duration(name, value, help)
		default:
			panic(fmt.Sprintf("BUG: no flag for a %T", value))
		}
		if group != "" {
			set.Lookup(name).Annotations = map[string][]string{groupAnnotation: {group}}
		}
	}
}

const groupAnnotation = "torchlit group"

// Group is the heading that AddFlags put a flag under; "" for none.
func Group(f *pflag.Flag) string {
	if g := f.Annotations[groupAnnotation]; len(g) > 0 {
		return g[0]
	}
	return ""
}

// FlagUsages lists the flags of set under their headings, in the order in which these came, wrapped to so many columns. Those without one come
// last.
func FlagUsages(set *pflag.FlagSet, columns int) string {
	var order []string
	groups := map[string]*pflag.FlagSet{}
	sorted := set.SortFlags
	set.SortFlags = false
	set.VisitAll(func(f *pflag.Flag) {
		heading := cmp.Or(Group(f), "Other")
		if groups[heading] == nil {
			groups[heading] = pflag.NewFlagSet(heading, pflag.ContinueOnError)
			groups[heading].SortFlags = false
			if heading != "Other" {
				order = append(order, heading)
			}
		}
		groups[heading].AddFlag(f)
	})
	set.SortFlags = sorted
	if groups["Other"] != nil {
		order = append(order, "Other")
	}
	var b strings.Builder
	for i, heading := range order {
		if i > 0 {
			b.WriteString("\n")
		}
		b.WriteString(heading + ":\n" + groups[heading].FlagUsagesWrapped(columns))
	}
	return b.String()
}

// Resolve fills settings, a pointer to a struct that holds the defaults, from
// the group of that name in the YAML file at path ("" for none), from the
// environment, and from those flags of set that were given.
func Resolve(path, group string, set *pflag.FlagSet, settings any) error {
	if path != "" {
		if err := loadGroup(path, group, settings); err != nil {
			return err
		}
	}
	v := reflect.ValueOf(settings).Elem()
	for _, f := range fieldsOf(v.Type()) {
		variable := "TORCHLIT_" + strings.ToUpper(group+"_"+f.name)
		flag := set.Lookup(strings.ReplaceAll(f.name, "_", "-"))
		value, origin := os.Getenv(variable), variable
		if flag != nil && flag.Changed {
			value, origin = flag.Value.String(), "--"+flag.Name
		} else if value == "" {
			continue
		}
		if err := decodeScalar(value, v.Field(f.index)); err != nil {
			return fmt.Errorf("cannot use %s=%s: %w", origin, value, err)
		}
	}
	return nil
}

// loadGroup reads a file whose only top-level key is group.
func loadGroup(path, group string, settings any) error {
	wrapper := reflect.New(reflect.StructOf([]reflect.StructField{{
		Name: "Group",
		Type: reflect.TypeOf(settings).Elem(),
		Tag:  reflect.StructTag(fmt.Sprintf("yaml:%q", group)),
	}}))
	inner := wrapper.Elem().Field(0)
	inner.Set(reflect.ValueOf(settings).Elem())
	if err := Load(path, nil, wrapper.Interface()); err != nil {
		return err
	}
	reflect.ValueOf(settings).Elem().Set(inner)
	return nil
}
