package omegaconf

import (
	"fmt"
	"math"
	"math/big"
	"regexp"
	"strings"

	"gopkg.in/yaml.v3"
)

var (
	yamlBool  = regexp.MustCompile(`^(?:yes|Yes|YES|no|No|NO|true|True|TRUE|false|False|FALSE|on|On|ON|off|Off|OFF)$`)
	yamlFloat = regexp.MustCompile(`^(?:[-+]?[0-9][0-9_]*\.[0-9_]*(?:[eE][-+][0-9]+)?|\.[0-9][0-9_]*(?:[eE][-+][0-9]+)?|[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+\.[0-9_]*|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$`)
	// OmegaConf's own takes exponents without a sign or a point.
	omegaFloat = regexp.MustCompile(`^(?:[-+]?[0-9]+(?:_[0-9]+)*\.[0-9_]*(?:[eE][-+]?[0-9]+)?|[-+]?[0-9]+(?:_[0-9]+)*[eE][-+]?[0-9]+|\.[0-9]+(?:_[0-9]+)*(?:[eE][-+][0-9]+)?|[-+]?[0-9]+(?:_[0-9]+)*(?::[0-5]?[0-9])+\.[0-9_]*|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$`)
	yamlInt    = regexp.MustCompile(`^(?:[-+]?0b[0-1_]+|[-+]?0[0-7_]+|[-+]?(?:0|[1-9][0-9_]*)|[-+]?0x[0-9a-fA-F_]+|[-+]?[1-9][0-9_]*(?::[0-5]?[0-9])+)$`)
	yamlNull   = regexp.MustCompile(`^(?:~|null|Null|NULL|)$`)
	yamlDate   = regexp.MustCompile(`^(?:[0-9]{4}-[0-9]{2}-[0-9]{2}|[0-9]{4}-[0-9][0-9]?-[0-9][0-9]?(?:[Tt]|[ \t]+)[0-9][0-9]?:[0-9]{2}:[0-9]{2}(?:\.[0-9]*)?(?:[ \t]*(?:Z|[-+][0-9][0-9]?(?::[0-9]{2})?))?)$`)
)

// plainTag is the tag that PyYAML gives an unquoted scalar.
func plainTag(s string) string {
	switch {
	case yamlBool.MatchString(s):
		return "!!bool"
	case yamlFloat.MatchString(s):
		return "!!float"
	case yamlInt.MatchString(s):
		return "!!int"
	case s == "<<":
		return "!!merge"
	case yamlNull.MatchString(s):
		return "!!null"
	case s == "=":
		return "!!value"
	}
	return "!!str"
}

func tagOf(y *yaml.Node) string {
	switch {
	case y.Style&yaml.TaggedStyle != 0 && y.Tag == "!":
		return "!!str"
	case y.Style&yaml.TaggedStyle != 0:
		return y.Tag
	case y.Style&(yaml.DoubleQuotedStyle|yaml.SingleQuotedStyle|yaml.LiteralStyle|yaml.FoldedStyle) != 0:
		return "!!str"
	case plainTag(y.Value) == "!!str" && omegaFloat.MatchString(y.Value):
		return "!!float"
	}
	return plainTag(y.Value)
}

func constructKey(y *yaml.Node) (any, error) {
	if tagOf(y) == "!!value" {
		return y.Value, nil
	}
	return construct(y)
}

func construct(y *yaml.Node) (any, error) {
	s := y.Value
	switch tag := tagOf(y); tag {
	case "!!str":
		return s, nil
	case "!!null":
		return nil, nil
	case "!!bool":
		switch strings.ToLower(s) {
		case "yes", "true", "on":
			return true, nil
		case "no", "false", "off":
			return false, nil
		}
		return nil, fmt.Errorf("%q is not a truth value", s)
	case "!!int":
		return constructInt(s)
	case "!!float":
		return constructFloat(s)
	default:
		return nil, fmt.Errorf("a value of the kind %s is not supported; quote it to make it text", tag)
	}
}

func constructInt(s string) (any, error) {
	t := strings.ReplaceAll(s, "_", "")
	sign := ""
	if t != "" && (t[0] == '-' || t[0] == '+') {
		sign, t = t[:1], t[1:]
	}
	i, ok := new(big.Int), true
	switch {
	case strings.HasPrefix(t, "0b"):
		i, ok = i.SetString(t[2:], 2)
	case strings.HasPrefix(t, "0x"):
		i, ok = i.SetString(t[2:], 16)
	case t != "0" && strings.HasPrefix(t, "0"):
		i, ok = i.SetString(t, 8)
	case strings.Contains(t, ":"): // base 60
		for _, part := range strings.Split(t, ":") {
			var digit big.Int
			if _, ok = digit.SetString(part, 10); !ok {
				break
			}
			i.Add(i.Mul(i, big.NewInt(60)), &digit)
		}
	default:
		i, ok = i.SetString(t, 10)
	}
	if !ok {
		return nil, fmt.Errorf("%q is not a whole number", s)
	}
	if sign == "-" {
		i.Neg(i)
	}
	return normalInt(i), nil
}

func constructFloat(s string) (any, error) {
	t := strings.ToLower(strings.ReplaceAll(s, "_", ""))
	sign := 1.0
	if t != "" && (t[0] == '-' || t[0] == '+') {
		if t[0] == '-' {
			sign = -1
		}
		t = t[1:]
	}
	switch {
	case t == ".inf":
		return math.Inf(int(sign)), nil
	case t == ".nan":
		return math.NaN(), nil
	case strings.Contains(t, ":"): // base 60
		sum := 0.0
		for _, part := range strings.Split(t, ":") {
			digit, err := ParseFloat(part)
			if err != nil {
				return nil, err
			}
			sum = sum*60 + digit
		}
		return sign * sum, nil
	}
	f, err := ParseFloat(t)
	return sign * f, err
}
