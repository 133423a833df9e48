package reference

import (
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestCLI(t *testing.T) {
	root := &cobra.Command{Use: "lamp"}
	light := &cobra.Command{Use: "light WICK", Short: "Light it", Long: "Light it,\nand <wait>.\n\n  as is\n\nDone.", Example: "  lamp light a|b", Run: func(*cobra.Command, []string) {}}
	light.Flags().StringP("oil", "o", "a|b", "which `KIND` of oil")
	light.Flags().Bool("slow", false, "do not hurry")
	root.AddCommand(light, &cobra.Command{Use: "secret", Hidden: true, Run: func(*cobra.Command, []string) {}})
	got := CLI(root, func(f *pflag.Flag) string { return map[string]string{"oil": "Fuel"}[f.Name] })
	for _, want := range []string{
		"| [`lamp light`](#lamp-light) | Light it |\n", "\n## lamp light\n\nLight it, and &lt;wait>.\n\n```text\nas is\n```\n\nDone.\n",
		"```text\nlamp light a|b\n```", "**Fuel**\n\n| flag | default | is |\n| --- | --- | --- |\n| `-o, --oil KIND` | `a\\|b` | which KIND of oil |\n", "| `--slow` |  | do not hurry |\n",
	} {
		assert.Contains(t, got, want)
	}
	assert.NotContains(t, got, "secret")
}

func TestMetrics(t *testing.T) {
	r := NewRegistry()
	r.MustRegister(prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "b_seconds", Help: `Of "it".`}, []string{"x", "y"}),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "a_depth"}, func() float64 { return 1 }),
		prometheus.NewCounter(prometheus.CounterOpts{Name: "c_total"}))
	got, err := r.Metrics()
	require.NoError(t, err)
	assert.Equal(t, []Metric{
		{Name: "a_depth", Kind: "gauge", Labels: []string{}},
		{Name: "b_seconds", Kind: "histogram", Help: `Of "it".`, Labels: []string{"x", "y"}},
		{Name: "c_total", Kind: "counter", Labels: []string{}},
	}, got)
	assert.Contains(t, MetricsPage([]MetricGroup{{Heading: "Always", Metrics: got}}), "\n## Always\n\n| metric | kind | labels | is |\n| --- | --- | --- | --- |\n| `a_depth` | gauge |  |  |\n")

	require.NoError(t, r.Register(silent{}))
	_, err = r.Metrics()
	assert.ErrorContains(t, err, `"d_size"`)
}

// silent has no values, and so no kind that could be told.
type silent struct{}

func (silent) Describe(out chan<- *prometheus.Desc) {
	out <- prometheus.NewDesc("d_size", "", nil, nil)
}
func (silent) Collect(chan<- prometheus.Metric) {}

func TestAPI(t *testing.T) {
	got, err := API([]byte(`{"info": {"description": "Hello."}, "tags": [{"name": "ask"}],
		"paths": {"/v1/{m}": {"parameters": [{"$ref": "#/components/parameters/M"}], "post": {"tags": ["ask"], "summary": "Ask", "description": "Twice.", "security": [{}, {"apiKey": []}, {"adminKey": []}],
			"requestBody": {"content": {"text/csv": {"schema": {"type": "string"}}}}, "responses": {"200": {"description": "Yes | no.", "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Yes"}}}}}}}},
		"components": {"parameters": {"M": {"name": "m", "in": "path", "schema": {"type": "integer", "minimum": 1, "maximum": 9, "default": 5}}},
			"schemas": {"Yes": {"required": ["a"], "properties": {"a": {"type": "array", "items": {"$ref": "#/components/schemas/Yes"}}, "b": {"enum": ["x", ""]}}}, "Any": {"oneOf": [{"type": "string"}, {"$ref": "#/components/schemas/Yes"}]}}}}`))
	require.NoError(t, err)
	for _, want := range []string{
		"\n### POST /v1/`{m}`\n\n**Ask.**\n\nFor administrators: with the admin key, or from the server's own machine.\n\nTwice.\n", "| `m` | path | integer 1…9, `5` if left out |  |\n", "| `text/csv` | string |\n",
		"| 200 | Yes \\| no. | [Yes](#schema-yes) |\n", "| `a` | always | list of [Yes](#schema-yes) |  |\n", "| `b` |  | `x`, `\"\"` |  |\n", "\n### Schema Any\n\nstring or [Yes](#schema-yes)\n",
	} {
		assert.Contains(t, got, want)
	}
}

type oven struct {
	Heat  int   `yaml:"heat"` // in degrees
	Clock clock `yaml:"clock"`
}

type clock struct {
	// Ring says how often it rings, if Loud.
	Ring  int  `yaml:"ring"`
	Loud  bool `yaml:"loud"`
	Plain int  `yaml:"plain"`
}

func TestConfig(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	write("main.yaml", "defaults:\n  - clock: big\nheat: 9\n")
	write("clock/big.yaml", "ring: 2\nloud: true # or quiet\n")
	write("clock/small.yaml", "defaults:\n  - big\nring: 1\n")
	write("experiment/hot.yaml", "defaults:\n  - override /clock: small\nheat: 99\n")
	type kitchen struct {
		Pots int    `yaml:"pots" group:"What is there" help:"so many <pots>"`
		Cook string `yaml:"cook" group:"Who" help:"a|b"`
	}
	got, err := Config(Settings{"kitchen", kitchen{3, "b"}}, Composition{
		Text: "heat: 9\nclock:\n  ring: 2\n  loud: true\n  plain: 0\n", Keys: reflect.TypeFor[oven](), Folder: dir, Primary: "main.yaml",
		Source: "../..", Module: "github.com/torchlit/torchlit",
	})
	require.NoError(t, err)
	for _, want := range []string{
		"\n### Serve: what is there\n\n| key | default | is |\n| --- | --- | --- |\n| `pots` | `3` | so many &lt;pots> |\n", "\n### Serve: who\n", "`TORCHLIT_KITCHEN_MAX_BATCH_SIZE`",
		"| `heat` | `9` | in degrees |\n", "| `clock.ring` | `2` | `ring` says how often it rings, if `loud`. |\n| `clock.loud` | `true` | or quiet |\n| `clock.plain` | `0` |  |\n",
		"| `clock=big` | the defaults above |\n", "| `clock=small` | all of `big` `ring=1` |\n", "| `experiment=hot` | `heat=99` `clock=small` |\n",
	} {
		assert.Contains(t, got, want)
	}
}
