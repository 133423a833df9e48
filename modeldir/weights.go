package modeldir

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/torchlit/torchlit/torch/weights"
)

// Format is the kind of a weights file.
type Format uint8

// The formats, in the order of preference.
const (
	Safetensors Format = iota + 1 // model.safetensors: tensors by their state-dict names
	Pickle                        // pytorch_model.bin, *.ckpt, *.pth: what torch.save wrote of a state dict
	TorchScript                   // model.pt: network and weights in one
)

// String is the format's name in messages.
func (f Format) String() string {
	switch f {
	case Safetensors:
		return "safetensors"
	case Pickle:
		return "pickle"
	case TorchScript:
		return "TorchScript"
	}
	return fmt.Sprintf("Format(%d)", uint8(f))
}

// Weights is a folder's weights file.
type Weights struct {
	Path   string // "" before the folder is written
	Format Format
}

// patterns say which files are weights; the first that matches counts, so a
// folder that has the same weights twice is read in the safest format.
var patterns = []struct {
	glob   string
	format Format
}{
	{SafetensorsFile, Safetensors},
	{PickleFile, Pickle},
	{"*.ckpt", Pickle},
	{"*.pth", Pickle},
	{"*.pth.tar", Pickle},
	{TorchScriptFile, TorchScript},
}

var errManyWeights = errors.New("several files may be the weights")

// findWeights finds the one weights file of a folder. It returns
// [ErrNoWeights] when there is none.
func findWeights(dir string) (Weights, error) {
	entries, err := os.ReadDir(dir) // not filepath.Glob: dir may hold a '['
	if err != nil {
		return Weights{}, err
	}
	for _, p := range patterns {
		var found []string
		for _, e := range entries {
			if ok, _ := filepath.Match(p.glob, e.Name()); ok && !e.IsDir() && !hidden(e.Name()) {
				found = append(found, e.Name())
			}
		}
		if len(found) > 1 {
			return Weights{}, fmt.Errorf("cannot open model folder %q: %w: %q; leave one of them", dir, errManyWeights, found)
		}
		if len(found) == 1 {
			return Weights{Path: filepath.Join(dir, found[0]), Format: p.format}, nil
		}
	}
	return Weights{}, ErrNoWeights
}

// checkWeights compares the weights with what the JSON files say about them, so
// that a wrong number is an error here that names its key, and not a shape
// mismatch inside of libtorch. It reads headers only. A TorchScript program cannot
// be looked into without libtorch; of it just the first bytes are.
func (f *Folder) checkWeights(stemStated bool) error {
	if f.Weights.Format == TorchScript {
		return checkStart(f.Weights.Path)
	}
	file, err := f.Weights.Open()
	if err != nil {
		return err
	}
	defer file.Close()

	classifier := f.Config.Pretrained.Classifier + ".weight"
	if shape, ok := file.Shape(classifier); ok && len(shape) > 0 && shape[0] != int64(f.Config.NumClasses) {
		return object{file: filepath.Join(f.Dir, ConfigFile)}.wrong("num_classes", fmt.Sprint(f.Config.NumClasses),
			fmt.Sprintf("%d, which is what %q in %s has", shape[0], classifier, filepath.Base(f.Weights.Path)))
	}
	// Other networks have 3×3 stems of their own; only a ResNet's is called this.
	_, resnet := file.Shape(anchor)
	if shape, ok := file.Shape(firstConv); resnet && ok && len(shape) == 4 {
		return f.checkStem(shape, stemStated)
	}
	return nil
}

// The tensors that tell a ResNet, and its stem. Networks with a deep stem have no
// tensor of the second name, and the same tensors with either stem.
const (
	anchor    = "layer1.0.conv1.weight"
	firstConv = "conv1.weight"
)

// Open opens the weights of a ResNet by their state-dict names, whatever they are
// wrapped in. A TorchScript program cannot be opened like this. The caller closes
// the file.
func (w Weights) Open() (*weights.File, error) {
	file, err := weights.Open(w.Path)
	if err != nil {
		return nil, err
	}
	if err := file.Descend(anchor); err != nil {
		file.Close()
		return nil, err
	}
	return file, nil
}

// checkStem compares the stem with the shape of the first convolution. A folder
// that says nothing, such as one that was trained with timm on CIFAR-10 after
// the usual surgery, has the stem that its weights have.
func (f *Folder) checkStem(conv []int64, stated bool) error {
	has := StemImageNet
	if conv[2] == 3 {
		has = StemCIFAR
	}
	if !stated {
		f.Extras.Stem = has
	}
	if f.Extras.Stem == has {
		return nil
	}
	names := map[string]string{StemImageNet: `"imagenet"`, StemCIFAR: `"cifar"`}
	return object{file: filepath.Join(f.Dir, ExtrasFile)}.wrong("stem", names[f.Extras.Stem],
		fmt.Sprintf("%s: %q is %v", names[has], firstConv, conv))
}

// checkStart catches files that are nothing at all.
func checkStart(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	start := make([]byte, 32)
	n, err := io.ReadFull(f, start)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
		return fmt.Errorf("cannot read weights %q: %w", path, err)
	}
	switch start = start[:n]; {
	case n == 0:
		return fmt.Errorf("cannot read weights %q: it is empty; copy it again", path)
	case bytes.HasPrefix(start, []byte("version https://git-lfs")):
		return fmt.Errorf("cannot read weights %q: it is a Git LFS pointer instead of the file itself; run `git lfs pull`", path)
	}
	return nil
}
