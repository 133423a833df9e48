package predict

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/torchlit/torchlit/modeldir"
	"github.com/torchlit/torchlit/torch"
	"github.com/torchlit/torchlit/torch/safetensors"
	"github.com/torchlit/torchlit/torch/torchtest"
	"github.com/torchlit/torchlit/torch/vision/resnet"
)

// mustFolder writes a model folder with the seeded weights and returns its path.
func mustFolder(t *testing.T, g golden, edit func(*modeldir.Folder)) string {
	t.Helper()
	classes := len(g.Logits[0])
	f := &modeldir.Folder{Config: modeldir.DefaultConfig(g.Architecture, classes)}
	f.Config.Pretrained.InputSize = [3]int{3, g.Size, g.Size}
	f.Extras.Stem = string(g.Stem)
	if edit != nil {
		edit(f)
	}
	dir := filepath.Join(t.TempDir(), "model")
	err := modeldir.Write(dir, f, func(tmp string) error {
		w := newSeededWeights(mustNetwork(t, g.Architecture, g.Stem, g.Size, int64(classes)).Spec)
		var list []safetensors.Entry
		for name := range w.tensors {
			v, _ := w.Tensor(name)
			list = append(list, v)
		}
		return safetensors.Write(filepath.Join(tmp, modeldir.SafetensorsFile), list, nil)
	})
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// smallGolden is the cheapest network there is a golden of.
func smallGolden(t *testing.T) golden {
	t.Helper()
	for _, g := range goldens(t) {
		if g.Architecture == "resnet18" && g.Stem == resnet.CIFARStem {
			return g
		}
	}
	panic("BUG: there is no golden of a resnet18 with the CIFAR stem")
}

func TestOpen(t *testing.T) {
	torchtest.Need(t)
	g := smallGolden(t)
	temperature := 1.5
	dir := mustFolder(t, g, func(f *modeldir.Folder) { f.Extras.Temperature = &temperature })
	m, err := Open(dir, Options{MaxBatch: 4, Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if got := m.Network().Temperature; got != temperature {
		t.Errorf("temperature: got %v; want %v", got, temperature)
	}
	if m.Folder() == nil || m.Folder().Dir != dir {
		t.Errorf("folder: got %v; want that of %q", m.Folder(), dir)
	}
	if m.Classes() != len(g.Logits[0]) || m.ImageBytes() != g.Size*g.Size*3 {
		t.Errorf("got %d classes and %d bytes an image", m.Classes(), m.ImageBytes())
	}
	r := mustRunner(t, m)
	mustBeNear(t, mustLogits(t, r, images(r, len(g.Logits))), g.Logits, 1e-4)
}

// TestOpenForeignWeights serves what torch.save writes, wrapped as training programs
// wrap it, in half precision and in other strides.
func TestOpenForeignWeights(t *testing.T) {
	torchtest.Need(t)
	g := smallGolden(t)
	seeded := newSeededWeights(mustNetwork(t, g.Architecture, g.Stem, g.Size, int64(len(g.Logits[0]))).Spec)
	f := func(file, prefix string, dtype int8, tolerance float64) {
		t.Helper()
		dir := mustFolder(t, g, nil)
		if err := os.Remove(filepath.Join(dir, modeldir.SafetensorsFile)); err != nil {
			t.Fatal(err)
		}
		torch.Scope(func(func(torch.Tensor) torch.Tensor) {
			state := map[string]torch.Tensor{prefix + "criterion.weight": torch.Ones([]int64{3}, false)}
			for name := range seeded.tensors {
				v, _ := seeded.Tensor(name)
				state[prefix+name] = torch.FromBytes(v.Data, torch.Float, v.Shape...).CastTo(dtype)
			}
			torch.SaveDict(state, filepath.Join(dir, file))
		})
		m, err := Open(dir, Options{MaxBatch: 4, Threads: 1})
		if err != nil {
			t.Fatal(err)
		}
		defer m.Close()
		r := mustRunner(t, m)
		mustBeNear(t, mustLogits(t, r, images(r, len(g.Logits))), g.Logits, tolerance)
	}
	f(modeldir.PickleFile, "", torch.Float, 1e-4)
	f("last.ckpt", "model.", torch.Half, 2e-3)
	f("best.ckpt", "module._orig_mod.backbone.", torch.BFloat16, 2e-2)
}

func TestOpenRefuses(t *testing.T) {
	f := func(dir, want string) {
		t.Helper()
		m, err := Open(dir, Options{})
		if err == nil {
			m.Close()
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got error %v; want one with %q", err, want)
		}
	}
	f(t.TempDir(), "config.json")
	g := smallGolden(t)
	f(mustFolder(t, g, func(f *modeldir.Folder) { f.Config.Architecture = "vit_base" }), `architecture "vit_base": known are`)
	dir := mustFolder(t, g, nil)
	weights := filepath.Join(dir, modeldir.SafetensorsFile)
	if err := os.Rename(weights, filepath.Join(dir, modeldir.TorchScriptFile)); err != nil {
		t.Fatal(err)
	}
	f(dir, "cannot load a module from")
}
