package wandb

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
)

// jsonNumber writes a number as W&B's client does: JSON, in which a value that is
// not finite is NaN, Infinity or -Infinity.
func jsonNumber(v float64) string {
	switch {
	case math.IsNaN(v):
		return "NaN"
	case math.IsInf(v, 1):
		return "Infinity"
	case math.IsInf(v, -1):
		return "-Infinity"
	}
	return strconv.FormatFloat(v, 'g', -1, 64)
}

func jsonInt(v int64) string { return strconv.FormatInt(v, 10) }

// parseNumber reads what jsonNumber writes.
func parseNumber(s string) (float64, bool) {
	switch s {
	case "NaN":
		return math.NaN(), true
	case "Infinity":
		return math.Inf(1), true
	case "-Infinity":
		return math.Inf(-1), true
	}
	if s == "" || s[0] != '-' && (s[0] < '0' || s[0] > '9') {
		return 0, false // a string, an object, …; ParseFloat takes more than JSON's numbers
	}
	v, err := strconv.ParseFloat(s, 64)
	return v, err == nil
}

// encodeJSON writes a value of a configuration as JSON, numbers as jsonNumber
// does, maps with sorted keys.
func encodeJSON(v any) (string, error) {
	b, err := appendJSON(nil, v)
	return string(b), err
}

func appendJSON(b []byte, v any) ([]byte, error) {
	var err error
	switch v := v.(type) {
	case float64:
		return append(b, jsonNumber(v)...), nil
	case map[string]any:
		b = append(b, '{')
		for i, key := range slices.Sorted(maps.Keys(v)) {
			if i > 0 {
				b = append(b, ',')
			}
			if b, err = appendJSON(b, key); err != nil {
				return nil, err
			}
			if b, err = appendJSON(append(b, ':'), v[key]); err != nil {
				return nil, err
			}
		}
		return append(b, '}'), nil
	case []any:
		b = append(b, '[')
		for i, e := range v {
			if i > 0 {
				b = append(b, ',')
			}
			if b, err = appendJSON(b, e); err != nil {
				return nil, err
			}
		}
		return append(b, ']'), nil
	}
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, fmt.Errorf("cannot write %T as JSON: %w", v, err)
	}
	return append(b, bytes.TrimSuffix(out.Bytes(), []byte("\n"))...), nil
}

// object writes pairs as one JSON object.
func object(pairs []pair) string {
	b := []byte{'{'}
	for i, p := range pairs {
		if i > 0 {
			b = append(b, ',')
		}
		b, _ = appendJSON(b, p.key) // a string is never refused
		b = append(append(b, ':'), p.json...)
	}
	return string(append(b, '}'))
}
