package config_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/torchlit/torchlit/config"
	"github.com/torchlit/torchlit/config/omegaconf"
)

// level reads itself from text.
type level int

func (l *level) UnmarshalText(text []byte) error {
	*l = level(len(text))
	return nil
}

func (l level) MarshalText() ([]byte, error) { return []byte("1.0"), nil }

type kinds struct {
	Text   string             `yaml:"text"`
	Named  name               `yaml:"named"`
	Flag   bool               `yaml:"flag"`
	Int    int                `yaml:"int"`
	Small  int8               `yaml:"small"`
	Uint   uint64             `yaml:"uint"`
	Float  float64            `yaml:"float"`
	Wait   time.Duration      `yaml:"wait"`
	Level  level              `yaml:"level"`
	Pair   [2]float64         `yaml:"pair"`
	List   []part             `yaml:"list"`
	Map    map[string]float64 `yaml:"map"`
	Any    any                `yaml:"any"`
	Ptr    *float64           `yaml:"ptr"`
	Hidden int                // no setting: it has no tag
}

type name string

type part struct {
	From float64 `yaml:"from"`
}

func decode(t *testing.T, text string, into *kinds) error {
	t.Helper()
	tree, err := omegaconf.Load([]byte(text))
	require.NoError(t, err)
	return config.Decode(tree, into)
}

func TestDecode(t *testing.T) {
	half, seven := 0.5, 7.0
	k := kinds{Int: 3, List: []part{{1}}, Ptr: &seven}
	require.NoError(t, decode(t, `
text: 32
named: 16-mixed
flag: 'TRUE'
int: 1e6
small: '-5'
uint: 18446744073709551615
float: 3
wait: 90s
level: 1.50
pair: [0.9, 1]
list: [{from: 0}, {from: 0.5}]
map: {a: 1, b: '2.5'}
any: {x: [1, null, text]}
ptr: 0.5
`, &k))
	assert.Equal(t, kinds{
		Text: "32", Named: "16-mixed", Flag: true, Int: 1000000, Small: -5, Uint: 1<<64 - 1, Float: 3, Wait: 90 * time.Second,
		Level: 3, Pair: [2]float64{0.9, 1}, List: []part{{0}, {0.5}}, Map: map[string]float64{"a": 1, "b": 2.5},
		Any: map[string]any{"x": []any{1, nil, "text"}}, Ptr: &half,
	}, k)
	assert.Equal(t, 7.0, seven, "what a pointer pointed to is somebody else's")

	require.NoError(t, decode(t, "text: null\nlist: null\nptr: null\nmap: null\npair: null\nint: null", &k))
	assert.Zero(t, k.Text)
	assert.Nil(t, k.List)
	assert.Nil(t, k.Ptr)
	assert.Zero(t, k.Int)
	assert.Equal(t, 3.0, k.Float)
}

func TestDecodeErrors(t *testing.T) {
	f := func(text, want string) {
		t.Helper()
		err := decode(t, text, new(kinds))
		require.Error(t, err)
		assert.Contains(t, err.Error(), want)
	}
	f("txt: 1", `there is no key "txt"; the nearest is "text"`)
	f("list: [{form: 1}]", `there is no key "list[0].form"; the nearest is "list[0].from"`)
	f("int: 1.5", "cannot set int to 1.5: give a whole number")
	f("int: true", "cannot set int to true: give a whole number")
	f("int: 99999999999999999999", "too large")
	f("small: 128", "too large")
	f("uint: -1", "not negative")
	f("float: x", `cannot set float to "x": give a number`)
	f("flag: 1", "cannot set flag to 1: give true or false")
	f("wait: 90", `give a time such as "90s"`)
	f("text: [1]", "cannot set text to a list: it is one value")
	f("list: 5", "cannot set list: it is a list, as in list=[a,b]")
	f("list: [5]", "cannot set list[0]: it is a group of settings, not a value")
	f("map: 5", "cannot set map: it is a mapping, not a value")
	f("pair: [1]", "cannot set pair to 1 values: it has 2")
	f("text: ${nope}", `cannot resolve "text"`)
	f("text: ???", `"text" is ???`)
}

func TestBase(t *testing.T) {
	k := kinds{Text: "x", Wait: time.Minute, List: []part{{0.5}}}
	assert.Equal(t, `text: x
named: ''
flag: false
int: 0
small: 0
uint: 0
float: 0.0
wait: 1m0s
level: 1.0
pair:
- 0.0
- 0.0
list:
- from: 0.5
map: {}
any: null
ptr: null
`, config.Base(k).YAML())

	// What a struct becomes, it can be made of again.
	var again kinds
	require.NoError(t, config.Decode(config.Base(&k), &again))
	again.Level = 0
	assert.Equal(t, k, again)
}

// A file may list others, beside it.
func TestLoadComposes(t *testing.T) {
	var s settings
	path := write(t, "defaults:\n  - base\n  - _self_\noptim: {lr: '${oc.env:TORCHLIT_TEST_LR}'}\n")
	require.Error(t, config.Load(path, nil, &s))
	writeBeside(t, path, "base.yaml", "name: from the other\noptim: {steps: [4]}\n")
	t.Setenv("TORCHLIT_TEST_LR", "0.25")
	require.NoError(t, config.Load(path, []string{"optim.steps=[4,'5']"}, &s))
	assert.Equal(t, 0.25, s.Optim.LR)
	assert.Equal(t, []int{4, 5}, s.Optim.Steps)
	assert.Equal(t, "from the other", s.Name)
}
