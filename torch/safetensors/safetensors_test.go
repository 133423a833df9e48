package safetensors

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// file builds the bytes of a file out of its JSON and its payload.
func file(header, payload string) []byte {
	b := binary.LittleEndian.AppendUint64(nil, uint64(len(header)))
	return append(append(b, header...), payload...)
}

func TestParseRefuses(t *testing.T) {
	raw := func(data []byte, want string) {
		t.Helper()
		_, err := Parse(data)
		if !errors.Is(err, ErrFormat) || !strings.Contains(err.Error(), want) {
			t.Errorf("Parse(%q): got error %v; want ErrFormat with %q", data, err, want)
		}
	}
	raw(nil, "fewer than its length prefix")
	raw([]byte("1234567"), "fewer than its length prefix")
	raw(binary.LittleEndian.AppendUint64(nil, 1), "cut short")
	raw(binary.LittleEndian.AppendUint64(nil, maxHeader+1), "more than the allowed")
	raw(bytes.Repeat([]byte{0xff}, 16), "more than the allowed")
	raw([]byte("version https://git-lfs.github.com/spec/v1\noid sha256:0\n"), "git lfs pull")

	f := func(header, payload, want string) { t.Helper(); raw(file(header, payload), want) }
	f("", "", "does not start with '{'")
	f(" {}", "", "does not start with '{'")
	f("[]", "", "does not start with '{'")
	f("{", "", "EOF")
	f("{}\n", "", "goes on after its end")
	f("{}{}", "", "goes on after its end")
	f("{}\x00", "", "goes on after its end")
	f("{}", "x", "1 bytes follow the last tensor")
	f("{\"a\xff\":1}", "", "not UTF-8")
	f(`{1:2}`, "", "")
	f(`{"a":1}`, "", `"a": 1 where "{" should be`)
	f(`{"a":{}}`, "", `"a": it needs`)
	f(`{"a":{"dtype":"U8","shape":[]}}`, "", "it needs")
	f(`{"a":{"dtype":"U8","shape":[],"data_offsets":[0,1],"x":1}}`, "x", "unknown key")
	f(`{"a":{"dtype":"U8","dtype":"U8","shape":[],"data_offsets":[0,1]}}`, "x", "occurs twice")
	f(`{"a":{"dtype":8,"shape":[],"data_offsets":[0,1]}}`, "x", "where a string should be")
	f(`{"a":{"dtype":"U9","shape":[],"data_offsets":[0,1]}}`, "x", `unknown dtype "U9"`)
	f(`{"a":{"dtype":"U8","shape":7,"data_offsets":[0,1]}}`, "x", "should be")
	f(`{"a":{"dtype":"U8","shape":["1"],"data_offsets":[0,1]}}`, "x", "where a number should be")
	f(`{"a":{"dtype":"U8","shape":[-1],"data_offsets":[0,1]}}`, "x", "-1 is not a whole number")
	f(`{"a":{"dtype":"U8","shape":[1.0],"data_offsets":[0,1]}}`, "x", "1.0 is not a whole number")
	f(`{"a":{"dtype":"U8","shape":[1e0],"data_offsets":[0,1]}}`, "x", "1e0 is not a whole number")
	f(`{"a":{"dtype":"U8","shape":[18446744073709551615],"data_offsets":[0,1]}}`, "x", "is not a whole number")
	f(`{"a":{"dtype":"F32","shape":[4611686018427387904],"data_offsets":[0,0]}}`, "", "overflows")
	f(`{"a":{"dtype":"U8","shape":[4294967296,4294967296],"data_offsets":[0,0]}}`, "", "overflows")
	f(`{"a":{"dtype":"U8","shape":[`+strings.Repeat("1,", 64)+`1],"data_offsets":[0,1]}}`, "x", "more than 64 numbers")
	f(`{"a":{"dtype":"U8","shape":[1],"data_offsets":[1]}}`, "x", "are not a begin and an end")
	f(`{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1,2]}}`, "x", "more than 2 numbers")
	f(`{"a":{"dtype":"U8","shape":[1],"data_offsets":[1,0]}}`, "x", "are not a begin and an end")
	f(`{"a":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}}`, "x", "cut short")
	f(`{"a":{"dtype":"U8","shape":[1],"data_offsets":[9223372036854775806,9223372036854775807]}}`, "x", "cut short")
	f(`{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,3]}}`, "xxx", "takes 4 bytes, but")

	u8 := func(name, offsets string) string {
		return `"` + name + `":{"dtype":"U8","shape":[2],"data_offsets":[` + offsets + `]}`
	}
	f("{"+u8("a", "0,2")+","+u8("a", "2,4")+"}", "wxyz", `the key "a" occurs twice`)
	f("{"+u8("a", "0,2")+","+u8(`\u0061`, "2,4")+"}", "wxyz", `the key "a" occurs twice`)
	f("{"+u8("a", "0,2")+","+u8("b", "1,3")+"}", "xyz", `tensor "b" begins at byte 1 and overlaps`)
	f("{"+u8("a", "0,2")+","+u8("b", "0,2")+"}", "xy", "overlaps")
	f("{"+u8("b", "3,5")+","+u8("a", "0,2")+"}", "vwxyz", "leaves a hole after byte 2")
	f("{"+u8("a", "1,3")+"}", "xyz", "leaves a hole after byte 0")
	f("{"+u8("a", "0,2")+"}", "xyz", "1 bytes follow the last tensor")

	f(`{"__metadata__":1}`, "", "should be")
	f(`{"__metadata__":null}`, "", "should be")
	f(`{"__metadata__":{"a":1}}`, "", `"__metadata__": "a": 1 where a string should be`)
	f(`{"__metadata__":{"a":"1","a":"2"}}`, "", "occurs twice")
	f(`{"__metadata__":{},"__metadata__":{}}`, "", "occurs twice")
}

func TestParseAccepts(t *testing.T) {
	f := func(header, payload string, names ...string) {
		t.Helper()
		got, err := Parse(file(header, payload))
		if err != nil {
			t.Errorf("Parse(%q): %v", header, err)
			return
		}
		require.ElementsMatch(t, names, got.Names())
	}
	f("{}", "")
	f("{}      ", "")
	f("{ \n\t}", "")
	f(`{"__metadata__":{}}`, "")
	f(`{"":{"dtype":"U8","shape":[],"data_offsets":[0,1]}}`, "x", "")
	f(`{"a":{"data_offsets":[0,0],"shape":[9223372036854775807,0],"dtype":"U8"}}`, "", "a")
	// Empty tensors may stand anywhere that is a boundary; order in the JSON is free.
	f(`{"c":{"dtype":"U8","shape":[0],"data_offsets":[1,1]},"b":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},`+
		`"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}}`, "x", "a", "b", "c")
}

func TestNamesFollowTheBytes(t *testing.T) {
	f, err := Parse(file(`{"a":{"dtype":"U8","shape":[1],"data_offsets":[1,2]},"b":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}`, "ba"))
	require.NoError(t, err)
	require.Equal(t, []string{"b", "a"}, f.Names())
	v, ok := f.Tensor("a")
	require.True(t, ok)
	require.Equal(t, View{Name: "a", DType: U8, Shape: []int64{1}, Data: []byte("a")}, v)
	require.Equal(t, 1, cap(v.Data), "appending to a View must not reach its neighbour")
	_, ok = f.Tensor("c")
	require.False(t, ok)
}

func TestOpenErrorsNameThePath(t *testing.T) {
	dir := t.TempDir()
	f := func(path, want string) {
		t.Helper()
		if _, err := Open(path); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), path) {
			t.Errorf("Open(%q): got error %v; want %q and the path", path, err, want)
		}
	}
	f(filepath.Join(dir, "absent"), "no such file")
	f(dir, "not a regular file")
	empty := filepath.Join(dir, "empty")
	require.NoError(t, os.WriteFile(empty, nil, 0o600))
	f(empty, "it has 0 bytes")
}

func TestClose(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.safetensors")
	require.NoError(t, Write(path, []Entry{{Name: "a", DType: U8, Shape: []int64{1}, Data: []byte{7}}}, nil))
	f, err := Open(path)
	require.NoError(t, err)
	require.NoError(t, f.Close())
	require.NoError(t, f.Close(), "closing twice")
	require.PanicsWithValue(t, "BUG: safetensors file used after Close", func() { f.Tensor("a") })
	require.PanicsWithValue(t, "BUG: safetensors file used after Close", func() { f.Names() })
}

// A file that is open must go on showing its own bytes when another one is
// written over its path.
func TestWriteLeavesOpenFilesAlone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.safetensors")
	write := func(b byte) {
		t.Helper()
		require.NoError(t, Write(path, []Entry{{Name: "a", DType: U8, Shape: []int64{1}, Data: []byte{b}}}, nil))
	}
	write(1)
	f, err := Open(path)
	require.NoError(t, err)
	defer f.Close()
	write(2)
	v, _ := f.Tensor("a")
	require.Equal(t, []byte{1}, v.Data)
}

func TestConcurrentReaders(t *testing.T) {
	f, err := Open("testdata/all_dtypes.safetensors")
	require.NoError(t, err)
	defer f.Close()
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for _, name := range f.Names() {
				v, ok := f.Tensor(name)
				if !ok || int64(len(v.Data)) != int64(v.Numel()*v.DType.Size()) {
					t.Errorf("tensor %q is incomplete", name)
				}
			}
		})
	}
	wg.Wait()
}
