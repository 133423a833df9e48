//go:build interop

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/torchlit/torchlit/internal/interop"
	"github.com/torchlit/torchlit/modeldir"
	"github.com/torchlit/torchlit/torch/torchtest"
)

// dvcRepo is a copy of this repository in which DVC works.
type dvcRepo struct {
	t           *testing.T
	dir, python string
	env         []string
}

// smallParams is the pipeline's params.yaml with a run of seconds.
const smallParams = `defaults:
  - train
  - override trainer: deterministic
  - _self_
seed: 1
data: {dir: data/processed/cifar10, batch_size: 10, sizes: []}
optim: {lr: 0.01}
trainer: {max_epochs: 1, device: cpu, threads: 1}
`

// newDVCRepo copies what the pipeline needs: its own files, the settings, and the
// program that makes the data set, which is compiled there.
func newDVCRepo(t *testing.T) *dvcRepo {
	t.Helper()
	python := interop.Python(t, "dvc")
	r := &dvcRepo{t: t, dir: t.TempDir(), python: python, env: append(os.Environ(),
		becomeTorchlit+"=1", "DVC_NO_ANALYTICS=1", "DVC_SITE_CACHE_DIR="+t.TempDir(), "GIT_CONFIG_GLOBAL="+os.DevNull, "GIT_CONFIG_NOSYSTEM=1",
		"GIT_AUTHOR_NAME=test", "GIT_AUTHOR_EMAIL=test@example.com", "GIT_COMMITTER_NAME=test", "GIT_COMMITTER_EMAIL=test@example.com",
	)}
	root := filepath.Join("..", "..")
	for _, name := range []string{
		"dvc.yaml", ".dvcignore", ".dvc/config", ".dvc/.gitignore", ".dvc/plots", ".gitignore", "configs", "Makefile", "go.mod", "go.sum",
		"tools/cifar10", "dataset", "vision", "internal/pickle",
	} {
		r.copy(filepath.Join(root, name), filepath.Join(r.dir, name))
	}
	self, err := os.Executable()
	require.NoError(t, err)
	r.copy(self, filepath.Join(r.dir, "bin", "torchlit"))
	r.write("params.yaml", smallParams)
	r.git("init", "-q")
	r.git("add", "-A")
	r.git("commit", "-q", "-m", "the pipeline")
	return r
}

// copy copies a file, or the files of a folder that are no tests.
func (r *dvcRepo) copy(from, to string) {
	r.t.Helper()
	require.NoError(r.t, filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasSuffix(path, "_test.go") || strings.Contains(path, "testdata") {
			return err
		}
		name, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		target := filepath.Join(to, name)
		if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
			return err
		}
		return os.WriteFile(target, data, info.Mode().Perm())
	}))
}

func (r *dvcRepo) run(name string, args ...string) string {
	r.t.Helper()
	cmd := exec.CommandContext(r.t.Context(), name, args...)
	cmd.Dir, cmd.Env = r.dir, r.env
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	require.NoError(r.t, cmd.Run(), "%v\n%s\n%s", args, &stdout, &stderr)
	return stdout.String()
}

func (r *dvcRepo) dvc(args ...string) string {
	r.t.Helper()
	return r.run(r.python, append([]string{"-m", "dvc"}, args...)...)
}

func (r *dvcRepo) git(args ...string) string {
	r.t.Helper()
	return r.run("git", args...)
}

func (r *dvcRepo) path(name string) string { return filepath.Join(r.dir, filepath.FromSlash(name)) }

func (r *dvcRepo) write(name, text string) {
	r.t.Helper()
	require.NoError(r.t, os.MkdirAll(filepath.Dir(r.path(name)), 0o755))
	require.NoError(r.t, os.WriteFile(r.path(name), []byte(text), 0o644))
}

func (r *dvcRepo) read(name string) string {
	r.t.Helper()
	data, err := os.ReadFile(r.path(name))
	require.NoError(r.t, err)
	return string(data)
}

// ran lists the stages that a repro ran.
func ran(out string) []string {
	var stages []string
	for line := range strings.Lines(out) {
		if stage, ok := strings.CutPrefix(strings.TrimSpace(line), "Running stage '"); ok {
			stages = append(stages, strings.TrimSuffix(stage, "':"))
		}
	}
	return stages
}

// accuracy is what dvc metrics show finds.
func (r *dvcRepo) accuracy() float64 {
	r.t.Helper()
	var shown map[string]struct {
		Data map[string]struct{ Data struct{ N, Accuracy float64 } }
	}
	require.NoError(r.t, json.Unmarshal([]byte(r.dvc("metrics", "show", "--json")), &shown))
	metrics := shown[""].Data["reports/pipeline/metrics.json"].Data
	require.Equal(r.t, 20.0, metrics.N)
	return metrics.Accuracy
}

// files reads a folder: what is in the files of each name.
func (r *dvcRepo) files(dir string) map[string]string {
	r.t.Helper()
	files := map[string]string{}
	require.NoError(r.t, filepath.WalkDir(r.path(dir), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		files[d.Name()] = string(data)
		return err
	}))
	return files
}

// writePNGs makes a folder in CIFAR-10's layout with few and small images.
func writePNGs(t *testing.T, classes []string) string {
	t.Helper()
	dir := t.TempDir()
	for split, each := range map[string]int{"train": 4, "test": 2} {
		for c, class := range classes {
			rng := rand.New(rand.NewPCG(uint64(c), uint64(each)))
			for i := range each {
				img := image.NewNRGBA(image.Rect(0, 0, 16, 16))
				for p := range 16 * 16 {
					img.SetNRGBA(p%16, p/16, color.NRGBA{uint8(25 * c), uint8(255 * (p / 16 % (c + 1)) / (c + 1)), uint8(rng.Uint32()), 255})
				}
				var encoded bytes.Buffer
				require.NoError(t, png.Encode(&encoded, img))
				path := filepath.Join(dir, split, class, fmt.Sprintf("%d.png", i))
				require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
				require.NoError(t, os.WriteFile(path, encoded.Bytes(), 0o644))
			}
		}
	}
	return dir
}

// TestInteropDVC lets dvc run the repository's own pipeline on a few images.
func TestInteropDVC(t *testing.T) {
	torchtest.Need(t)
	r := newDVCRepo(t)
	r.env = append(r.env, "DATA="+writePNGs(t, modeldir.CIFAR10Labels()))

	require.Equal(t, []string{"data", "train", "evaluate", "export"}, ran(r.dvc("repro")))
	assert.Equal(t, "?? dvc.lock\n?? reports/\n", r.git("status", "--porcelain"), "git sees the lock and the metrics, nothing else")
	assert.Equal(t, "reports/pipeline/metrics.json\n", r.git("ls-files", "-o", "--exclude-standard", "reports"))
	assert.Contains(t, r.dvc("status"), "up to date")
	assert.Empty(t, ran(r.dvc("repro")))
	first := r.accuracy()
	model := r.files("trained/cifar10")
	assert.Equal(t, r.files("runs/pipeline/model")[modeldir.SafetensorsFile], model[modeldir.SafetensorsFile], "what was measured is what is exported")
	assert.Contains(t, model, "README.md")
	r.git("add", "-A")
	r.git("commit", "-q", "-m", "first run")

	checkPlots(t, r)

	// Another learning rate trains, measures and exports again; the data stay.
	r.write("params.yaml", strings.Replace(smallParams, "lr: 0.01", "lr: 0.02", 1))
	assert.Contains(t, r.dvc("params", "diff", "--json"), `"optim.lr": {"old": 0.01, "new": 0.02, "diff": 0.01}`)
	require.Equal(t, []string{"train", "evaluate", "export"}, ran(r.dvc("repro")))
	assert.NotEqual(t, model, r.files("trained/cifar10"))
	assert.Contains(t, r.dvc("metrics", "diff", "--json"), `"log_loss"`)
	// The settings of before: DVC knows what came of them, so nothing runs.
	r.git("checkout", "-q", "--", "params.yaml")
	assert.Empty(t, ran(r.dvc("repro")))
	assert.Equal(t, model, r.files("trained/cifar10"))
	assert.Equal(t, first, r.accuracy())
	assert.Empty(t, r.git("status", "--porcelain"))
	// A file of configs/ that params.yaml builds on is a setting, too.
	r.write("configs/optim/sgd.yaml", r.read("configs/optim/sgd.yaml")+"# a remark\n")
	assert.Contains(t, r.dvc("status"), "configs")
	r.git("checkout", "-q", "--", "configs")

	t.Run("remote", func(t *testing.T) { checkRemote(t, r) })
	t.Run("experiment", func(t *testing.T) { checkExperiment(t, r) })
	t.Run("own data", func(t *testing.T) { checkOwnData(t, r) })
}

// checkPlots looks at what dvc plots show would draw.
func checkPlots(t *testing.T, r *dvcRepo) {
	t.Helper()
	var plots struct {
		Errors []any
		Data   map[string][]struct {
			Type    string
			Content struct {
				Data struct{ Values []map[string]any }
			}
		}
	}
	require.NoError(t, json.Unmarshal([]byte(r.dvc("plots", "show", "--json")), &plots))
	require.Empty(t, plots.Errors)
	f := func(name string, wantRows int, fields ...string) {
		t.Helper()
		require.Len(t, plots.Data[name], 1, name)
		p := plots.Data[name][0]
		assert.Equal(t, "vega", p.Type)
		if wantRows > 0 {
			assert.Len(t, p.Content.Data.Values, wantRows, name)
		}
		for _, field := range fields {
			assert.Contains(t, p.Content.Data.Values[0], field, name)
		}
	}
	f("Loss", 0, "step", "train_loss_epoch", "val_loss")
	f("Accuracy", 0, "step", "train_accuracy_epoch", "val_accuracy")
	f("Confusions", 20, "actual", "predicted")
	f("ROC, mean of the classes", 0, "false_positive_rate", "true_positive_rate")
	f("Precision and recall, all answers", 0, "recall", "precision")
	f("Calibration", 0, "confidence", "accuracy")
	require.Len(t, plots.Data, 6)
}

// checkRemote pushes, loses everything, and pulls.
func checkRemote(t *testing.T, r *dvcRepo) {
	r.t = t
	assert.Contains(t, r.dvc("remote", "list"), "gs://")
	r.dvc("remote", "modify", "--local", "beside", "url", t.TempDir())
	r.dvc("push", "-q")
	model, data := r.files("trained/cifar10"), r.files("data/processed/cifar10")
	for _, lost := range []string{"trained", "data/processed", "runs", ".dvc/cache"} {
		require.NoError(t, os.RemoveAll(r.path(lost)))
	}
	r.dvc("pull", "-q")
	assert.Equal(t, model, r.files("trained/cifar10"))
	assert.Equal(t, data, r.files("data/processed/cifar10"))
	assert.Contains(t, r.dvc("status"), "up to date")
	assert.Empty(t, r.git("status", "--porcelain"))
}

// checkExperiment runs one with another setting, in a folder of its own, and takes it.
func checkExperiment(t *testing.T, r *dvcRepo) {
	r.t = t
	out := r.dvc("exp", "run", "--temp", "-C", "bin", "--name", "gentle", "-S", "optim.lr=0.001", "-S", "+ema.decay=0.9")
	require.Equal(t, []string{"train", "evaluate", "export"}, ran(out))
	assert.Empty(t, r.git("status", "--porcelain"), "the working tree is as it was")
	r.dvc("exp", "apply", "gentle")
	assert.Contains(t, r.read("params.yaml"), "lr: 0.001")
	assert.Contains(t, r.read("runs/pipeline/.hydra/config.yaml"), "decay: 0.9")
	assert.Contains(t, r.dvc("status"), "up to date")
	shown := r.dvc("exp", "show", "--csv")
	assert.Contains(t, shown, "gentle")
	assert.Contains(t, strings.SplitN(shown, "\n", 2)[0], "optim.lr")
}

// checkOwnData has a folder of images in a .dvc file, and a pipeline that begins with it.
func checkOwnData(t *testing.T, r *dvcRepo) {
	r.t = t
	require.NoError(t, os.CopyFS(r.path("data/pets"), os.DirFS(writePNGs(t, []string{"cat", "dog"}))))
	r.dvc("add", "-q", "data/pets")
	assert.Contains(t, r.read("data/pets.dvc"), "nfiles: 12")
	r.write("params.yaml", strings.NewReplacer("data/processed/cifar10", "data/pets", "batch_size: 10", "batch_size: 4").Replace(smallParams))
	require.Equal(t, []string{"train"}, ran(r.dvc("repro", "train")), "the stage data is not needed")
	folder, err := modeldir.Open(r.path("runs/pipeline/model"))
	require.NoError(t, err)
	assert.Equal(t, []string{"cat", "dog"}, folder.Labels())
}
