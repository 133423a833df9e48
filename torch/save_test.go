package torch_test

import (
	"bytes"
	"encoding/gob"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/torchlit/torchlit/torch"
)

// goldens are files of torch.save, with what is in them: see the golden.py there.
const goldens = "internal/ptfile/testdata"

func TestLoadWhatPyTorchSaved(t *testing.T) {
	data, err := os.ReadFile(filepath.Join(goldens, "want.json"))
	require.NoError(t, err)
	var want map[string]map[string]struct {
		Shape        []int64
		RequiresGrad bool `json:"requires_grad"`
		Bytes        string
	}
	require.NoError(t, json.Unmarshal(data, &want))
	for name, tensors := range want {
		inScope(t, func() {
			path := filepath.Join(goldens, name+".pt")
			got := map[string]torch.Tensor{}
			if _, single := tensors[""]; single {
				got[""] = torch.Load(path)
			} else {
				got = torch.LoadDict(path)
			}
			require.Len(t, got, len(tensors), name)
			for key, w := range tensors {
				assert.Equal(t, w.Shape, got[key].Shape(), name+key)
				assert.Equal(t, w.RequiresGrad, got[key].RequiresGrad(), name+key)
				assert.Equal(t, w.Bytes, hex.EncodeToString(got[key].Bytes()), name+key)
			}
		})
	}
}

func TestLoadKeepsStridesAndSharing(t *testing.T) {
	inScope(t, func() {
		assert.Equal(t, []int64{1, 8, 12}, torch.Load(filepath.Join(goldens, "strided.pt")).Strides())
		d := torch.LoadDict(filepath.Join(goldens, "shared.pt"))
		d["all"].Write(make([]byte, 48))
		assert.Equal(t, []int64{0, 0, 0}, torch.Slice[int64](d["even"]))
	})
}

// samples are tensors of the kinds that a file must keep.
func samples() map[string]torch.Tensor {
	w := torch.FromSlice([]float32{1, 2}, 2)
	w.SetRequiresGrad(true)
	ramp := torch.FromSlice([]float32{0, 1, 2, 3, 4, 5}, 2, 3)
	all := map[string]torch.Tensor{
		"":                     torch.FromSlice([]float64{2.5}),
		"empty":                torch.Zeros([]int64{0, 3}, false),
		"grad":                 w,
		"transposed":           torch.Transpose(ramp, 0, 1),
		"long":                 torch.FromSlice([]int64{-1, 1 << 40}, 2),
		"bool":                 torch.FromBytes([]byte{0, 1, 1}, torch.Bool, 3),
		"name with a \" and ü": ramp,
	}
	for name, dtype := range map[string]int8{"half": torch.Half, "bfloat16": torch.BFloat16, "byte": torch.Byte} {
		all[name] = ramp.CastTo(dtype)
	}
	return all
}

func same(t *testing.T, want, got torch.Tensor, where string) {
	t.Helper()
	assert.Equal(t, want.Dtype(), got.Dtype(), where)
	assert.Equal(t, want.Shape(), got.Shape(), where)
	assert.Equal(t, want.Bytes(), got.Bytes(), where)
}

func TestSaveAndLoad(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.pt")
	inScope(t, func() {
		for name, want := range samples() {
			want.Save(path)
			got := torch.Load(path)
			same(t, want, got, name)
			assert.Equal(t, want.RequiresGrad(), got.RequiresGrad(), name)
			same(t, want, torch.Load(path, torch.NewDevice("cpu")), name)
		}
		want := samples()
		torch.SaveDict(want, path)
		got := torch.LoadDict(path)
		require.Len(t, got, len(want))
		for name := range want {
			same(t, want[name], got[name], name)
		}
	})
}

func TestSaveDictSharesWhatIsTheSame(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.pt")
	inScope(t, func() {
		w := torch.Ones([]int64{3}, false)
		torch.SaveDict(map[string]torch.Tensor{"a": w, "b": w}, path)
		d := torch.LoadDict(path)
		d["a"].Write(make([]byte, 12))
		assert.Equal(t, []float32{0, 0, 0}, torch.Slice[float32](d["b"]))
	})
}

func TestFilesThatAreRefused(t *testing.T) {
	dir := t.TempDir()
	inScope(t, func() {
		_, err := torch.TryLoad(filepath.Join(dir, "absent"))
		assert.ErrorIs(t, err, fs.ErrNotExist)
		assert.Contains(t, refusal(t, func() { torch.Load(filepath.Join(dir, "absent")) }).Text, "no such file")

		f := func(name, sentence string) {
			t.Helper()
			_, err := torch.TryLoadDict(filepath.Join(goldens, name))
			assert.ErrorContains(t, err, sentence)
		}
		f("float32.pt", "a tensor, not a dictionary")
		f("checkpoint.pt", `"model" is a dictionary, not a tensor`)
		f("refused_module.pt", "state dict")
		f("golden.py", "not a file of torch.save")
		_, err = torch.TryLoad(filepath.Join(goldens, "shared.pt"))
		assert.ErrorContains(t, err, "LoadDict")

		whole, err := os.ReadFile(filepath.Join(goldens, "shared.pt"))
		require.NoError(t, err)
		cut := filepath.Join(dir, "cut.pt")
		for n := 0; n < len(whole); n += 97 {
			require.NoError(t, os.WriteFile(cut, whole[:n], 0o600))
			_, err := torch.TryLoadDict(cut)
			assert.Error(t, err)
		}
	})
}

func TestSavingThatFails(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a.pt")
	inScope(t, func() {
		x := torch.Ones([]int64{1}, false)
		require.NoError(t, torch.TrySave(x, path))
		x.Close()
		assert.Error(t, torch.TrySave(x, path))
		assert.Error(t, torch.TrySave(torch.Tensor{}, path))
		assert.Error(t, torch.TrySaveDict(map[string]torch.Tensor{"x": x}, path))
		refusal(t, func() { x.Save(path) })
		refusal(t, func() { torch.Ones([]int64{1}, false).Save(filepath.Join(dir, "absent", "a.pt")) })
		assert.Equal(t, []float32{1}, torch.Slice[float32](torch.Load(path)), "the old file stays")
		files, err := os.ReadDir(dir)
		require.NoError(t, err)
		assert.Len(t, files, 1)
	})
}

func TestGob(t *testing.T) {
	inScope(t, func() {
		want := samples()
		var b bytes.Buffer
		require.NoError(t, gob.NewEncoder(&b).Encode(want))
		var got map[string]torch.Tensor
		require.NoError(t, gob.NewDecoder(&b).Decode(&got))
		require.Len(t, got, len(want))
		for name := range want {
			same(t, want[name], got[name], name)
		}

		_, err := torch.Tensor{}.GobEncode()
		assert.Error(t, err)
		var x torch.Tensor
		assert.Error(t, x.GobDecode(nil))
		assert.Error(t, x.GobDecode([]byte("no zip archive")))
		assert.Nil(t, x.T)
	})
}

func TestSafetensors(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.safetensors")
	inScope(t, func() {
		want := samples()
		torch.SaveSafetensors(want, path, map[string]string{"made by": "a test"})
		got := torch.LoadSafetensors(path, torch.NewDevice("cpu"))
		require.Len(t, got, len(want))
		for name := range want {
			same(t, want[name], got[name], name)
		}

		complex := torch.FromBytes(make([]byte, 8), torch.ComplexFloat, 1)
		assert.ErrorContains(t, torch.TrySaveSafetensors(map[string]torch.Tensor{"c": complex}, path, nil), `"c"`)
		assert.Error(t, torch.TrySaveSafetensors(map[string]torch.Tensor{"": {}}, path, nil))
		_, err := torch.TryLoadSafetensors(filepath.Join(goldens, "float32.pt"))
		assert.Error(t, err)
		refusal(t, func() { torch.LoadSafetensors("absent") })
	})
}

func TestItem(t *testing.T) {
	inScope(t, func() {
		f := func(want any, x torch.Tensor) {
			t.Helper()
			assert.Equal(t, want, x.Item())
		}
		f(uint8(200), torch.FromSlice([]uint8{200}, 1, 1))
		f(int8(-2), torch.FromSlice([]int8{-2}))
		f(int16(-2), torch.FromSlice([]int16{-2}))
		f(int32(-2), torch.FromSlice([]int32{-2}))
		f(int64(-2), torch.FromSlice([]int64{-2}))
		f(float32(2.5), torch.FromSlice([]float32{2.5}))
		f(2.5, torch.FromSlice([]float64{2.5}))
		f(true, torch.FromBytes([]byte{1}, torch.Bool))
		f(float32(2.5), torch.FromSlice([]float32{2.5}).CastTo(torch.Half))
		f(float32(2.5), torch.FromSlice([]float32{2.5}).CastTo(torch.BFloat16))
		f(complex64(2.5), torch.FromSlice([]float32{2.5}).CastTo(torch.ComplexFloat))
		f(complex128(2.5), torch.FromSlice([]float32{2.5}).CastTo(torch.ComplexDouble))
		assert.Contains(t, refusal(t, func() { torch.Zeros([]int64{2}, false).Item() }).Text, "2 elements")
		refusal(t, func() { torch.Tensor{}.Item() })
	})
}

func ExampleSaveDict() {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "weights.pt") // torch.load(path) reads it in Python
	torch.SaveDict(map[string]torch.Tensor{"weight": torch.Ones([]int64{2, 2}, false)}, path)
	fmt.Println(torch.LoadDict(path)["weight"])
	// Output:
	// tensor([[1., 1.],
	//         [1., 1.]])
}
