package omegaconf

import (
	"fmt"
	"math"
	"math/big"
	"reflect"
	"strconv"
	"strings"
	"unicode"
)

// This file is what Python does with its scalars: how it writes them, reads them
// and compares them. Interpolations such as "run-${optim.lr}" show it.

// scalar turns a Go value into what a Node holds. Text that holds an interpolation
// must be well formed.
func scalar(v any) (any, error) {
	s, err := plainScalar(v)
	if err != nil {
		return nil, err
	}
	if text, ok := s.(string); ok && strings.Contains(text, "${") {
		if _, err := parseText(text); err != nil {
			return nil, fmt.Errorf("cannot read the interpolation in %q: %w", text, err)
		}
	}
	return s, nil
}

func plainScalar(v any) (any, error) {
	switch v := v.(type) {
	case nil, bool, int64, float64, string, *big.Int:
		return v, nil
	}
	switch r := reflect.ValueOf(v); r.Kind() {
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return r.Int(), nil
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return normalInt(new(big.Int).SetUint64(r.Uint())), nil
	case reflect.Float32, reflect.Float64:
		return r.Float(), nil
	case reflect.String:
		return r.String(), nil
	case reflect.Bool:
		return r.Bool(), nil
	}
	return nil, fmt.Errorf("cannot hold a %T in a config", v)
}

// normalInt is i as int64 where it fits.
func normalInt(i *big.Int) any {
	if i.IsInt64() {
		return i.Int64()
	}
	return i
}

// Str is Python's str(): what string interpolation and names of folders use.
func Str(v any) string { return pyStr(v) }

func pyStr(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case *Node:
		if v.kind == Scalar {
			return pyStr(v.value)
		}
	}
	return pyRepr(v)
}

// pyRepr is Python's repr().
func pyRepr(v any) string {
	switch v := v.(type) {
	case nil:
		return "None"
	case bool:
		if v {
			return "True"
		}
		return "False"
	case float64:
		return FloatRepr(v)
	case string:
		return quoteRepr(v)
	case int:
		return strconv.Itoa(v)
	case *Node:
		return nodeRepr(v)
	}
	return fmt.Sprint(v)
}

func nodeRepr(n *Node) string {
	var parts []string
	switch n.kind {
	case Map:
		for _, k := range n.keys {
			parts = append(parts, pyRepr(k)+": "+nodeRepr(n.items[k]))
		}
		return "{" + strings.Join(parts, ", ") + "}"
	case List:
		for _, item := range n.list {
			parts = append(parts, nodeRepr(item))
		}
		return "[" + strings.Join(parts, ", ") + "]"
	}
	return pyRepr(n.value)
}

func quoteRepr(s string) string {
	quote := '\''
	if strings.Contains(s, "'") && !strings.Contains(s, `"`) {
		quote = '"'
	}
	var b strings.Builder
	b.WriteRune(quote)
	for _, r := range s {
		switch {
		case r == quote || r == '\\':
			b.WriteRune('\\')
			b.WriteRune(r)
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\r':
			b.WriteString(`\r`)
		case r == '\t':
			b.WriteString(`\t`)
		case r == ' ' || unicode.IsPrint(r):
			b.WriteRune(r)
		case r <= 0xff:
			fmt.Fprintf(&b, `\x%02x`, r)
		case r <= 0xffff:
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			fmt.Fprintf(&b, `\U%08x`, r)
		}
	}
	b.WriteRune(quote)
	return b.String()
}

// FloatRepr writes a number as Python does: the fewest digits that read back the
// same, an exponent below 1e-4 and from 1e16 on, always a point or an exponent.
func FloatRepr(f float64) string {
	switch {
	case math.IsNaN(f):
		return "nan"
	case math.IsInf(f, 1):
		return "inf"
	case math.IsInf(f, -1):
		return "-inf"
	}
	if abs := math.Abs(f); abs != 0 && (abs < 1e-4 || abs >= 1e16) {
		return strconv.FormatFloat(f, 'e', -1, 64)
	}
	s := strconv.FormatFloat(f, 'f', -1, 64)
	if !strings.Contains(s, ".") {
		s += ".0"
	}
	return s
}

// ParseInt reads whole numbers as Python's int() does: spaces around, a sign, digits
// with single underscores between them.
func ParseInt(s string) (any, error) {
	digits := strings.TrimSpace(s)
	sign := ""
	if digits != "" && (digits[0] == '+' || digits[0] == '-') {
		sign, digits = digits[:1], digits[1:]
	}
	if i, ok := new(big.Int).SetString(sign+strings.ReplaceAll(digits, "_", ""), 10); ok && goodUnderscores(digits) {
		return normalInt(i), nil
	}
	return nil, fmt.Errorf("%q is not a whole number", s)
}

// ParseFloat reads numbers as Python's float() does.
func ParseFloat(s string) (float64, error) {
	t := strings.ToLower(strings.TrimSpace(s))
	switch unsigned := strings.TrimPrefix(strings.TrimPrefix(t, "-"), "+"); unsigned {
	case "nan":
		return math.NaN(), nil
	case "inf", "infinity":
	default:
		if strings.Trim(t, "0123456789_.e+-") != "" || !goodUnderscores(strings.TrimLeft(t, "+-")) {
			return 0, fmt.Errorf("%q is not a number", s)
		}
	}
	f, err := strconv.ParseFloat(strings.ReplaceAll(t, "_", ""), 64)
	if err != nil && !math.IsInf(f, 0) {
		return 0, fmt.Errorf("%q is not a number", s)
	}
	return f, nil
}

// goodUnderscores tells whether each underscore stands between two digits.
func goodUnderscores(s string) bool {
	digit := func(i int) bool { return i >= 0 && i < len(s) && s[i] >= '0' && s[i] <= '9' }
	for i := range len(s) {
		if s[i] == '_' && !(digit(i-1) && digit(i+1)) {
			return false
		}
	}
	return s != ""
}

// Equal compares as Python's == does: numbers and truth values by their value.
func Equal(a, b *Node) bool {
	if a.kind != b.kind {
		return false
	}
	switch a.kind {
	case Map:
		if len(a.keys) != len(b.keys) {
			return false
		}
		for _, k := range a.keys {
			if other := b.items[k]; other == nil || !Equal(a.items[k], other) {
				return false
			}
		}
		return true
	case List:
		if len(a.list) != len(b.list) {
			return false
		}
		for i, item := range a.list {
			if !Equal(item, b.list[i]) {
				return false
			}
		}
		return true
	}
	x, xOK := number(a.value)
	y, yOK := number(b.value)
	if xOK && yOK {
		return x.Cmp(y) == 0
	}
	return !xOK && !yOK && a.value == b.value
}

// number is the exact value of a whole number, a finite float or a truth value.
func number(v any) (*big.Rat, bool) {
	switch v := v.(type) {
	case bool:
		if v {
			return big.NewRat(1, 1), true
		}
		return new(big.Rat), true
	case int64:
		return new(big.Rat).SetInt64(v), true
	case *big.Int:
		return new(big.Rat).SetInt(v), true
	case float64:
		r := new(big.Rat).SetFloat64(v)
		return r, r != nil
	}
	return nil, false
}
