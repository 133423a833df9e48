package wandb

import (
	"encoding/json"
	"math"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestJSON(t *testing.T) {
	f := func(v any, want string) {
		t.Helper()
		got, err := encodeJSON(v)
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	f(0.1, "0.1")
	f(1e21, "1e+21")
	f(3.0, "3")
	f(math.NaN(), "NaN")
	f([]any{math.Inf(1), math.Inf(-1), nil, true, 7}, "[Infinity,-Infinity,null,true,7]")
	f(map[string]any{"b": []any{}, "a": map[string]any{`"<`: "é\n"}}, `{"a":{"\"<":"é\n"},"b":[]}`)
	f([]string{"x"}, `["x"]`)
	_, err := encodeJSON(map[string]any{"f": func() {}})
	require.ErrorContains(t, err, "cannot write func()")

	for _, v := range []float64{0, -1.5, 1e-300, math.MaxFloat64, math.Inf(1), math.Inf(-1)} {
		got, ok := parseNumber(jsonNumber(v))
		require.True(t, ok)
		require.Equal(t, v, got)
	}
	for _, s := range []string{"", `"1"`, "{}", "inf", "nan", "+1", "0x", "null"} {
		_, ok := parseNumber(s)
		require.False(t, ok, s)
	}
}

func TestSummary(t *testing.T) {
	f := func(ops, want string, values ...string) {
		t.Helper()
		var a aggregates
		if ops != "" {
			var err error
			a, err = parseAggregates("m", ops)
			require.NoError(t, err)
		}
		s := newSummary(map[string]aggregates{"m": a})
		for _, v := range values {
			s.observe("m", v)
		}
		require.Equal(t, want, object(s.take()))
		require.Empty(t, s.take(), "nothing changed since")
		require.Equal(t, want, object(s.all()))
	}
	f("", `{"m":2}`, "1", "3", "2")
	f("max", `{"m":{"max":3}}`, "1", "3", "2")
	f("min,max,mean,first,last", `{"m":{"min":1,"max":3,"mean":2,"first":1,"last":2}}`, "1", "3", "2")
	f("min", `{"m":{"min":1}}`, "NaN", "1", "NaN")
	f("last,min", `{"m":{"last":NaN,"min":1}}`, "1", "NaN")
	f("min", `{"m":NaN}`, "NaN")
	f("max", `{"m":{"max":Infinity}}`, "1", "Infinity")
	f("none", `{}`, "1")
	f("max", `{"m":{"_type":"histogram"}}`, `{"_type":"histogram"}`)
}

func TestHistogram(t *testing.T) {
	f := func(values []float32, low, high float64, filled map[int]int) {
		t.Helper()
		s, ok := histogram(values)
		require.True(t, ok)
		var h struct {
			Type   string `json:"_type"`
			Values []int
			Bins   []float64
		}
		require.NoError(t, json.Unmarshal([]byte(s), &h))
		require.Equal(t, "histogram", h.Type)
		require.Len(t, h.Bins, 65)
		require.Equal(t, low, h.Bins[0])
		require.Equal(t, high, h.Bins[64])
		want := make([]int, 64)
		for i, n := range filled {
			want[i] = n
		}
		require.Equal(t, want, h.Values)
	}
	inf, nan := float32(math.Inf(1)), float32(math.NaN())
	f([]float32{0, 64}, 0, 64, map[int]int{0: 1, 63: 1})
	f([]float32{0, 1, 1.5, 2, 63, 64}, 0, 64, map[int]int{0: 1, 1: 2, 2: 1, 63: 2})
	f([]float32{5, 5, 5}, 4.5, 5.5, map[int]int{32: 3})
	f([]float32{nan, -32, inf, 32, -inf}, -32, 32, map[int]int{0: 1, 63: 1})
	for _, none := range [][]float32{nil, {nan}, {inf, -inf}} {
		_, ok := histogram(none)
		require.False(t, ok)
	}
}

func TestPictures(t *testing.T) {
	files := t.TempDir()
	one, err := savePicture(files, "val/../worst: cats", 7, picturePNG(t, 1), "a cat")
	require.NoError(t, err)
	require.Equal(t, "media/images/val/worst- cats_7_"+one.sha256[:20]+".png", one.path)
	require.Equal(t, string(picturePNG(t, 1)), read(t, filepath.Join(files, one.path)))
	two, err := savePicture(files, "x", 8, picturePNG(t, 2), "")
	require.NoError(t, err)
	two.path = "two.png"
	require.JSONEq(t, `{"_type":"image-file","format":"png","width":4,"height":3,"path":"two.png","sha256":"`+two.sha256+`","size":`+jsonInt(int64(two.size))+`}`, pictures([]picture{two}))
	one.path = "one.png"
	require.JSONEq(t, `{"_type":"images/separated","format":"png","width":4,"height":3,"count":2,"filenames":["one.png","two.png"],"captions":["a cat",""]}`,
		pictures([]picture{one, two}))
	_, err = savePicture(files, "broken", 1, []byte("GIF89a"), "")
	require.ErrorContains(t, err, `cannot log image "broken"`)

	f := func(key, want string) { t.Helper(); require.Equal(t, want, mediaKey(key)) }
	f("a/b", "a/b")
	f("/etc/passwd", "etc/passwd")
	f("../..", "image")
	f("", "image")
	f("a\\..\\b\x00", "a-..-b-")
}
