package main

import (
	"archive/tar"
	"io"
	"log"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/torchlit/torchlit/torch/tool/tgz"
)

func TestMain(m *testing.M) {
	log.SetOutput(io.Discard)
	goleak.VerifyTestMain(m)
}

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

func TestDivide(t *testing.T) {
	dir := t.TempDir()
	in := pack(t, filepath.Join(dir, "all.tar.gz"), "a/dog/1.png", "a/0/1.png", "b/dog/2.png", "dog/1.png")
	out := t.TempDir()
	require.NoError(t, divide(in, out))
	assert.Equal(t, []string{"a/dog/1.png", "b/dog/2.png", "dog/1.png"}, unpack(t, filepath.Join(out, "dog.tar.gz")))
	assert.Equal(t, []string{"a/0/1.png"}, unpack(t, filepath.Join(out, "0.tar.gz")))
	parts, err := os.ReadDir(out)
	require.NoError(t, err)
	assert.Len(t, parts, 2)
}

func TestDivideLeavesFoldersOut(t *testing.T) {
	in, err := tgz.SynthesizeTarball(t.TempDir())
	require.NoError(t, err)
	out := t.TempDir()
	require.NoError(t, divide(in, out))
	f := func(class string, want int) {
		t.Helper()
		headers, err := tgz.ListFile(filepath.Join(out, class+".tar.gz"))
		require.NoError(t, err)
		assert.Len(t, headers, want)
	}
	f("0", 3)
	f("1", 2)
}

func TestDivideRefuses(t *testing.T) {
	dir := t.TempDir()
	f := func(in, out, want string) {
		t.Helper()
		assert.ErrorContains(t, divide(in, out), want)
	}
	archive := func(fn string, names ...string) string { return pack(t, filepath.Join(dir, fn), names...) }
	f(filepath.Join(dir, "none.tar.gz"), dir, "none.tar.gz")
	f(archive("a.tar.gz", "0/1.png"), filepath.Join(dir, "none"), "cannot create archive")
	f(archive("top.tar.gz", "1.png"), dir, "no folder")
	f(archive("root.tar.gz", "/1.png"), dir, "no folder")
	f(archive("up.tar.gz", "../1.png"), dir, "no folder")

	own := archive("0.tar.gz", "0/1.png")
	f(own, dir, "overwrite the input")
	assert.Equal(t, []string{"0/1.png"}, unpack(t, own))

	whole, err := os.ReadFile(own)
	require.NoError(t, err)
	cut := filepath.Join(dir, "cut.tar.gz")
	require.NoError(t, os.WriteFile(cut, whole[:len(whole)-9], 0o600))
	f(cut, t.TempDir(), "unexpected EOF")
}
