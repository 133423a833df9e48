package main

import (
	"archive/tar"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/torchlit/torchlit/torch/tool/tgz"
)

// pack writes an archive whose files hold their own names.
func pack(t *testing.T, fn string, names ...string) string {
	t.Helper()
	w, err := tgz.CreateFile(fn)
	require.NoError(t, err)
	for _, name := range names {
		require.NoError(t, w.WriteHeader(&tar.Header{Name: name, Mode: 0o600, Size: int64(len(name))}))
		_, err := io.WriteString(w, name)
		require.NoError(t, err)
	}
	require.NoError(t, w.Close())
	return fn
}

// unpack returns the names in an archive made by pack, and checks the contents.
func unpack(t *testing.T, fn string) (names []string) {
	t.Helper()
	r, err := tgz.OpenFile(fn)
	require.NoError(t, err)
	defer r.Close()
	for header, err := r.Next(); err != io.EOF; header, err = r.Next() {
		require.NoError(t, err)
		content, err := io.ReadAll(r)
		require.NoError(t, err)
		assert.Equal(t, header.Name, string(content))
		names = append(names, header.Name)
	}
	return names
}

func TestMerge(t *testing.T) {
	dir := t.TempDir()
	in := []string{
		pack(t, filepath.Join(dir, "0.tar.gz"), "0/a", "0/b", "0/c"),
		pack(t, filepath.Join(dir, "1.tar.gz")),
		pack(t, filepath.Join(dir, "2.tar.gz"), "2/a"),
		pack(t, filepath.Join(dir, "3.tar.gz"), "3/a", "3/b"),
	}
	out := filepath.Join(dir, "merged.tar.gz")
	require.NoError(t, mergeFiles(in, out))
	assert.Equal(t, []string{"0/a", "2/a", "3/a", "0/b", "3/b", "0/c"}, unpack(t, out))
}

func TestMergeKeepsFolders(t *testing.T) {
	in, err := tgz.SynthesizeTarball(t.TempDir())
	require.NoError(t, err)
	out := filepath.Join(t.TempDir(), "merged.tar.gz")
	require.NoError(t, mergeFiles([]string{in, in}, out))
	r, err := tgz.OpenFile(out)
	require.NoError(t, err)
	defer r.Close()
	for range 11 {
		a, err := r.Next()
		require.NoError(t, err)
		b, err := r.Next()
		require.NoError(t, err)
		assert.Equal(t, a.Name, b.Name)
	}
	_, err = r.Next()
	assert.Equal(t, io.EOF, err)
}

func TestMergeRefuses(t *testing.T) {
	dir := t.TempDir()
	f := func(in []string, out, want string) {
		t.Helper()
		assert.ErrorContains(t, mergeFiles(in, out), want)
	}
	good := pack(t, filepath.Join(dir, "0.tar.gz"), "0/a")
	none := filepath.Join(dir, "none.tar.gz")
	out := filepath.Join(dir, "merged.tar.gz")
	f([]string{good, none}, out, "none.tar.gz")
	f([]string{good}, filepath.Join(none, "out.tar.gz"), "cannot create archive")
	f([]string{good}, good, "into itself")
	assert.Equal(t, []string{"0/a"}, unpack(t, good))

	whole, err := os.ReadFile(good)
	require.NoError(t, err)
	cut := filepath.Join(dir, "cut.tar.gz")
	require.NoError(t, os.WriteFile(cut, whole[:len(whole)-9], 0o600))
	f([]string{good, cut}, out, "cut.tar.gz")
}
