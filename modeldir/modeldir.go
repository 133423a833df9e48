// Package modeldir reads and writes model folders: a network's configuration,
// its weights and what Torchlit knows about them, in timm's hub layout.
//
//	config.json        architecture, classes, labels, preprocessing: timm's file
//	model.safetensors  the weights (or pytorch_model.bin, *.ckpt, *.pth, model.pt)
//	torchlit.json      stem variant, accuracy, training run, calibrations: ours, optional
//
// timm loads such a folder with create_model("local-dir:…"), and a folder that
// timm saved can be served. A models directory holds folders as
// <name>/<version>/; [List] finds them.
//
// The package looks at the weights' header only and needs no libtorch. Its
// errors are for the person who owns the folder: they name the file, the key,
// what it is and what to change it to.
package modeldir

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/torchlit/torchlit/vision"
)

// The names of the files in a folder.
const (
	ConfigFile      = "config.json"
	ExtrasFile      = "torchlit.json"
	SafetensorsFile = "model.safetensors"
	PickleFile      = "pytorch_model.bin"
	TorchScriptFile = "model.pt"
)

// ErrNoConfig and ErrNoWeights are wrapped by [Open] where a folder lacks a
// file; a folder that lacks both is likely no model folder at all.
var (
	ErrNoConfig  = errors.New("no " + ConfigFile)
	ErrNoWeights = errors.New("no weights file")
)

// Folder is a model folder that was read, or is to be written. It is plain data:
// it holds no file open.
type Folder struct {
	Dir     string
	Config  Config
	Extras  Extras
	Weights Weights
}

// Open reads and checks the folder dir. What it returns is consistent: labels
// match the classes, classes and stem match the weights where those are
// no TorchScript, and Preprocess cannot fail.
func Open(dir string) (*Folder, error) {
	f := &Folder{Dir: dir}
	var err error
	if f.Config, err = readConfig(filepath.Join(dir, ConfigFile)); err != nil {
		return nil, missingConfig(dir, err)
	}
	stemStated := false
	if f.Extras, stemStated, err = readExtras(filepath.Join(dir, ExtrasFile)); err != nil {
		return nil, err
	}
	f.Weights, err = findWeights(dir)
	if errors.Is(err, ErrNoWeights) {
		err = fmt.Errorf("cannot open model folder %q: %w; put %s, %s, a .ckpt file or %s into it",
			dir, err, SafetensorsFile, PickleFile, TorchScriptFile)
	}
	if err != nil {
		return nil, err
	}
	if f.Config.Architecture == "" && f.Weights.Format != TorchScript {
		return nil, fmt.Errorf(`cannot use %q: it has no "architecture"; add timm's name of the network, such as "resnet18"`,
			filepath.Join(dir, ConfigFile))
	}
	if err := f.checkWeights(stemStated); err != nil {
		return nil, err
	}
	return f, nil
}

// missingConfig turns the operating system's word about an absent file into
// advice.
func missingConfig(dir string, err error) error {
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if _, statErr := os.Stat(dir); statErr != nil {
		return fmt.Errorf("cannot open model folder: %w", statErr)
	}
	return fmt.Errorf(`cannot open model folder %q: %w; a folder needs one with at least "architecture" and "num_classes"`, dir, ErrNoConfig)
}

// Preprocess is how a picture becomes the model's input. It panics on a Folder
// made by hand whose Config [Write] would refuse.
func (f *Folder) Preprocess() vision.Preprocess {
	p, err := f.Config.Pretrained.preprocess()
	if err == nil {
		err = p.Validate()
	}
	if err != nil {
		panic(fmt.Sprintf("BUG: unchecked model configuration: %s", err))
	}
	return p
}

// CIFAR10Labels are the classes of CIFAR-10 in its own order.
func CIFAR10Labels() []string {
	return []string{"airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"}
}

// Labels are the names of the classes, one each, by index. A folder without
// label_names gets CIFAR-10's if it was plainly made from that, and "class 7"
// otherwise: a wrong name is worse than none. The slice is the caller's.
func (f *Folder) Labels() []string {
	if len(f.Config.LabelNames) > 0 {
		return append([]string(nil), f.Config.LabelNames...)
	}
	if f.fromCIFAR10() {
		return CIFAR10Labels()
	}
	names := make([]string, f.Config.NumClasses)
	for i := range names {
		names[i] = className(i)
	}
	return names
}

func className(index int) string { return fmt.Sprintf("class %d", index) }

// fromCIFAR10 is whether the model knows CIFAR-10's classes: there are ten, and
// the folder names the dataset or has its mean colour, which no other uses.
func (f *Folder) fromCIFAR10() bool {
	if f.Config.NumClasses != 10 {
		return false
	}
	said := f.Extras.AccuracyOn
	if run := f.Extras.TrainingRun; run != nil {
		said += " " + run.Dataset
	}
	said = strings.ToLower(strings.ReplaceAll(said, "-", ""))
	if strings.Contains(said, "cifar10") && !strings.Contains(said, "cifar100") {
		return true
	}
	for c, mean := range [3]float64{0.4914, 0.4822, 0.4465} {
		if d := f.Config.Pretrained.Mean[c] - mean; d > 0.001 || d < -0.001 {
			return false
		}
	}
	return true
}
