package main

import (
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strings"

	"github.com/torchlit/torchlit/modeldir"
	"github.com/torchlit/torchlit/monitor/reference"
	"github.com/torchlit/torchlit/torch/safetensors"
	"github.com/torchlit/torchlit/torch/vision/resnet"
	"github.com/torchlit/torchlit/torch/weights"
)

// additions are what a folder gets beside what it was made of. Nil stands for nothing.
type additions struct {
	calibration json.RawMessage // for int8
	reference   *reference.Reference
}

// convertModel makes the model folder output of the one at dir, with weights in
// safetensors format and, unless dtype is "", of that type. The two may be the same.
func convertModel(dir, output string, dtype safetensors.DType, with additions) error {
	folder, err := modeldir.Open(dir)
	if err != nil {
		return err
	}
	if with.calibration != nil {
		folder.Extras.Int8 = with.calibration
	}
	if with.reference != nil {
		folder.Extras.DriftReference = reference.FileName
	}
	if folder.Weights.Format == modeldir.TorchScript {
		return fmt.Errorf("cannot convert %q: a TorchScript program has no weights by name; convert the checkpoint or state dict that it was made of", folder.Weights.Path)
	}
	spec, err := resnet.Describe(folder.Config.Architecture, resnet.Stem(folder.Extras.Stem), int64(folder.Config.NumClasses))
	if err != nil {
		return fmt.Errorf("cannot convert model folder %q: %w", dir, err)
	}
	file, err := folder.Weights.Open()
	if err != nil {
		return err
	}
	defer file.Close()
	entries, err := convertWeights(file, spec, dtype)
	if err != nil {
		return fmt.Errorf("cannot convert %q: %w", folder.Weights.Path, err)
	}
	return modeldir.Write(output, folder, func(tmp string) error {
		if err := copyOthers(tmp, folder); err != nil {
			return err
		}
		if with.reference != nil {
			if err := with.reference.Write(filepath.Join(tmp, reference.FileName)); err != nil {
				return err
			}
		}
		return safetensors.Write(filepath.Join(tmp, modeldir.SafetensorsFile), entries, map[string]string{"format": "pt"})
	})
}

// convertWeights reads the network's tensors: what else a checkpoint holds, such as
// an optimizer's state, stays behind. PyTorch counts the batches that a normalisation
// has seen, which no answer depends on; the counters are kept where there are any.
func convertWeights(file *weights.File, spec resnet.Spec, dtype safetensors.DType) ([]safetensors.Entry, error) {
	var names []string
	for _, t := range spec.Tensors() {
		names = append(names, t.Name)
		if bn, ok := strings.CutSuffix(t.Name, "running_mean"); ok && has(file, bn+"num_batches_tracked") {
			names = append(names, bn+"num_batches_tracked")
		}
	}
	entries := make([]safetensors.Entry, len(names))
	for i, name := range names {
		v, err := file.Tensor(name)
		if err != nil {
			return nil, err
		}
		if entries[i], err = convertTensor(v, dtype); err != nil {
			return nil, err
		}
	}
	return entries, nil
}

func has(file *weights.File, name string) bool {
	_, ok := file.Shape(name)
	return ok
}

func isFloat(d safetensors.DType) bool {
	return d == safetensors.F16 || d == safetensors.BF16 || d == safetensors.F32 || d == safetensors.F64
}

// convertTensor returns v as dtype; what is no float stays as it is.
func convertTensor(v safetensors.View, dtype safetensors.DType) (safetensors.View, error) {
	if !isFloat(v.DType) || dtype == "" || dtype == v.DType {
		return v, nil
	}
	values, err := safetensors.Float32(v)
	if err != nil {
		return v, err
	}
	if dtype == safetensors.F16 {
		for _, x := range values {
			if a := math.Abs(float64(x)); a >= firstInfiniteF16 && !math.IsInf(a, 0) {
				return v, fmt.Errorf("%q holds %g, which is infinite in f16; give --dtype bf16 or f32", v.Name, x)
			}
		}
	}
	return safetensors.FromFloat32(v.Name, dtype, v.Shape, values)
}

// firstInfiniteF16 is what rounds to more than binary16's largest number, 65504.
const firstInfiniteF16 = 65520

// copyOthers copies what a model folder has beside its configuration and weights:
// the model's card with its pictures, the reference that drift is measured against.
func copyOthers(to string, folder *modeldir.Folder) error {
	return filepath.WalkDir(folder.Dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == folder.Dir {
			return err
		}
		name, err := filepath.Rel(folder.Dir, path)
		if err != nil {
			return err
		}
		switch {
		case strings.HasPrefix(d.Name(), "."): // the unfinished output is one, too
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil
		case d.IsDir():
			return os.MkdirAll(filepath.Join(to, name), 0o777)
		case name == modeldir.ConfigFile || name == modeldir.ExtrasFile || isWeights(name):
			return nil
		}
		return copyFile(filepath.Join(to, name), path)
	})
}

// isWeights is whether a file's name is one that a folder's weights may have: some
// folders hold the same ones several times.
func isWeights(name string) bool {
	for _, pattern := range []string{modeldir.SafetensorsFile, modeldir.PickleFile, "*.ckpt", "*.pth", "*.pth.tar", modeldir.TorchScriptFile} {
		if ok, _ := filepath.Match(pattern, name); ok {
			return true
		}
	}
	return false
}

func copyFile(to, from string) error {
	in, err := os.Open(from) // follows a link, such as those of the hub's cache
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.Create(to)
	if err != nil {
		return err
	}
	if _, err := io.Copy(out, in); err != nil {
		out.Close()
		return err
	}
	return out.Close()
}
