package safetensors

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestEncodeRefuses(t *testing.T) {
	f := func(want string, metadata map[string]string, tensors ...Entry) {
		t.Helper()
		err := Encode(io.Discard, tensors, metadata)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got error %v; want %q", err, want)
		}
	}
	ok := Entry{Name: "a", DType: U8, Shape: []int64{1}, Data: []byte{0}}
	with := func(change func(*Entry)) Entry { e := ok; change(&e); return e }
	f(`tensor "a" occurs twice`, nil, ok, ok)
	f("occurs twice", nil, ok, with(func(e *Entry) { e.DType = I8 }))
	f("reserved", nil, with(func(e *Entry) { e.Name = "__metadata__" }))
	f("not UTF-8", nil, with(func(e *Entry) { e.Name = "\xff" }))
	f("unknown dtype", nil, with(func(e *Entry) { e.DType = "U9" }))
	f("unknown dtype", nil, with(func(e *Entry) { e.DType = "" }))
	f("negative", nil, with(func(e *Entry) { e.Shape = []int64{-1} }))
	f("takes 2 bytes, but there are 1", nil, with(func(e *Entry) { e.Shape = []int64{2} }))
	f("dimensions", nil, with(func(e *Entry) { e.Shape = slices.Repeat([]int64{1}, 65) }))
	f("not UTF-8", map[string]string{"a": "\xff"})
	f("more than the allowed", map[string]string{"a": strings.Repeat("x", maxHeader)})
}

func TestEncodeIsDeterministicAndAligned(t *testing.T) {
	tensors := []Entry{
		{Name: "b", DType: U8, Shape: []int64{3}, Data: []byte{1, 2, 3}},
		{Name: "z", DType: F64, Shape: nil, Data: make([]byte, 8)},
		{Name: "a", DType: F16, Shape: []int64{1}, Data: make([]byte, 2)},
		{Name: "a/b", DType: F32, Shape: []int64{1, 1}, Data: make([]byte, 4)},
	}
	metadata := map[string]string{"b": "2", "a": "1", "c": "\"\n"}
	encode := func() []byte {
		var b bytes.Buffer
		require.NoError(t, Encode(&b, tensors, metadata))
		return b.Bytes()
	}
	first := encode()
	slices.Reverse(tensors)
	require.Equal(t, first, encode(), "the order of the input must not show")

	f, err := Parse(first)
	require.NoError(t, err)
	require.Equal(t, []string{"z", "a/b", "a", "b"}, f.Names())
	require.Equal(t, metadata, f.Metadata())
	require.Zero(t, (len(first)-8-4-2-3)%8, "the payload must start at a multiple of eight")
}

func TestWriteKeepsTheOldFileOnFailure(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a.safetensors")
	require.NoError(t, os.WriteFile(path, []byte("old"), 0o600))
	err := Write(path, []Entry{{Name: "a", DType: "?"}}, nil)
	require.ErrorContains(t, err, path)

	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, left, 1, "no temporary file may stay")
	old, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, "old", string(old))

	require.ErrorContains(t, Write(filepath.Join(dir, "absent", "a"), nil, nil), "no such file")
}

func TestWriteIntoTheWorkingDirectory(t *testing.T) {
	t.Chdir(t.TempDir())
	require.NoError(t, Write("a.safetensors", nil, nil))
	f, err := Open("a.safetensors")
	require.NoError(t, err)
	require.Empty(t, f.Names())
	require.NoError(t, f.Close())
}
