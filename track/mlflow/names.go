package mlflow

import (
	"maps"
	"path"
	"slices"
	"strings"
	"unicode"
)

// MLflow's limits, in characters (mlflow/utils/validation.py).
const (
	longestName  = 250
	longestParam = 6000
	longestTag   = 8000
)

// cleanName returns a name that MLflow takes for a metric, param or tag: letters,
// digits, "_", "-", ".", " ", ":" and "/", and none that is another way to write a
// shorter path.
func cleanName(name string) string {
	name = strings.Map(func(r rune) rune {
		if r < unicode.MaxASCII && (unicode.IsLetter(r) || unicode.IsDigit(r) || strings.ContainsRune("_-. :/", r)) {
			return r
		}
		return '_'
	}, name)
	name = strings.TrimPrefix(path.Clean("/"+name), "/")
	if name == "" {
		return "_"
	}
	return cut(name, longestName)
}

// cut returns the first n characters of s, the last three of them dots if some are
// missing.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	if r := []rune(s); len(r) > n {
		return string(r[:n-3]) + "..."
	}
	return s
}

func asParams(params map[string]string) []keyValue {
	var list []keyValue
	for _, key := range slices.Sorted(maps.Keys(params)) {
		list = append(list, keyValue{cleanName(key), cut(params[key], longestParam)})
	}
	return list
}

func asTags(tags map[string]string) []keyValue {
	var list []keyValue
	for _, key := range slices.Sorted(maps.Keys(tags)) {
		list = append(list, keyValue{cleanName(key), cut(tags[key], longestTag)})
	}
	return list
}
