package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestTable(t *testing.T) {
	got, err := table([]byte(`# What the file is for.

image:
  # -- where it is
  repository: "a"
# -- more, such as ` + "`<x> | y`" + `
list:
  - b: 1
    c: <d>
resources:
  limits:
    # -- threads
    cpu: "2"
    memory: 2Gi
# -- all of it is one value
whole:
  x: {}
`))
	require.NoError(t, err)
	assert.Equal(t, `
| value | default | |
| --- | --- | --- |
`+"| `image.repository` | `\"a\"` | where it is |\n"+
		"| `list` | `[{\"b\":1,\"c\":\"<d>\"}]` | more, such as `<x> \\| y` |\n"+
		"| `resources.limits.cpu` | `\"2\"` | threads |\n"+
		"| `resources.limits.memory` | `2Gi` |  |\n"+
		"| `whole` | `{\"x\":{}}` | all of it is one value |\n\n", got)

	_, err = table([]byte("a:\n  b: 1\n"))
	require.ErrorContains(t, err, `line 2: a.b has no comment that begins with "# -- "`)
	_, err = table([]byte("a: ["))
	require.Error(t, err)
}

func TestRun(t *testing.T) {
	dir := t.TempDir()
	values, readme := filepath.Join(dir, "values.yaml"), filepath.Join(dir, "README.md")
	require.NoError(t, os.WriteFile(values, []byte("# -- b\na: 1\n"), 0o600))
	require.NoError(t, os.WriteFile(readme, []byte("before\n"), 0o600))
	require.ErrorContains(t, run(values, readme), "cannot find the place")
	require.NoError(t, os.WriteFile(readme, []byte("before\n"+begin+"old\n"+end+"after\n"), 0o600))
	for range 2 { // the second time changes nothing
		require.NoError(t, run(values, readme))
		page, err := os.ReadFile(readme)
		require.NoError(t, err)
		assert.Equal(t, "before\n"+begin+"\n| value | default | |\n| --- | --- | --- |\n| `a` | `1` | b |\n\n"+end+"after\n", string(page))
	}
}
