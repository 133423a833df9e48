package modeldir

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/torchlit/torchlit/torch/safetensors"
)

// fill writes the outline of a ResNet.
func fill(classes, kernel int64) func(string) error {
	return func(tmp string) error {
		return safetensors.Write(filepath.Join(tmp, SafetensorsFile), outline(classes, kernel), nil)
	}
}

func files(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func TestWriteRoundTrips(t *testing.T) {
	accuracy := 0.93
	want := &Folder{Config: DefaultConfig("resnet18", 10), Extras: Extras{Stem: StemCIFAR, Accuracy: &accuracy}}
	want.Config.LabelNames = CIFAR10Labels()
	want.Config.ModelArgs = map[string]json.RawMessage{"num_classes": json.RawMessage("10")}
	want.Config.Pretrained.InputSize = [3]int{3, 32, 32}

	root := t.TempDir()
	dir := filepath.Join(root, "deep", "model")
	require.NoError(t, Write(dir, want, fill(10, 3)))
	require.Equal(t, []string{ConfigFile, SafetensorsFile, ExtrasFile}, files(t, dir))
	require.Equal(t, []string{"model"}, files(t, filepath.Dir(dir)))

	got, err := Open(dir)
	require.NoError(t, err)
	require.Equal(t, want.Config.LabelNames, got.Labels())
	require.Equal(t, want.Preprocess(), got.Preprocess())
	require.Equal(t, accuracy, *got.Extras.Accuracy)
	require.Equal(t, StemCIFAR, got.Extras.Stem)
	require.Equal(t, "10", string(got.Config.ModelArgs["num_classes"]))
	require.Empty(t, want.Config.Pretrained.Notes, "Write must not change its argument")

	// timm's users are told about the stem, once, however often it is written.
	require.Len(t, got.Config.Pretrained.Notes, 1)
	require.Contains(t, got.Config.Pretrained.Notes[0], "size mismatch for conv1.weight")
	require.NoError(t, Write(dir, got, fill(10, 3)))
	again, err := Open(dir)
	require.NoError(t, err)
	require.Equal(t, got.Config.Pretrained.Notes, again.Config.Pretrained.Notes)
}

// A deep stem is named as timm names it, and its note says what timm can do with it.
func TestDeepStem(t *testing.T) {
	for architecture, want := range map[string]string{
		"resnet18d": "conv1.0", "resnet50c": "conv1.0", "resnext50d_32x4d": "conv1.0",
		"resnet18": "conv1", "resnext50_32x4d": "conv1", "wide_resnet50_2": "conv1", "densenet121d": "conv1",
	} {
		require.Equal(t, want, DefaultConfig(architecture, 2).Pretrained.FirstConv, architecture)
	}
	dir := filepath.Join(t.TempDir(), "model")
	m := &Folder{Config: DefaultConfig("resnet18d", 10), Extras: Extras{Stem: StemCIFAR}}
	require.NoError(t, Write(dir, m, func(tmp string) error {
		return safetensors.Write(filepath.Join(tmp, SafetensorsFile), outline(10, 3)[1:], nil)
	}))
	got, err := Open(dir)
	require.NoError(t, err)
	require.Equal(t, StemCIFAR, got.Extras.Stem)
	require.Contains(t, got.Config.Pretrained.Notes[0], "model.conv1[0].stride = (1, 1)")
}

func TestWriteReplacesTheWholeFolder(t *testing.T) {
	f := func(dir string) {
		t.Helper()
		m := &Folder{Config: DefaultConfig("resnet18", 10)}
		require.NoError(t, Write(dir, m, func(tmp string) error {
			return errors.Join(fill(10, 7)(tmp), os.WriteFile(filepath.Join(tmp, "drift.bin"), nil, 0o600))
		}))
		require.Contains(t, files(t, dir), "drift.bin")
		require.NoError(t, Write(dir, m, fill(10, 7)))
		require.NotContains(t, files(t, dir), "drift.bin")
	}
	root := t.TempDir()
	f(filepath.Join(root, "new"))

	empty := filepath.Join(root, "empty")
	require.NoError(t, os.Mkdir(empty, 0o700))
	f(empty)

	link := filepath.Join(root, "link")
	require.NoError(t, os.Symlink(filepath.Join(root, "new"), link))
	f(link)
	info, err := os.Lstat(link)
	require.NoError(t, err)
	require.NotZero(t, info.Mode()&os.ModeSymlink, "a link stays a link")
	require.Equal(t, []string{"empty", "link", "new"}, files(t, root))
}

func TestWriteFailsWhole(t *testing.T) {
	root := t.TempDir()
	dir := filepath.Join(root, "model")
	good := &Folder{Config: DefaultConfig("resnet18", 10)}
	require.NoError(t, Write(dir, good, fill(10, 7)))
	f := func(want string, m *Folder, fill func(string) error) {
		t.Helper()
		for _, at := range []string{dir, filepath.Join(root, "other")} {
			err := Write(at, m, fill)
			if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), at) {
				t.Errorf("got error %v; want %q and %q", err, want, at)
			}
		}
		require.Equal(t, []string{"model"}, files(t, root))
		_, err := Open(dir)
		require.NoError(t, err)
	}
	f("disk full", good, func(string) error { return errors.New("disk full") })
	f("no weights file", good, func(string) error { return nil })
	f("change it to 9", good, fill(9, 7))
	f("stem", good, fill(10, 3))
	f("num_classes", &Folder{}, fill(10, 7))
	f("stem", &Folder{Config: good.Config, Extras: Extras{Stem: "tiny"}}, fill(10, 7))
	f("x", &Folder{Config: good.Config, Extras: Extras{Int8: json.RawMessage("x")}}, fill(10, 7))
}

func TestWriteSparesWhatIsNoModel(t *testing.T) {
	home := folder(t, "thesis.tex", "years of work")
	err := Write(home, &Folder{Config: DefaultConfig("resnet18", 10)}, fill(10, 7))
	require.ErrorContains(t, err, "is no model folder")
	require.Equal(t, []string{"thesis.tex"}, files(t, home))

	// Nor are checkpoints, which may be all that is left of a week.
	checkpoints := folder(t, "a.ckpt", "x", "b.ckpt", "y")
	require.ErrorContains(t, Write(checkpoints, &Folder{Config: DefaultConfig("resnet18", 10)}, fill(10, 7)), "is no model folder")
	require.Equal(t, []string{"a.ckpt", "b.ckpt"}, files(t, checkpoints))

	file := filepath.Join(home, "thesis.tex")
	require.Error(t, Write(file, &Folder{Config: DefaultConfig("resnet18", 10)}, fill(10, 7)))
	require.Equal(t, []string{"thesis.tex"}, files(t, home))
}

func TestRenameAround(t *testing.T) {
	root := tree(t, "new/M", "old/1")
	path := func(name string) string { return filepath.Join(root, name) }
	require.Error(t, renameAround(path("absent"), path("old")))
	require.Equal(t, []string{"new", "old"}, files(t, root))
	require.Equal(t, []string{"1"}, files(t, path("old")), "the old folder must come back")

	require.NoError(t, renameAround(path("new"), path("old")))
	require.Equal(t, []string{"old"}, files(t, root))
	require.Equal(t, []string{ConfigFile}, files(t, path("old")))
}
