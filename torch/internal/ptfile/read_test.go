package ptfile

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func read(t testing.TB, name string) any {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name+".pt"))
	require.NoError(t, err)
	v, err := Read(bytes.NewReader(data), int64(len(data)))
	require.NoError(t, err, name)
	return v
}

// elements collects a tensor's elements in row-major order.
func (t *Tensor) elements(tb testing.TB) []byte {
	tb.Helper()
	data, err := t.Storage.Read()
	require.NoError(tb, err)
	size, err := t.DType.size()
	require.NoError(tb, err)
	var out []byte
	var walk func(dim int, at int64)
	walk = func(dim int, at int64) {
		if dim == len(t.Sizes) {
			out = append(out, data[at*size:(at+1)*size]...)
			return
		}
		for i := range t.Sizes[dim] {
			walk(dim+1, at+i*t.Strides[dim])
		}
	}
	walk(0, t.Offset)
	return out
}

type wanted struct {
	DType        string
	Shape        []int64
	RequiresGrad bool `json:"requires_grad"`
	Bytes        string
}

// golden returns the tensors of each file, as PyTorch printed them.
func golden(t testing.TB) (want map[string]map[string]wanted) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", "want.json"))
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(data, &want))
	return want
}

func compare(t *testing.T, where string, want wanted, got *Tensor) {
	t.Helper()
	name, _ := got.DType.names()
	assert.Equal(t, want.DType, name, where)
	assert.Equal(t, want.Shape, got.Sizes, where)
	assert.Equal(t, want.RequiresGrad, got.RequiresGrad, where)
	assert.Equal(t, want.Bytes, hex.EncodeToString(got.elements(t)), where)
}

func TestReadWhatPyTorchWrote(t *testing.T) {
	for name, tensors := range golden(t) {
		v := read(t, name)
		for key, want := range tensors {
			tensor, ok := v.(*Tensor)
			if d, isDict := v.(*Dict); isDict {
				tensor, ok = d.Get(key).(*Tensor)
			}
			require.True(t, ok, "%s %s", name, key)
			compare(t, name+" "+key, want, tensor)
		}
	}
}

func TestSharedStorage(t *testing.T) {
	d := read(t, "shared").(*Dict)
	all, even := d.Get("all").(*Tensor), d.Get("even").(*Tensor)
	assert.Same(t, all.Storage, even.Storage)
	assert.Equal(t, "cpu", all.Storage.Location)
}

func TestCheckpoint(t *testing.T) {
	d := read(t, "checkpoint").(*Dict)
	assert.Equal(t, int64(3), d.Get("epoch"))
	assert.Equal(t, -0.5, d.Get("best"))
	assert.Equal(t, int64(1)<<40, d.Get("big"))
	assert.Equal(t, false, d.Get("done"))
	assert.Nil(t, d.Get("none"))
	assert.Equal(t, &List{Items: []any{"a", "b"}}, d.Get("names"))
	assert.Equal(t, Tuple{int64(2), int64(3)}, d.Get("size"))
	assert.IsType(t, &Tensor{}, d.Get("model").(*Dict).Get("w"))
}

func TestRefused(t *testing.T) {
	f := func(name, sentence string) {
		t.Helper()
		data, err := os.ReadFile(filepath.Join("testdata", "refused_"+name+".pt"))
		require.NoError(t, err)
		_, err = Read(bytes.NewReader(data), int64(len(data)))
		assert.ErrorContains(t, err, sentence)
	}
	f("module", "only Python can make")
	f("conj", "resolve_conj")
	f("sparse", "_get_layout")
	f("quantized", "QInt8Storage")
	f("script", "TorchScript")
}

func TestTruncated(t *testing.T) {
	for _, name := range []string{"state_dict.pt", "legacy_state_dict.pt"} {
		data, err := os.ReadFile(filepath.Join("testdata", name))
		require.NoError(t, err)
		for n := range len(data) {
			_, err := Read(bytes.NewReader(data[:n]), int64(n))
			require.Error(t, err)
		}
	}
}

// A pickled module, which Read refuses, is described by ReadCheckpoint.
func TestReadCheckpoint(t *testing.T) {
	data, err := os.ReadFile(filepath.Join("testdata", "refused_module.pt"))
	require.NoError(t, err)
	v, err := ReadCheckpoint(bytes.NewReader(data), int64(len(data)))
	require.NoError(t, err)
	module := v.(*Object)
	assert.Equal(t, "torch.nn.modules.container.Sequential", module.Class.String())
	assert.Equal(t, "a torch.nn.modules.container.Sequential", Describe(module))
	linear := module.State.(*Dict).Get("_modules").(*Dict).Get("0").(*Object)
	weight := linear.State.(*Dict).Get("_parameters").(*Dict).Get("weight").(*Tensor)
	assert.Equal(t, []int64{2, 3}, weight.Sizes)
	assert.True(t, weight.RequiresGrad)
}

func TestLegacyRefusals(t *testing.T) {
	whole, err := os.ReadFile(filepath.Join("testdata", "legacy_state_dict.pt"))
	require.NoError(t, err)
	f := func(sentence, old, new string) {
		t.Helper()
		require.Equal(t, 1, bytes.Count(whole, []byte(old)))
		data := bytes.Replace(whole, []byte(old), []byte(new), 1)
		_, err = Read(bytes.NewReader(data), int64(len(data)))
		assert.ErrorContains(t, err, sentence)
	}
	f("big-endian", "little_endianq\x02\x88", "little_endianq\x02\x89")
	f("has 7 elements, not 6", "\x06\x00\x00\x00\x00\x00\x00\x00", "\x07\x00\x00\x00\x00\x00\x00\x00")
}

func TestDamaged(t *testing.T) {
	data, err := os.ReadFile(filepath.Join("testdata", "float32.pt"))
	require.NoError(t, err)
	storage := bytes.Index(data, []byte{0, 0, 0xc0, 0x3f}) // 1.5
	require.Positive(t, storage)
	data[storage] ^= 1
	v, err := Read(bytes.NewReader(data), int64(len(data)))
	require.NoError(t, err)
	_, err = v.(*Tensor).Storage.Read()
	assert.ErrorContains(t, err, "checksum")
}

// An archive that unpacks to more than it has is refused before memory is spent on it.
func TestZipBombs(t *testing.T) {
	f := func(want string, method uint16, size int, claimed uint64) {
		t.Helper()
		var b bytes.Buffer
		z := zip.NewWriter(&b)
		w, err := z.CreateHeader(&zip.FileHeader{Name: "archive/data.pkl", Method: method})
		require.NoError(t, err)
		_, err = w.Write(make([]byte, size))
		require.NoError(t, err)
		require.NoError(t, z.Close())
		data := b.Bytes()
		if claimed > 0 { // in the central directory: uncompressed size
			at := bytes.LastIndex(data, []byte("PK\x01\x02"))
			binary.LittleEndian.PutUint32(data[at+24:], uint32(claimed))
		}
		_, err = Read(bytes.NewReader(data), int64(len(data)))
		assert.ErrorContains(t, err, want)
	}
	f("is longer than the file", zip.Deflate, 16<<20, 0)
	f("is compressed", zip.Deflate, 10, 0)
	f("is longer than the file", zip.Store, 10, 30<<20)
	f("more than 33554432 describe no tensors", zip.Store, 10, 1<<30)
}

func FuzzRead(f *testing.F) {
	names, _ := filepath.Glob(filepath.Join("testdata", "*.pt"))
	for _, name := range names {
		data, err := os.ReadFile(name)
		require.NoError(f, err)
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		v, err := ReadCheckpoint(bytes.NewReader(data), int64(len(data)))
		if err != nil {
			_, strict := Read(bytes.NewReader(data), int64(len(data)))
			require.Error(t, strict)
			return
		}
		if tensor, ok := v.(*Tensor); ok {
			_, _ = tensor.Storage.Read()
		}
	})
}
