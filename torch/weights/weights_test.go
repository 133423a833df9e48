package weights

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/torchlit/torchlit/torch/safetensors"
)

func mustOpen(t *testing.T, name string) *File {
	t.Helper()
	f, err := Open(filepath.Join("testdata", name))
	require.NoError(t, err)
	t.Cleanup(func() { f.Close() })
	return f
}

const anchor = "layer1.0.conv1.weight"

// TestFilesOfOthers reads what PyTorch, Lightning and safetensors wrote; see
// testdata/golden.py.
func TestFilesOfOthers(t *testing.T) {
	data, err := os.ReadFile("testdata/want.json")
	require.NoError(t, err)
	var want map[string]struct {
		Section, Prefix string
		Tensors         map[string]struct {
			DType  string
			Shape  []int64
			Values []float32
		}
	}
	require.NoError(t, json.Unmarshal(data, &want))
	for name, w := range want {
		t.Run(name, func(t *testing.T) {
			f := mustOpen(t, name)
			require.NoError(t, f.Descend(anchor))
			assert.Equal(t, w.Section, f.Section())
			assert.Equal(t, w.Prefix, f.Prefix())
			assert.Equal(t, filepath.Join("testdata", name), f.Path())
			names := f.Names()
			for tensor, want := range w.Tensors {
				assert.Contains(t, names, tensor)
				v, err := f.Tensor(tensor)
				require.NoError(t, err)
				assert.Equal(t, tensor, v.Name)
				assert.ElementsMatch(t, want.Shape, v.Shape)
				if strings.HasSuffix(tensor, "num_batches_tracked") {
					assert.Equal(t, safetensors.I64, v.DType)
					continue
				}
				got, err := safetensors.Float32(v)
				require.NoError(t, err)
				assert.Equal(t, want.Values, got, tensor)
			}
			assert.Len(t, names, len(w.Tensors))
		})
	}
}

func TestDescend(t *testing.T) {
	two := mustOpen(t, "two.ckpt")
	err := two.Descend(anchor)
	assert.ErrorContains(t, err, `among the networks ["student." "teacher."]`)
	assert.Empty(t, two.Prefix())

	f := mustOpen(t, "lightning.ckpt")
	assert.Contains(t, f.Names(), "criterion.weight")
	require.NoError(t, f.Descend("no.such.tensor"))
	assert.Empty(t, f.Prefix())
	require.NoError(t, f.Descend("fc.weight"))
	assert.Equal(t, "model.", f.Prefix())
	assert.Error(t, func() error { _, err := f.Tensor("nothing"); return err }())

	choose := func(names ...string) (string, error) {
		f := &File{names: names}
		err := f.Descend("a")
		return f.prefix, err
	}
	for _, c := range []struct {
		want  string
		names []string
	}{
		{"", []string{"model.a", "a"}},
		{"", []string{"xa", "model_a"}},
		{"ema_model.", []string{"online.a", "ema_model.a"}},
		{"_orig_mod.module.", []string{"_orig_mod.module.a", "b"}},
	} {
		got, err := choose(c.names...)
		assert.NoError(t, err)
		assert.Equal(t, c.want, got)
	}
}

func TestOpenRefuses(t *testing.T) {
	dir := t.TempDir()
	f := func(content, want string) {
		t.Helper()
		path := filepath.Join(dir, "weights")
		require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
		_, err := Open(path)
		assert.ErrorContains(t, err, want)
		assert.ErrorContains(t, err, path)
	}
	f("", "it is empty")
	f("version https://git-lfs.github.com/spec/v1\n", "git lfs pull")
	f("<!doctype html>", "web page")
	f("\x80\x04N.", "plain pickle")
	f("nothing of the kind", "not a file of torch.save")
	f("\x02\x00\x00\x00\x00\x00\x00\x00{}x", "not a sound safetensors file")
	_, err := Open(filepath.Join(dir, "absent"))
	assert.ErrorIs(t, err, os.ErrNotExist)
	assert.Equal(t, 1, strings.Count(err.Error(), "absent"))
	_, err = Open(dir)
	assert.ErrorContains(t, err, "not a regular file")

	g := func(name, want string) {
		t.Helper()
		_, err := Open(filepath.Join("testdata", name))
		assert.ErrorContains(t, err, want)
	}
	g("attack_system.bin", "would call posix.system when Python opens it")
	g("attack_eval.bin", "would call __builtin__.eval when Python opens it")
	g("bomb_expanded.bin", "it is expanded to shape [1099511627776]")
	g("bomb_shared.bin", "many times the bytes of the file")
	checkpoint := filepath.Join("..", "internal", "ptfile", "testdata")
	_, err = Open(filepath.Join(checkpoint, "scalar.pt"))
	assert.ErrorContains(t, err, "it holds a tensor, and no state dict")
	file, err := Open(filepath.Join(checkpoint, "checkpoint.pt"))
	require.NoError(t, err)
	defer file.Close()
	assert.Equal(t, []string{"w"}, file.Names())
}

func TestNamesBelongToTheCaller(t *testing.T) {
	f := mustOpen(t, "plain.safetensors")
	slices.Reverse(f.Names())
	assert.Equal(t, f.Names(), mustOpen(t, "plain.safetensors").Names())
}

func FuzzOpen(f *testing.F) {
	names, _ := filepath.Glob("testdata/*.*")
	for _, name := range names {
		if data, err := os.ReadFile(name); err == nil && len(data) < 10_000 {
			f.Add(data)
		}
	}
	path := filepath.Join(f.TempDir(), "weights")
	f.Fuzz(func(t *testing.T, data []byte) {
		require.NoError(t, os.WriteFile(path, data, 0o600))
		file, err := Open(path)
		if err != nil {
			return
		}
		defer file.Close()
		_ = file.Descend(anchor)
		for _, name := range file.Names() {
			v, err := file.Tensor(name)
			if err != nil {
				continue
			}
			n := int64(v.DType.Size())
			for _, d := range v.Shape {
				n *= d
			}
			require.Len(t, v.Data, int(n))
		}
	})
}
