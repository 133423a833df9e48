package omegaconf_test

import (
	"errors"
	"math"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/torchlit/torchlit/config/omegaconf"
)

func load(t testing.TB, text string) *omegaconf.Node {
	t.Helper()
	n, err := omegaconf.Load([]byte(text))
	require.NoError(t, err)
	return n
}

func TestNew(t *testing.T) {
	n, err := omegaconf.New(omegaconf.Dict{
		{Key: "z", Value: uint8(1)}, {Key: "a", Value: []string{"x"}}, {Key: 1.5, Value: map[string]any{"q": nil, "p": float32(0.5)}},
	})
	require.NoError(t, err)
	assert.Equal(t, "z: 1\na:\n- x\n1.5:\n  p: 0.5\n  q: null\n", n.YAML())
	assert.Equal(t, map[string]any{"z": 1, "a": []any{"x"}, "1.5": map[string]any{"p": 0.5, "q": nil}}, n.Any())
	assert.Equal(t, []string{"z", "a", "1.5", "1.5.p", "1.5.q"}, n.Paths())
	assert.Equal(t, "a[0]", n.Get("a").Get(0).Path())

	big10 := new(big.Int).Lsh(big.NewInt(1), 64)
	n, err = omegaconf.New([]any{uint64(math.MaxUint64), big10, n})
	require.NoError(t, err)
	assert.Equal(t, 3, n.Len())
	assert.Equal(t, "18446744073709551615", omegaconf.Str(n.Get(0)))

	_, err = omegaconf.New(struct{}{})
	assert.Error(t, err)
	_, err = omegaconf.New(omegaconf.Dict{{Key: nil, Value: 1}})
	assert.Error(t, err)
	_, err = omegaconf.New([]any{"${a"})
	assert.ErrorContains(t, err, `cannot read the interpolation in "${a"`)
}

func TestMerge(t *testing.T) {
	f := func(dest, src, want string) {
		t.Helper()
		n := load(t, dest)
		s := load(t, src)
		require.NoError(t, n.Merge(s))
		assert.Equal(t, want, n.YAML())
		assert.Equal(t, load(t, src).YAML(), s.YAML(), "the source stays as it is")
	}
	f("a: 1\nb: 2", "b: 3\nc: 4", "a: 1\nb: 3\nc: 4\n")
	f("a: {x: 1, y: [1, 2]}", "a: {y: [3]}", "a:\n  x: 1\n  'y':\n  - 3\n")
	f("a: 1", "a: ???", "a: 1\n")
	f("a: ???", "a: 1", "a: 1\n")
	f("a: {x: 1}", "a: null", "a: null\n")
	f("a: {x: 1}\nb: ${a}", "b: {y: 2}", "a:\n  x: 1\nb:\n  x: 1\n  'y': 2\n")
	f("b: ${a}", "b: {y: 2}", "b:\n  'y': 2\n")
	assert.ErrorContains(t, load(t, "a: [1]").Merge(load(t, "a: {b: 1}")), `cannot merge a mapping into the list "a"`)
}

func TestUpdate(t *testing.T) {
	n := load(t, "a: {b: 1, l: [{c: 2}]}")
	require.NoError(t, n.Update("a.b", 5, false))
	require.NoError(t, n.Update("a.l.0.c", "x", false))
	require.NoError(t, n.Update("new.e.w", true, true))
	assert.Equal(t, "a:\n  b: 5\n  l:\n  - c: x\nnew:\n  e:\n    w: true\n", n.YAML())

	var unknown *omegaconf.KeyError
	require.ErrorAs(t, n.Update("a.z", 1, false), &unknown)
	assert.Equal(t, &omegaconf.KeyError{Path: "a.z", Siblings: []string{"b", "l"}}, unknown)
	assert.ErrorContains(t, n.Update("a.l.7", 1, false), `the list "a.l" has 1 items, so there is no "a.l[7]"`)
	assert.Error(t, n.Update("a.l.x", 1, false))

	require.NoError(t, n.Delete("a.l", nil))
	require.ErrorIs(t, n.Delete("a.l", nil), omegaconf.ErrNotThere)
	assert.ErrorContains(t, n.Delete("a.b", 6), "its value is 5, not 6")
	require.NoError(t, n.Delete("a.b", 5.0))
	assert.Equal(t, "a: {}\nnew:\n  e:\n    w: true\n", n.YAML())
}

func TestTypes(t *testing.T) {
	n := load(t, "num: 1\ntext: a\nflag: null\nopen: {x: 1}\nlist: [a]")
	n.Demand(&omegaconf.Type{Name: "dict", Fields: map[string]*omegaconf.Type{
		"num": {Name: "int"}, "text": {Name: "str"}, "flag": {Name: "bool", Optional: true},
		"open": {Name: "dict", Elem: &omegaconf.Type{Name: "int"}}, "list": {Name: "list", Elem: &omegaconf.Type{Name: "str"}},
	}})
	require.NoError(t, n.Merge(load(t, "num: '7'\ntext: 1.5\nflag: 'yes'\nopen: {y: '2'}\nlist: [1, true]")))
	assert.Equal(t, "num: 7\ntext: '1.5'\nflag: true\nopen:\n  x: 1\n  'y': 2\nlist:\n- '1'\n- 'True'\n", n.YAML())

	f := func(src, want string) {
		t.Helper()
		assert.ErrorContains(t, n.Copy().Merge(load(t, src)), want)
	}
	f("num: x", `cannot set "num": "x" is not a whole number`)
	f("num: null", `"num" cannot be null`)
	f("flag: maybe", `'maybe' is not a truth value`)
	f("open: 5", `is not of type dict`)
	f("open: {z: w}", `cannot set "open.z"`)
	f("text: [1]", `cannot set "text" to a list`)
	f("other: 1", `there is no key "other"`)
	// A reference is checked when it is followed.
	require.NoError(t, n.Merge(load(t, "num: ${text}")))
	_, err := n.Select("num")
	assert.ErrorContains(t, err, `cannot resolve "num": "1.5" is not a whole number`)
}

func TestResolve(t *testing.T) {
	const text = "a: {b: 1}\nr: ${a}\nm: ???\nt: ${m}\ns: x${a.b}\n"
	n := load(t, text)
	_, err := n.Resolved(false)
	require.ErrorIs(t, err, omegaconf.ErrMissing, "what refers to a missing value cannot be resolved")
	require.NoError(t, n.Resolve())
	assert.Equal(t, "a:\n  b: 1\nr:\n  b: 1\nm: ???\nt: ???\ns: x1\n", n.YAML())

	n = load(t, "m: ???\na: {b: '???'}")
	resolved, err := n.Resolved(false)
	require.NoError(t, err)
	assert.Equal(t, n.YAML(), resolved.YAML())
	_, err = n.Resolved(true)
	require.ErrorIs(t, err, omegaconf.ErrMissing)
	assert.ErrorContains(t, err, `"m" is ???`)
}

func TestResolveErrors(t *testing.T) {
	f := func(text, want string) {
		t.Helper()
		_, err := load(t, text).Resolved(true)
		assert.ErrorContains(t, err, want)
	}
	f("a: ${b.c}\nb: {d: 1}", `cannot resolve "a": there is no key "b.c" to refer to`)
	f("a: ${b}\nb: ${a}", "refers to itself")
	f("a: {b: '${a}'}", "refers to a mapping that it is part of")
	f("a: {b: '${c}'}\nc: {d: '${a}'}", "in a circle")
	f("a: '${oc.select:a}'", "in a circle")
	f("a: '${oc.env:TORCHLIT_NOT_SET}'", `set it, or give a default as in ${oc.env:TORCHLIT_NOT_SET,default}`)
	f("a: '${nope:1}'", `there is no resolver "nope"`)
	f("a: '${oc.env:}'", `the resolver "oc.env" takes 1 to 2 arguments, not 0`)
	f("a: ${....b}", "more dots than there are levels")
	f("a: '${now:%Y}'", "this config has no time")
	f("a: '${hydra:job.name}'", "once the run begins only")
	deep := "a0: 1\n"
	for i := range 300 {
		deep += "a" + omegaconf.Str(int64(i+1)) + ": ${a" + omegaconf.Str(int64(i)) + "}\n"
	}
	f(deep, "in a circle")
}

func TestScope(t *testing.T) {
	n := load(t, "now: ${now:%Y-%m-%d_%H-%M-%S %j %a %b %U %W %G-%V %u %w %p %I %y %% %q %f}\ne: '${oc.env:X}'\nh: ${hydra:job.name}\nd: ${hydra:run}")
	hydra := load(t, "job: {name: train}\nrun: {dir: x}")
	n.SetScope(&omegaconf.Scope{
		Now:   time.Date(2026, 11, 3, 4, 5, 6, 7000, time.UTC),
		Env:   func(name string) (string, bool) { return "value of " + name, true },
		Hydra: hydra,
	})
	got, err := n.Resolved(true)
	require.NoError(t, err)
	assert.Equal(t, "2026-11-03_04-05-06 307 Tue Nov 44 44 2026-45 2 2 AM 04 26 % %q 000007", got.Get("now").Value())
	assert.Equal(t, "value of X", got.Get("e").Value())
	assert.Equal(t, "train", got.Get("h").Value())
	assert.Equal(t, "x", got.Get("d").Get("dir").Value())
}

func TestEqual(t *testing.T) {
	f := func(a, b string, want bool) {
		t.Helper()
		assert.Equal(t, want, omegaconf.Equal(load(t, "v: "+a), load(t, "v: "+b)))
	}
	f("1", "1.0", true)
	f("1", "true", true)
	f("1", "'1'", false)
	f("[1, {a: null}]", "[true, {a: ~}]", true)
	f("{a: 1, b: 2}", "{b: 2, a: 1}", true)
	f("{a: 1}", "{a: 1, b: 2}", false)
	f(".nan", ".nan", false)
	f("99999999999999999999", "99999999999999999999", true)
}

func TestNumbers(t *testing.T) {
	for in, want := range map[float64]string{
		1: "1.0", 0.1: "0.1", 1e-4: "0.0001", 1e-5: "1e-05", 1e15: "1000000000000000.0", 1e16: "1e+16", -2.5e-7: "-2.5e-07",
		math.Inf(1): "inf", 123456789.125: "123456789.125", 0: "0.0",
	} {
		assert.Equal(t, want, omegaconf.FloatRepr(in))
	}
	for _, bad := range []string{"", "_1", "1_", "1__0", "1.5", "x", "+-1", "0x1"} {
		_, err := omegaconf.ParseInt(bad)
		assert.Error(t, err, bad)
	}
	for _, bad := range []string{"", "1_", "._1", "0x1p3", "e3", "1e", "--1", "infin"} {
		_, err := omegaconf.ParseFloat(bad)
		assert.Error(t, err, bad)
	}
	f, err := omegaconf.ParseFloat(" -Infinity ")
	require.NoError(t, err)
	assert.True(t, math.IsInf(f, -1))
}

// Aliases of aliases do not eat the memory, and cycles end.
func TestLoadBounds(t *testing.T) {
	text := "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
	for i := 1; i < 10; i++ {
		text += strings.NewReplacer("N", omegaconf.Str(int64(i)), "P", omegaconf.Str(int64(i-1))).
			Replace("aN: &aN [*aP, *aP, *aP, *aP, *aP, *aP, *aP, *aP, *aP, *aP]\n")
	}
	_, err := omegaconf.Load([]byte(text))
	assert.ErrorContains(t, err, "aliases")
	_, err = omegaconf.Load([]byte("a: &a {<<: *a}"))
	assert.Error(t, err)
	_, err = omegaconf.Load([]byte("a: &a [*a]"))
	assert.Error(t, err)
	_, err = omegaconf.Load([]byte("a: \xff"))
	assert.Error(t, err)
	_, err = omegaconf.Load([]byte(strings.Repeat("[", 3000)))
	assert.Error(t, err)
}

// FuzzLoad: what is written reads back as the same.
func FuzzLoad(f *testing.F) {
	for _, text := range []string{
		"a: [1, 2.5, ~, yes, 'x', 1e-3]\nb:\n  c: |\n    x\n    y\n", "- - a\n  - b: c\n", "x: &x {a: 1}\ny: {<<: *x}",
		"a: \"\\t\\u2028 \\x07\"", "? 'multi\n\n  line'\n: 1", "a: 1:30\nb: 0x1f\nc: 2020-01-01", "'': ' '", "a: ${b}",
		"k: " + strings.Repeat("word ", 40), "k: \"" + strings.Repeat("w\\a ", 40) + "\"", "a: -\n", "a: !!str 1", "~",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		n, err := omegaconf.Load([]byte(text))
		if err != nil || len(text) > 1<<12 {
			return
		}
		again, err := omegaconf.Load([]byte(n.YAML()))
		if err != nil {
			t.Fatalf("%q was written as %q: %v", text, n.YAML(), err)
		}
		if again.YAML() != n.YAML() {
			t.Fatalf("%q was written as %q, and that as %q", text, n.YAML(), again.YAML())
		}
	})
}

// FuzzInterpolation: whatever stands in a value, it resolves or says why not.
func FuzzInterpolation(f *testing.F) {
	for _, text := range []string{
		"${a}", "x${m.b[0]}y", "${oc.env:X,'d ${a}'}", `\${a}`, `\\${a}`, "${${k}}", "${oc.decode:'[1, {a: b}]'}", "${.a}", "${..a}",
		"${oc.select:m.zz,[1,{x:null}]}", "${oc.create:{a:[${a}]}}", "${oc.dict.values:m}", "${m[b][1]}", "${a", "$", "${}", "${a:b:c}",
		"${now:%Y}", `${oc.decode:"'it\\'s'"}`, "${oc.decode:${k}}", "${r}", "${oc.select:r}",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		n := load(t, "a: 1\nk: a\nm: {b: [x, 2.5]}\n")
		if err := n.Set("r", text); err != nil {
			return
		}
		n.SetScope(&omegaconf.Scope{Env: func(string) (string, bool) { return "", false }})
		resolved, err := n.Resolved(true)
		if err == nil {
			_ = resolved.YAML()
		}
		if err != nil && errors.Is(err, omegaconf.ErrMissing) && !strings.Contains(text, "???") {
			t.Fatalf("%q is said to be missing: %v", text, err)
		}
	})
}
