//go:build interop

package predict

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/torchlit/torchlit/internal/interop"
	"github.com/torchlit/torchlit/modeldir"
	"github.com/torchlit/torchlit/torch/torchtest"
	"github.com/torchlit/torchlit/torch/vision/resnet"
)

// TestInteropTimm holds logits to timm's, both ways: timm loads folders that were written
// here, and folders that timm saved are served here.
func TestInteropTimm(t *testing.T) {
	python := interop.Python(t, "torch")
	root := t.TempDir()
	type network struct {
		Folder, Saved, Architecture string
		Stem                        resnet.Stem
		Size, Images                int
		Logits, SavedLogits         [][]float32 // of Folder and of Saved, by timm
	}
	var list []network
	for _, n := range []network{
		{Architecture: "resnet18", Size: 64}, {Architecture: "resnet18", Stem: resnet.CIFARStem, Size: 32},
		{Architecture: "resnet18d", Size: 65}, {Architecture: "resnet18d", Stem: resnet.CIFARStem, Size: 24},
		{Architecture: "resnet50", Size: 64}, {Architecture: "resnext50_32x4d", Size: 64},
	} {
		g := golden{Architecture: n.Architecture, Stem: n.Stem, Size: n.Size, Logits: [][]float32{make([]float32, 10)}}
		n.Folder = mustFolder(t, g, nil)
		n.Saved = filepath.Join(root, fmt.Sprint(n.Architecture, n.Stem))
		n.Images = 2
		for i := range n.Images {
			write(t, filepath.Join(n.Folder, fmt.Sprintf("image%d.raw", i)), seededImage(fmt.Sprintf("image%d", i), n.Size*n.Size*3))
		}
		list = append(list, n)
	}
	job := filepath.Join(root, "job.json")
	data, err := json.Marshal(list)
	if err != nil {
		t.Fatal(err)
	}
	write(t, job, data)
	t.Log(interop.Run(t, python, "testdata/timm_logits.py", job))
	data, err = os.ReadFile(job)
	if err == nil {
		err = json.Unmarshal(data, &list)
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range list {
		mustAnswer(t, n.Folder, n.Logits)
		mustAnswer(t, n.Saved, n.SavedLogits)
	}
}

// TestInteropTorchScript serves what torchvision and timm export, of architectures that are not described here.
func TestInteropTorchScript(t *testing.T) {
	torchtest.Need(t)
	python := interop.Python(t, "torch")
	root := t.TempDir()
	const size, n = 64, 3
	var raw []byte
	for i := range n {
		raw = append(raw, seededImage(fmt.Sprintf("image%d", i), size*size*3)...)
	}
	file := filepath.Join(root, "images.raw")
	write(t, file, raw)
	t.Log(interop.Run(t, python, "testdata/trace_models.py", root, file))
	data, err := os.ReadFile(filepath.Join(root, "logits.json"))
	if err != nil {
		t.Fatal(err)
	}
	var logits map[string][][]float32
	if err := json.Unmarshal(data, &logits); err != nil {
		t.Fatal(err)
	}
	if len(logits) != 5 {
		t.Fatalf("got %d networks", len(logits))
	}
	for name, want := range logits {
		t.Run(name, func(t *testing.T) { mustAnswer(t, filepath.Join(root, name), want) })
	}
}

// mustAnswer holds what a model folder answers to the logits wanted.
func mustAnswer(t *testing.T, dir string, want [][]float32) {
	t.Helper()
	m, err := Open(dir, Options{MaxBatch: 4, Threads: 2})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if m.Folder().Weights.Format == modeldir.Pickle {
		t.Log("from " + m.Folder().Weights.Path)
	}
	r := mustRunner(t, m)
	mustBeNear(t, mustLogits(t, r, images(r, len(want))), want, 1e-4)
}

func write(t *testing.T, path string, data []byte) {
	t.Helper()
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}
