package train

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"
)

// Portion is a part of the batches of an epoch, as Lightning's limits give it: a
// number with a point is a share of them (1.0 is all), a whole number so many. The
// zero value is none.
type Portion struct {
	Share float64
	Count int
}

// Whole is all batches.
var Whole = Portion{Share: 1}

// Of returns how many of n batches the portion has: a share above zero has at
// least one.
func (p Portion) Of(n int) int {
	if p.Share > 0 {
		return min(n, max(1, int(math.Round(p.Share*float64(n)))))
	}
	return min(n, p.Count)
}

// None tells whether the portion is empty.
func (p Portion) None() bool { return p == Portion{} }

// MarshalText writes "0.5" for half of the batches and "50" for 50 of them.
func (p Portion) MarshalText() ([]byte, error) {
	if p.Share == 0 {
		return []byte(strconv.Itoa(p.Count)), nil
	}
	text := strconv.FormatFloat(p.Share, 'g', -1, 64)
	if !strings.ContainsAny(text, ".e") {
		text += ".0"
	}
	return []byte(text), nil
}

// UnmarshalText reads what MarshalText writes.
func (p *Portion) UnmarshalText(text []byte) error {
	if n, err := strconv.Atoi(string(text)); err == nil {
		if n < 0 {
			return fmt.Errorf("%d is below zero; give a share such as 0.5, or a number of batches", n)
		}
		*p = Portion{Count: n}
		return nil
	}
	share, err := strconv.ParseFloat(string(text), 64)
	if err != nil || !(share >= 0 && share <= 1) {
		return fmt.Errorf("%q is neither a share from 0.0 to 1.0 nor a number of batches", text)
	}
	*p = Portion{Share: share}
	return nil
}

// MarshalYAML writes a number whose kind, with a point or without, is kept.
func (p Portion) MarshalYAML() (any, error) {
	text, err := p.MarshalText()
	tag := "!!int"
	if p.Share > 0 {
		tag = "!!float"
	}
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: tag, Value: string(text)}, err
}
