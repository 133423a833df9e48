package repository

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestPolicies(t *testing.T) {
	f := func(policy, want string) {
		t.Helper()
		fk := newFake(t)
		for _, v := range []string{"1", "2", "9", "10"} {
			fk.write("cats", v, "c"+v)
		}
		fk.write("dogs", "3", "d3")
		general, byName, err := ParsePolicies(policy)
		require.NoError(t, err)
		fk.open(func(c *Config[*fakeModel]) { c.Interval, c.Policy, c.Policies = 0, general, byName })
		assert.Equal(t, want, fk.serving(), policy)
	}
	f("", "cats/10=c10 dogs/3=d3")
	f("latest", "cats/10=c10 dogs/3=d3")
	f("latest:2", "cats/9=c9 cats/10=c10 dogs/3=d3")
	f("all", "cats/1=c1 cats/2=c2 cats/9=c9 cats/10=c10 dogs/3=d3")
	f("list:1,9,77", "cats/1=c1 cats/9=c9")
	f("all; cats=list:2", "cats/2=c2 dogs/3=d3")
	f("cats=latest:3;", "cats/2=c2 cats/9=c9 cats/10=c10 dogs/3=d3")
}

func TestBadPolicies(t *testing.T) {
	for _, text := range []string{"newest", "latest:0", "latest:x", "list:", "list:0", "list:a", "all:1", "list", "all; all", "cats=all; cats=all"} {
		_, _, err := ParsePolicies(text)
		assert.Error(t, err, text)
	}
	p, err := ParsePolicy("list: 1, 03")
	require.NoError(t, err)
	assert.Equal(t, "list:1,3", p.String())
}

// A model's own file wins, in Torchlit's words or in Triton's.
func TestModelFile(t *testing.T) {
	f := func(policy, want string) {
		t.Helper()
		fk := newFake(t)
		for _, v := range []string{"1", "2", "3"} {
			fk.write("cats", v, "c"+v)
		}
		require.NoError(t, os.WriteFile(filepath.Join(fk.root, "cats", ModelFile), []byte(`{"version_policy": `+policy+`}`), 0o644))
		fk.open(func(c *Config[*fakeModel]) { c.Interval = 0 })
		assert.Equal(t, want, fk.serving(), policy)
	}
	f(`"latest:2"`, "cats/2=c2 cats/3=c3")
	f(`{"latest": {"num_versions": 2}}`, "cats/2=c2 cats/3=c3")
	f(`{"all": {}}`, "cats/1=c1 cats/2=c2 cats/3=c3")
	f(`{"specific": {"versions": [1, 3]}}`, "cats/1=c1 cats/3=c3")
	f(`{"all": {}, "latest": {}}`, "cats/3=c3")

	var p Policy
	for _, bad := range []string{`7`, `{}`, `{"specific": {"versions": [0]}}`, `{"latest": {"num_versions": -1}}`, `"x"`} {
		assert.Error(t, json.Unmarshal([]byte(bad), &p), bad)
	}
}

// A bad version among good ones stops nothing, and the policy chooses among the good ones.
func TestBadVersionAtTheStart(t *testing.T) {
	f := newFake(t)
	f.write("cats", "1", "old")
	f.write("cats", "2", "bad")
	f.write("dogs", "1", "bad")
	require.NoError(t, os.MkdirAll(filepath.Join(f.root, "birds", "1"), 0o755))
	require.NoError(t, os.MkdirAll(filepath.Join(f.root, "fish", "latest"), 0o755))
	r := f.open(func(c *Config[*fakeModel]) { c.Interval = 0 })
	assert.Equal(t, "cats/1=old", f.serving())
	got := index(r)
	assert.Contains(t, got, "cats/1 ready; cats/2 unavailable: the weights are bad; dogs/1 unavailable: the weights are bad")
	assert.Contains(t, got, "birds/1 unavailable: cannot serve")
	assert.Contains(t, got, `"latest" is no version`)
}

func TestOpenFails(t *testing.T) {
	f := newFake(t)
	_, err := f.try(nil)
	require.ErrorContains(t, err, "it has no folders")
	f.write("cats", "1", "bad")
	_, err = f.try(nil)
	require.ErrorContains(t, err, `cannot load model "cats" version 1: the weights are bad`)
	f.write("dogs", "1", "good")
	_, err = f.try(func(c *Config[*fakeModel]) { c.Strict = true })
	require.ErrorContains(t, err, "the weights are bad")
	assert.Zero(t, f.live.Load())
	assert.Empty(t, f.serving())
	f.open(nil)
	assert.Equal(t, "dogs/1=good", f.serving())
}

// A single model folder, and a folder of versions, are repositories too.
func TestSmallerRoots(t *testing.T) {
	f := newFake(t)
	f.write("cats", "7", "x")
	top := f.root
	for _, c := range []struct{ root, want string }{
		{filepath.Join(top, "cats"), "cats/7=x"}, {filepath.Join(top, "cats", "7"), "7/1=x"},
	} {
		r := f.open(func(cfg *Config[*fakeModel]) { cfg.Root = c.root })
		assert.Equal(t, c.want, f.serving())
		f.close(r)
	}
}

// One model can be served under a name that its folder has not: it is loaded, reloaded and unloaded under that name.
func TestNamedModel(t *testing.T) {
	f := newFake(t)
	f.write("models", "7", "x")
	named := func(c *Config[*fakeModel]) {
		c.Root, c.Name, c.Interval = filepath.Join(f.root, "models"), "cats", 0
		c.Policies = map[string]Policy{"cats": {listed: []string{"7"}}}
	}
	r := f.open(named)
	assert.Equal(t, "cats/7=x", f.serving())
	f.write("models", "7", "y")
	f.write("models", "8", "z")
	require.NoError(t, r.Load(t.Context(), "cats", nil))
	assert.Equal(t, "cats/7=y", f.serving())
	require.ErrorIs(t, r.Load(t.Context(), "models", nil), ErrUnknown)
	require.NoError(t, r.Unload(t.Context(), "cats"))
	assert.Empty(t, f.serving())
	f.close(r)

	_, err := f.try(func(c *Config[*fakeModel]) { c.Name = "cats" })
	require.ErrorContains(t, err, "neither a model folder nor has one in a version folder")
}
