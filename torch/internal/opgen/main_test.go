package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestGeneratedFilesAreFresh(t *testing.T) {
	files, err := generateAll("../../operators")
	require.NoError(t, err)
	for name, want := range files {
		got, err := os.ReadFile(filepath.Join("../..", name))
		require.NoError(t, err)
		assert.True(t, string(want) == string(got), "%s is stale: run go generate ./torch", name)
	}
	present, err := filepath.Glob("../../ops_*_gen.go")
	require.NoError(t, err)
	assert.Len(t, present, len(files), "a generated file has no list any more")
}

func TestBadDeclarations(t *testing.T) {
	f := func(declaration, want string) {
		t.Helper()
		dir := t.TempDir()
		require.NoError(t, os.WriteFile(filepath.Join(dir, "x.go"), []byte("package operators\n\n"+declaration), 0o644))
		_, err := generateAll(dir)
		assert.ErrorContains(t, err, want)
	}
	f("func X(a Tensor) Tensor", "X: it has no comment")
	f("// Y does.\n//torch:op aten::x(a)\nfunc X(a Tensor) Tensor", "does not begin with its name")
	f("// X does.\nfunc X(a Tensor) Tensor", "no torch:op")
	f("// X does.\n//torch:op aten::x(a)\nfunc X(a, b Tensor) Tensor", "does not use b")
	f("// X does.\n//torch:op aten::x(a, what)\nfunc X(a Tensor) Tensor", `"what" is neither`)
	f("// X does.\n//torch:op aten::x(a\nfunc X(a Tensor) Tensor", "cannot read the call")
	f("// X does.\n//torch:op aten::x(a)\n//torch:speed\nfunc X(a Tensor) Tensor", "unknown directive")
	f("// X does.\n//torch:op aten::x(a)\nfunc X(a chan int) Tensor", "no way to pass a chan int")
	f("// X does.\n//torch:op aten::x(a)\nfunc X(a Tensor) string", "no way to return")
	f("// X does.\n//torch:op aten::x(a)\n//torch:method\nfunc X(a int64) Tensor", "needs a Tensor")
	f("var x int", "only functions")
}
