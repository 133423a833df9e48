package hydra

import (
	"cmp"
	"errors"
	"fmt"
	"math/big"
	"math/rand/v2"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/torchlit/torchlit/config/omegaconf"
)

// Choice stands for one value after the other: a,b,c or choice(a,b,c).
type Choice struct {
	List    []any
	Simple  bool // written without choice()
	Shuffle bool
	Tags    []string
}

// Range stands for numbers from Start to before Stop: int64 or float64.
type Range struct {
	Start, Stop, Step any
	Shuffle           bool
	Tags              []string
}

// Interval is continuous: for optimizers only, a sweep over a grid cannot take it.
type Interval struct {
	Start, End any
	Tags       []string
}

// Glob stands for the options of a group whose names match.
type Glob struct{ Include, Exclude []string }

// maxJobs bounds a sweep: more is a slip, such as a range with a step of 1e-9.
const maxJobs = 100_000

// values lists what the sweep of an override stands for, each as it can stand behind
// the equals sign. Options lists what a group has.
func (o *Override) values(options func(group string) []string) ([]string, error) {
	var items []any
	switch s := o.Value.(type) {
	case *Choice:
		items = slices.Clone(s.List)
		if s.Shuffle {
			shuffle(items)
		}
	case *Range:
		var err error
		if items, err = s.items(); err != nil {
			return nil, err
		}
		if s.Shuffle {
			shuffle(items)
		}
	case *Glob:
		return s.filter(options(o.Key))
	default:
		return nil, errors.New("an interval has no end of values; give choice(…) or range(…)")
	}
	var texts []string
	for _, item := range items {
		text, err := format(item)
		if err != nil {
			return nil, err
		}
		texts = append(texts, text)
	}
	return texts, nil
}

func shuffle(items []any) {
	rand.Shuffle(len(items), func(i, j int) { items[i], items[j] = items[j], items[i] })
}

func (r *Range) items() ([]any, error) {
	start, ok1 := r.Start.(int64)
	stop, ok2 := r.Stop.(int64)
	step, ok3 := r.Step.(int64)
	if !ok1 || !ok2 || !ok3 {
		return r.floats()
	}
	if step == 0 {
		return nil, errors.New("the step of a range cannot be 0")
	}
	var items []any
	for i := start; step > 0 && i < stop || step < 0 && i > stop; i += step {
		if items = append(items, i); len(items) > maxJobs {
			return nil, fmt.Errorf("the range has more than %d values", maxJobs)
		}
	}
	return items, nil
}

// floats adds step by step as Python's decimal numbers do: each sum is rounded to 28
// digits, which decides whether the last value is still below the end.
func (r *Range) floats() ([]any, error) {
	var d [3]*big.Rat
	for i, v := range []any{r.Start, r.Stop, r.Step} {
		f, err := castFloat(v)
		if err != nil {
			return nil, err
		}
		if d[i] = new(big.Rat).SetFloat64(f.(float64)); d[i] == nil {
			return nil, errors.New("a range needs finite numbers")
		}
	}
	at, stop, step := d[0], d[1], d[2]
	if step.Sign() == 0 {
		return nil, errors.New("the step of a range cannot be 0")
	}
	var items []any
	for at.Cmp(stop)*step.Sign() < 0 {
		f, _ := at.Float64()
		if items = append(items, f); len(items) > maxJobs {
			return nil, fmt.Errorf("the range has more than %d values", maxJobs)
		}
		at = round28(new(big.Rat).Add(at, step))
	}
	return items, nil
}

// round28 rounds to 28 significant decimal digits, halves to even.
func round28(r *big.Rat) *big.Rat {
	if r.Sign() == 0 {
		return r
	}
	exponent := new(big.Float).SetRat(r).Text('e', 40)
	e, _ := strconv.Atoi(exponent[strings.IndexByte(exponent, 'e')+1:])
	digits := 27 - e
	power := func(n int) *big.Rat {
		p := new(big.Rat).SetInt(new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(max(n, -n))), nil))
		if n < 0 {
			p.Inv(p)
		}
		return p
	}
	scaled := new(big.Rat).Mul(r, power(digits))
	// The whole number nearest to num/den: halves go to the even one.
	num, den := scaled.Num(), scaled.Denom()
	q, rest := new(big.Int).DivMod(num, den, new(big.Int))
	if c := rest.Lsh(rest, 1).Cmp(den); c > 0 || c == 0 && q.Bit(0) == 1 {
		q.Add(q, big.NewInt(1))
	}
	return scaled.Mul(new(big.Rat).SetInt(q), power(-digits))
}

// sorted is the range with its values in the other order, if need be.
func (r *Range) sorted(reverse bool) (*Range, error) {
	s := *r
	c, err := compare(r.Start, r.Stop)
	if err != nil {
		return nil, err
	}
	if !reverse && c > 0 {
		size := magnitude(r.Step)
		s.Start, s.Stop, s.Step = add(r.Stop, size), add(r.Start, size), negate(r.Step)
	}
	if reverse && c < 0 {
		size := negate(magnitude(r.Step))
		s.Start, s.Stop, s.Step = add(r.Stop, size), add(r.Start, size), negate(r.Step)
	}
	return &s, nil
}

func add(a, b any) any {
	x, ok1 := a.(int64)
	y, ok2 := b.(int64)
	if ok1 && ok2 {
		return x + y
	}
	return toFloat64(a) + toFloat64(b)
}

func negate(v any) any {
	if i, ok := v.(int64); ok {
		return -i
	}
	return -toFloat64(v)
}

func magnitude(v any) any {
	if toFloat64(v) < 0 {
		return negate(v)
	}
	return v
}

func toFloat64(v any) float64 {
	f, err := castFloat(v)
	if err != nil {
		panic(fmt.Sprintf("BUG: %v is not a number", v))
	}
	return f.(float64)
}

// sorted sorts as Python does: numbers with numbers, text with text.
func sorted(items []any, reverse bool) ([]any, error) {
	list := slices.Clone(items)
	var failed error
	slices.SortStableFunc(list, func(a, b any) int {
		if reverse {
			a, b = b, a
		}
		c, err := compare(a, b)
		failed = cmp.Or(failed, err)
		return c
	})
	return list, failed
}

func compare(a, b any) (int, error) {
	switch x := a.(type) {
	case string:
		if y, ok := b.(string); ok {
			return strings.Compare(x, y), nil
		}
	case []any:
		if y, ok := b.([]any); ok {
			for i := range min(len(x), len(y)) {
				if c, err := compare(x[i], y[i]); c != 0 || err != nil {
					return c, err
				}
			}
			return cmp.Compare(len(x), len(y)), nil
		}
	case bool, int64, float64, *big.Int:
		switch b.(type) {
		case bool, int64, float64, *big.Int:
			return cmp.Compare(toFloat64(a), toFloat64(b)), nil
		}
	}
	return 0, fmt.Errorf("%s and %s cannot be put in order", omegaconf.Str(a), omegaconf.Str(b))
}

func (g *Glob) filter(names []string) ([]string, error) {
	var kept []string
	for _, name := range names {
		in, err := matches(g.Include, name)
		if err != nil {
			return nil, err
		}
		out, err := matches(g.Exclude, name)
		if err != nil {
			return nil, err
		}
		if in && !out {
			kept = append(kept, name)
		}
	}
	return kept, nil
}

func matches(patterns []string, name string) (bool, error) {
	for _, p := range patterns {
		re, err := regexp.Compile(`\A(?s:` + globPattern(p) + `)\z`)
		if err != nil {
			return false, fmt.Errorf("cannot use the pattern %q: %w", p, err)
		}
		if re.MatchString(name) {
			return true, nil
		}
	}
	return false, nil
}

// globPattern turns *, ?, [abc] and [!abc] into a regular expression.
func globPattern(p string) string {
	var b strings.Builder
	for i := 0; i < len(p); i++ {
		switch c := p[i]; c {
		case '*':
			b.WriteString(".*")
		case '?':
			b.WriteString(".")
		case '[':
			j := i + 1
			if j < len(p) && p[j] == '!' {
				j++
			}
			if j < len(p) && p[j] == ']' {
				j++
			}
			end := strings.IndexByte(p[min(j, len(p)):], ']')
			if end < 0 {
				b.WriteString(`\[`)
				continue
			}
			class := strings.ReplaceAll(p[i+1:j+end], `\`, `\\`)
			if rest, negated := strings.CutPrefix(class, "!"); negated {
				class = "^" + rest
			} else if strings.HasPrefix(class, "^") {
				class = `\` + class
			}
			b.WriteString("[" + class + "]")
			i = j + end
		default:
			b.WriteString(regexp.QuoteMeta(string(c)))
		}
	}
	return b.String()
}
