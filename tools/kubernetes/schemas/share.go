package main

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
)

// shared is from which length of its text on a part that occurs several times is written once.
const shared = 60

// share returns s with what occurs in it several times among its definitions. A pod is described a dozen times in the schema of an InferenceService.
func share(s schema) schema {
	counts := map[string]int{}
	count(s, counts)
	w := sharer{counts: counts, names: map[string]string{}, definitions: schema{}}
	out := maps.Clone(w.parts(s))
	if len(w.definitions) > 0 {
		out["definitions"] = w.definitions
	}
	return out
}

// count counts the schemas in s by their text.
func count(s schema, counts map[string]int) {
	each(s, func(child schema) schema {
		key := text(child)
		if counts[key]++; counts[key] == 1 {
			count(child, counts)
		}
		return child
	})
}

type sharer struct {
	counts      map[string]int
	names       map[string]string // by text
	definitions schema
}

// parts returns s with references for those of its parts that are shared.
func (w *sharer) parts(s schema) schema {
	return each(s, func(child schema) schema {
		key := text(child)
		if w.counts[key] < 2 || len(key) < shared {
			return w.parts(child)
		}
		name, ok := w.names[key]
		if !ok {
			name = "d" + strconv.Itoa(len(w.names))
			w.names[key] = name
			w.definitions[name] = w.parts(child)
		}
		return schema{"$ref": "#/definitions/" + name}
	})
}

// each returns s with what f makes of each schema directly in it, in an order that is always the same.
func each(s schema, f func(schema) schema) schema {
	out := schema{}
	for _, key := range slices.Sorted(maps.Keys(s)) {
		switch v := s[key].(type) {
		case schema:
			if key != "properties" {
				out[key] = f(v)
				continue
			}
			all := schema{}
			for _, name := range slices.Sorted(maps.Keys(v)) {
				all[name] = f(v[name].(schema))
			}
			out[key] = all
		case []any:
			out[key] = v
			if key == "allOf" || key == "anyOf" || key == "oneOf" {
				all := make([]any, len(v))
				for i := range v {
					all[i] = f(v[i].(schema))
				}
				out[key] = all
			}
		default:
			out[key] = v
		}
	}
	return out
}

// text is the same for equal schemas.
func text(s schema) string {
	b, err := json.Marshal(s)
	if err != nil {
		panic("BUG: a schema that was read cannot be written: " + err.Error())
	}
	return string(b)
}
