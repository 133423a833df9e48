package config_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/spf13/pflag"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/torchlit/torchlit/config"
)

type settings struct {
	Optim struct {
		LR    float64 `yaml:"lr"`
		Steps []int   `yaml:"steps"`
	} `yaml:"optim"`
	Name string `yaml:"name"`
}

func write(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "settings.yaml")
	require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
	return path
}

func writeBeside(t *testing.T, path, name, text string) {
	t.Helper()
	require.NoError(t, os.WriteFile(filepath.Join(filepath.Dir(path), name), []byte(text), 0o644))
}

func TestLoad(t *testing.T) {
	path := write(t, "optim:\n  lr: 0.1\nname: a\n")
	var s settings
	s.Optim.Steps = []int{1}
	require.NoError(t, config.Load(path, []string{"optim.lr=0.5", "optim.steps=[2, 3]", "name="}, &s))
	assert.Equal(t, 0.5, s.Optim.LR)
	assert.Equal(t, []int{2, 3}, s.Optim.Steps)
	assert.Equal(t, "", s.Name)

	var fresh settings
	require.NoError(t, config.Load(write(t, ""), nil, &fresh))
	require.NoError(t, config.Load("", nil, &fresh))
}

func TestLoadErrors(t *testing.T) {
	f := func(file, override, want string) {
		t.Helper()
		var s settings
		var overrides []string
		if override != "" {
			overrides = []string{override}
		}
		err := config.Load(write(t, file), overrides, &s)
		require.Error(t, err)
		assert.Contains(t, err.Error(), want)
	}
	f("", "optim.lrr=1", `there is no key "optim.lrr"; the nearest is "optim.lr"`)
	f("optm:\n  lr: 1\n", "", `there is no key "optm"; the nearest is "optim"`)
	f("optim:\n  ler: 1\n", "", `the nearest is "optim.lr"`)
	f("", "optim.lr", "it is not of the form key=value")
	f("", "optim.lr=fast", `cannot set optim.lr to "fast": give a number`)
	f("", "optim.steps=[1", "it ends too early")
	f("", "optim.steps=[1.5]", "cannot set optim.steps[0] to 1.5: give a whole number")
	f("", "optim.steps=3", `optim.steps`)
	f("", "optim=3", `optim`)
	f("", "name=???", `"name" is ???: it must be given a value`)
	f("optim: [", "", `cannot use config "settings"`)
	assert.ErrorIs(t, config.Load("/nowhere.yaml", nil, new(settings)), os.ErrNotExist)
}

type group struct {
	Addr  string        `yaml:"addr" help:"address"`
	Size  int           `yaml:"max_batch_size" help:"size"`
	Grace time.Duration `yaml:"drain_grace" help:"grace"`
	Trace bool          `yaml:"trace" help:"trace"`
}

func resolve(t *testing.T, file string, args ...string) (group, error) {
	t.Helper()
	g := group{Addr: ":8080", Size: 1, Grace: time.Second}
	set := pflag.NewFlagSet("test", pflag.ContinueOnError)
	config.AddFlags(set, &g)
	require.NoError(t, set.Parse(args))
	path := ""
	if file != "" {
		path = write(t, file)
	}
	err := config.Resolve(path, "server", set, &g)
	return g, err
}

func TestPrecedence(t *testing.T) {
	f := func(want int, file string, args ...string) {
		t.Helper()
		g, err := resolve(t, file, args...)
		require.NoError(t, err)
		assert.Equal(t, want, g.Size)
	}
	const file = "server:\n  max_batch_size: 2\n  drain_grace: 3s\n"
	f(1, "")
	f(2, file)
	t.Setenv("TORCHLIT_SERVER_MAX_BATCH_SIZE", "3")
	f(3, file)
	f(4, file, "--max-batch-size=4")

	t.Setenv("TORCHLIT_SERVER_ADDR", "127.0.0.1:1")
	g, err := resolve(t, file, "--trace")
	require.NoError(t, err)
	assert.Equal(t, group{"127.0.0.1:1", 3, 3 * time.Second, true}, g)
}

func TestResolveErrors(t *testing.T) {
	_, err := resolve(t, "server:\n  max_batchsize: 2\n")
	assert.ErrorContains(t, err, `the nearest is "server.max_batch_size"`)
	t.Setenv("TORCHLIT_SERVER_MAX_BATCH_SIZE", "many")
	_, err = resolve(t, "")
	assert.ErrorContains(t, err, "cannot use TORCHLIT_SERVER_MAX_BATCH_SIZE")
}

// Flags are listed under their headings, in the order of the struct.
func TestFlagUsages(t *testing.T) {
	settings := struct {
		Zebra string `yaml:"zebra" group:"Animals" help:"striped"`
		Ant   int    `yaml:"ant" help:"small"`
		Oak   bool   `yaml:"oak" group:"Trees" help:"old"`
	}{Ant: 3}
	set := pflag.NewFlagSet("", pflag.ContinueOnError)
	set.SortFlags = false
	set.String("config", "", "a file")
	config.AddFlags(set, &settings)
	want := "Animals:\n      --zebra string   striped\n      --ant int        small (default 3)\n\nTrees:\n      --oak   old\n\nOther:\n      --config string   a file\n"
	if got := config.FlagUsages(set, 80); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}
