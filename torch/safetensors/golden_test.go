package safetensors

import (
	"encoding/hex"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// readGolden is the reference implementation's description of all_dtypes.
func readGolden(t *testing.T) map[string]View {
	t.Helper()
	data, err := os.ReadFile("testdata/all_dtypes.json")
	require.NoError(t, err)
	var list map[string]struct {
		DType DType
		Shape []int64
		Hex   string
	}
	require.NoError(t, json.Unmarshal(data, &list))
	views := map[string]View{}
	for name, e := range list {
		raw, err := hex.DecodeString(e.Hex)
		require.NoError(t, err)
		views[name] = View{Name: name, DType: e.DType, Shape: e.Shape, Data: raw}
	}
	return views
}

// TestGoldens reads what the reference implementation wrote, and writes the same
// bytes.
func TestGoldens(t *testing.T) { writeGoldens(t, t.TempDir()) }

func writeGoldens(t *testing.T, dir string) {
	t.Helper()
	want := readGolden(t)
	require.Len(t, want, len(writeOrder)+3, "every dtype must be in the golden file")

	f, err := Open("testdata/all_dtypes.safetensors")
	require.NoError(t, err)
	defer f.Close()
	require.Equal(t, map[string]string{"format": "pt"}, f.Metadata())
	require.Len(t, f.Names(), len(want))
	var entries []Entry
	for name, w := range want {
		got, ok := f.Tensor(name)
		require.True(t, ok, name)
		require.Equal(t, w, got)
		entries = append(entries, w)
	}

	path := filepath.Join(dir, "all_dtypes.safetensors")
	require.NoError(t, Write(path, entries, f.Metadata()))
	require.Equal(t, mustRead(t, "testdata/all_dtypes.safetensors"), mustRead(t, path), "same tensors, same bytes")
	narrowFloats(t, dir)
}

// narrowFloats narrows the golden float32 values and compares with NumPy's
// and ml_dtypes' narrowing of them.
func narrowFloats(t *testing.T, dir string) {
	f, err := Open("testdata/floats.safetensors")
	require.NoError(t, err)
	defer f.Close()
	load := func(name string) (View, []float32) {
		v, ok := f.Tensor(name)
		require.True(t, ok, name)
		values, err := Float32(v)
		require.NoError(t, err)
		return v, values
	}
	same := func(got View, golden string) Entry {
		t.Helper()
		got.Name = golden
		a, err := Float32(got)
		require.NoError(t, err)
		_, b := load(golden)
		require.Len(t, a, len(b))
		for i := range a {
			bothNaN := a[i] != a[i] && b[i] != b[i]
			if !bothNaN && math.Float32bits(a[i]) != math.Float32bits(b[i]) {
				t.Errorf("%s[%d]: got %g; want %g", golden, i, a[i], b[i])
			}
		}
		return got
	}
	narrow := func(from string, dtype DType, golden string) Entry {
		t.Helper()
		v, values := load(from)
		got, err := FromFloat32(golden, dtype, v.Shape, values)
		require.NoError(t, err)
		return same(got, golden)
	}
	require.NoError(t, Write(filepath.Join(dir, "floats.safetensors"), []Entry{
		narrow("x", F16, "x.f16"),
		narrow("x", BF16, "x.bf16"),
		narrow("y", F32, "y.f32"),
	}, nil))
}

func mustRead(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	return data
}
