//go:build interop

package dataset

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/torchlit/torchlit/internal/interop"
)

// python runs a script and reads the JSON that it prints last.
func python(t *testing.T, section, script string, into any, args ...string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "referee.py")
	require.NoError(t, os.WriteFile(path, []byte(script), 0o644))
	out := strings.TrimSpace(interop.Run(t, interop.Python(t, section), path, args...))
	last := out[strings.LastIndexByte(out, '\n')+1:]
	require.NoError(t, json.Unmarshal([]byte(last), into), out)
}

func digest(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// TestInteropCIFAR: torchvision reads the same images and labels from the Python
// folders; copies of them that Python 3 pickles, in any protocol, are read, too.
func TestInteropCIFAR(t *testing.T) {
	root := t.TempDir()
	writePython(t, root)
	var want map[string]struct {
		Labels  []int64
		Digest  string
		Classes []string
	}
	python(t, "torch", `
import hashlib, json, os, pickle, sys
from torchvision.datasets import CIFAR10, CIFAR100
root = sys.argv[1]
out = {}
for cls, name in (CIFAR10, "10"), (CIFAR100, "100"):
    class Ours(cls):
        meta = dict(cls.meta, md5=None) # these are other images than the published ones
        def _check_integrity(self): return True
    for train in True, False:
        d = Ours(root, train=train)
        out[name + ("train" if train else "test")] = dict(Labels=d.targets, Digest=hashlib.sha256(d.data.tobytes()).hexdigest(), Classes=d.classes)
for protocol in 2, 3, 4, 5:
    for encoding in "latin1", "bytes":
        for sub in os.listdir(root):
            if not sub.startswith("cifar"): continue
            to = os.path.join(root, f"p{protocol}{encoding}", sub)
            os.makedirs(to)
            for f in os.listdir(os.path.join(root, sub)):
                with open(os.path.join(root, sub, f), "rb") as src: v = pickle.load(src, encoding=encoding)
                with open(os.path.join(to, f), "wb") as dst: pickle.dump(v, dst, protocol=protocol)
print(json.dumps(out))
`, &want, root)
	dirs := []string{root}
	for _, protocol := range []string{"2", "3", "4", "5"} {
		dirs = append(dirs, filepath.Join(root, "p"+protocol+"latin1"), filepath.Join(root, "p"+protocol+"bytes"))
	}
	for _, dir := range dirs {
		for name, sub := range map[string]string{"10": "cifar-10-batches-py", "100": "cifar-100-python"} {
			for _, split := range []string{Train, Test} {
				s, err := Open(filepath.Join(dir, sub), Options{Split: split})
				require.NoError(t, err)
				w := want[name+split]
				require.Equal(t, w.Labels, s.Labels)
				require.Equal(t, w.Digest, digest(s.Images))
				require.Equal(t, w.Classes, s.Classes)
			}
		}
	}
}

// TestInteropImageFolder: torchvision's ImageFolder finds the same files and
// classes, and Pillow the same pixels.
func TestInteropImageFolder(t *testing.T) {
	dir := t.TempDir()
	photos(t, dir, 5, true, "cat", "dog", "dog/puppies", "zebra/a/b")
	for i, name := range []string{"photo.jpg", "progressive_420.jpg", "cmyk.jpg", "lossy.webp"} {
		data, err := os.ReadFile(filepath.Join("..", "vision", "testdata", name))
		require.NoError(t, err)
		write(t, filepath.Join(dir, "real", fmt.Sprintf("%d%s", i, strings.ToUpper(filepath.Ext(name)))), data)
	}
	write(t, filepath.Join(dir, "cat", "notes.txt"), []byte("x"))
	var want struct {
		Classes []string
		Samples map[string]struct {
			Label  int64
			Digest string
		}
	}
	python(t, "torch", `
import hashlib, json, sys
from torchvision.datasets import ImageFolder
d = ImageFolder(sys.argv[1])
samples = {}
for (path, label), (image, _) in zip(d.samples, d):
    samples[path] = dict(Label=label, Digest=hashlib.sha256(image.tobytes()).hexdigest())
print(json.dumps(dict(Classes=d.classes, Samples=samples)))
`, &want, dir)
	f, err := OpenFolder(dir, Options{})
	require.NoError(t, err)
	require.Equal(t, want.Classes, f.Classes)
	require.Len(t, want.Samples, f.Len())
	for i := range f.Len() {
		w, ok := want.Samples[f.Name(i)]
		require.True(t, ok, f.Name(i))
		require.Equal(t, w.Label, f.Label(i))
		img, err := f.Load(i)
		require.NoError(t, err)
		require.Equal(t, w.Digest, digest(img.Pix), f.Name(i))
	}
}

// TestInteropWebDataset: shards of webdataset's writer are read here, and ours
// there, with the same keys, labels and pixels, and patterns stand for the same.
func TestInteropWebDataset(t *testing.T) {
	dir := t.TempDir()
	ours := writeShards(t, dir, "ours", 10, 4)
	type samples map[string]struct {
		Label  int64
		Digest string
	}
	patterns := []string{"s-{000..012}.tar", "{a,b}-{0..2}.tar", "x{1,{2..4},y}z", "{08..11}", "{2..0}", "plain.tar"}
	var want struct {
		Ours, Theirs samples
		Patterns     [][]string
	}
	python(t, "webdataset", `
import hashlib, io, json, random, sys
import numpy, webdataset as wds
from braceexpand import braceexpand
from PIL import Image
dir, ours = sys.argv[1:3]
random.seed(5)
with wds.ShardWriter(dir + "/theirs-%06d.tar", maxcount=7, verbose=0) as w:
    for i in range(25):
        image = Image.fromarray(numpy.random.RandomState(i).randint(0, 256, (5 + i, 9, 3), dtype=numpy.uint8))
        ext = ["jpg", "png", "webp", "jpeg"][i % 4]
        b = io.BytesIO()
        image.save(b, {"jpg": "jpeg"}.get(ext, ext))
        s = {"__key__": "dir.x/sample%04d" % i, ext: b.getvalue()}
        if i % 3: s["cls"] = i % 5
        else: s["json"] = {"label": i % 5, "caption": "number %d" % i}
        w.write(s)
def read(pattern):
    out = {}
    for s in wds.WebDataset(pattern, shardshuffle=False, empty_check=False).decode("pilrgb"):
        ext = next(e for e in ("jpg", "jpeg", "png", "webp") if e in s)
        label = s["cls"] if "cls" in s else s["json"]["label"]
        out[s["__key__"] + "." + ext] = dict(Label=int(label), Digest=hashlib.sha256(s[ext].tobytes()).hexdigest())
    return out
print(json.dumps(dict(Ours=read(ours), Theirs=read(dir + "/theirs-{000000..000003}.tar"), Patterns=[list(braceexpand(p)) for p in sys.argv[3:]])))
`, &want, append([]string{dir, ours}, patterns...)...)
	f := func(pattern string, n int, want samples) {
		t.Helper()
		s, err := OpenShards(t.Context(), pattern, Options{})
		require.NoError(t, err)
		require.Equal(t, n, s.Len())
		require.Len(t, want, n)
		for i := range n {
			_, name, _ := strings.Cut(s.Name(i), ".tar:")
			w, ok := want[name]
			require.True(t, ok, name)
			require.Equal(t, w.Label, s.Label(i))
			img, err := s.Load(i)
			require.NoError(t, err)
			require.Equal(t, w.Digest, digest(img.Pix), name)
		}
	}
	f(ours, 10, want.Ours)
	f(filepath.Join(dir, "theirs-{000000..000003}.tar"), 25, want.Theirs)
	for i, p := range patterns {
		got, err := ShardPaths(p)
		require.NoError(t, err)
		require.Equal(t, want.Patterns[i], got, p)
	}
}

// TestInteropScikitLearn: a split has the class shares of StratifiedShuffleSplit
// (whose rounding of equal remainders is at random), folds have those of
// StratifiedKFold, and weights by inverse frequency are "balanced" ones.
func TestInteropScikitLearn(t *testing.T) {
	cases := [][]int{{500, 300, 20}, {50, 50, 50, 50}, {7, 13, 101, 2, 64}, {5000, 17, 17, 17}, {33, 67}}
	fractions := []float64{0.1, 0.2, 0.33}
	input, err := json.Marshal(map[string]any{"cases": cases, "fractions": fractions})
	require.NoError(t, err)
	var want struct {
		Splits  [][][]int
		Folds   [][][]int
		Weights [][]float64
	}
	python(t, "statistics", `
import json, sys, warnings
import numpy as np
from sklearn.model_selection import StratifiedKFold, StratifiedShuffleSplit
from sklearn.utils.class_weight import compute_class_weight
warnings.simplefilter("ignore")
given = json.loads(sys.argv[1])
splits, folds, weights = [], [], []
for sizes in given["cases"]:
    y = np.repeat(np.arange(len(sizes)), sizes)
    count = lambda part: np.bincount(y[part], minlength=len(sizes)).tolist()
    splits.append([count(next(StratifiedShuffleSplit(1, test_size=round(f * len(y)), random_state=0).split(y, y))[1]) for f in given["fractions"]])
    folds.append([count(part) for _, part in StratifiedKFold(2, shuffle=True, random_state=0).split(y, y)])
    weights.append(compute_class_weight("balanced", classes=np.arange(len(sizes)), y=y).tolist())
print(json.dumps(dict(Splits=splits, Folds=folds, Weights=weights)))
`, &want, string(input))
	for i, sizes := range cases {
		labels := classes(sizes...)
		for k, fraction := range fractions {
			_, part, err := Split(labels, fraction, 3)
			require.NoError(t, err)
			got, sum := countsAt(labels, part, len(sizes)), 0
			for c := range sizes {
				require.InDelta(t, want.Splits[i][k][c], got[c], 1, "%v at %v", sizes, fraction)
				sum += want.Splits[i][k][c]
			}
			require.Len(t, part, sum)
			if !tied(sizes) {
				require.Equal(t, want.Splits[i][k], got, "%v at %v", sizes, fraction)
			}
		}
		folds, err := Folds(labels, 2, 3)
		require.NoError(t, err)
		for c := range sizes {
			var got, theirs []int
			for f := range folds {
				got = append(got, countsAt(labels, folds[f], len(sizes))[c])
				theirs = append(theirs, want.Folds[i][f][c])
			}
			slices.Sort(got)
			slices.Sort(theirs)
			require.Equal(t, theirs, got)
		}
		weights, err := ClassWeights(sizes, InverseFrequency, 0)
		require.NoError(t, err)
		require.InDeltaSlice(t, want.Weights[i], weights, 1e-9)
	}
}

// tied tells whether two classes are of one size, so that their remainders tie.
func tied(sizes []int) bool {
	sorted := slices.Sorted(slices.Values(sizes))
	return len(slices.Compact(sorted)) != len(sizes)
}
