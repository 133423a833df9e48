package train

import (
	"fmt"
	"math"
	"path/filepath"

	"github.com/torchlit/torchlit/modeldir"
	"github.com/torchlit/torchlit/torch"
	"github.com/torchlit/torchlit/torch/safetensors"
	"github.com/torchlit/torchlit/torch/vision/resnet"
)

// facts is what a model folder says that is neither a run's configuration nor its
// weights. Each checkpoint holds them, so that a model can be made of it without the
// data.
type facts struct {
	Classes       []string   `json:"classes"`
	Side          int        `json:"side"` // pixels
	Mean          [3]float64 `json:"mean"`
	Std           [3]float64 `json:"std"`
	Interpolation string     `json:"interpolation"`
	CropPct       float64    `json:"crop_pct"`
	Dataset       string     `json:"dataset"`
	ValidatedOn   int        `json:"validated_on"` // images
}

func (r *run) facts() facts {
	return facts{
		Classes: r.train.Classes, Side: r.train.Height, Mean: Mean, Std: Std, Interpolation: "bilinear", CropPct: 1,
		Dataset: filepath.Base(r.cfg.Data.Dir), ValidatedOn: r.val.Len(),
	}
}

// folder describes a model that a run of cfg has come to.
func (f facts) folder(cfg *Config, spec resnet.Spec, last Epoch) *modeldir.Folder {
	c := modeldir.DefaultConfig(cfg.Model.Name, len(f.Classes))
	c.LabelNames = f.Classes
	c.NumFeatures = int(spec.Features())
	p := &c.Pretrained
	p.InputSize = [3]int{3, f.Side, f.Side}
	p.Mean, p.Std, p.CropPct, p.Interpolation = f.Mean, f.Std, f.CropPct, f.Interpolation
	x := modeldir.Extras{TrainingRun: &modeldir.TrainingRun{Epochs: last.Epoch + 1, Seed: int64(cfg.Seed), Dataset: f.Dataset}}
	if last.ValAccuracy > 0 {
		accuracy := math.Round(last.ValAccuracy*1e6) / 1e6
		x.Accuracy, x.AccuracyOn = &accuracy, fmt.Sprintf("%d validation images of %s", f.ValidatedOn, f.Dataset)
	}
	if cfg.Model.Stem == resnet.CIFARStem {
		x.Stem = modeldir.StemCIFAR
	}
	return &modeldir.Folder{Config: c, Extras: x}
}

// writeModel leaves what was trained as a model folder.
func (r *run) writeModel(dir string) error {
	folder := r.facts().folder(&r.cfg, r.net.Spec(), r.at.Last)
	return writeFolder(dir, folder, r.net.StateDict(), safetensors.F16)
}

// writeFolder writes a model folder with the tensors as dtype. Half precision is half
// the size and, for a network that was trained in bfloat16, no less accurate.
func writeFolder(dir string, folder *modeldir.Folder, state map[string]torch.Tensor, dtype safetensors.DType) error {
	return modeldir.Write(dir, folder, func(tmp string) error {
		var entries []safetensors.Entry
		for name, t := range state {
			e, err := safetensors.FromFloat32(name, dtype, t.Shape(), torch.Slice[float32](t))
			if err != nil {
				return err
			}
			entries = append(entries, e)
		}
		path := filepath.Join(tmp, modeldir.SafetensorsFile)
		return safetensors.Write(path, entries, map[string]string{"format": "pt"})
	})
}
