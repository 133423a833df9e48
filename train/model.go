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

// writeModel leaves what was trained as a model folder: half-precision weights,
// which are half the size and, for a network that was trained in bfloat16, no
// less accurate.
func (r *run) writeModel(dir string) error {
	folder := &modeldir.Folder{Config: r.modelConfig(), Extras: r.modelExtras()}
	return modeldir.Write(dir, folder, func(tmp string) error {
		var entries []safetensors.Entry
		for name, t := range r.net.StateDict() {
			values := torch.Slice[float32](t)
			e, err := safetensors.FromFloat32(name, safetensors.F16, t.Shape(), values)
			if err != nil {
				return err
			}
			entries = append(entries, e)
		}
		path := filepath.Join(tmp, modeldir.SafetensorsFile)
		return safetensors.Write(path, entries, map[string]string{"format": "pt"})
	})
}

func (r *run) modelConfig() modeldir.Config {
	c := modeldir.DefaultConfig(r.cfg.Model.Name, len(r.train.Classes))
	c.LabelNames = r.train.Classes
	c.NumFeatures = int(r.net.Spec().Features())
	p := &c.Pretrained
	p.InputSize = [3]int{3, r.train.Height, r.train.Width}
	p.Mean, p.Std = Mean, Std
	p.CropPct = 1
	p.Interpolation = "bilinear"
	return c
}

func (r *run) modelExtras() modeldir.Extras {
	accuracy := math.Round(r.at.Last.ValAccuracy*1e6) / 1e6
	x := modeldir.Extras{Accuracy: &accuracy, AccuracyOn: fmt.Sprintf("%d validation images of %s", r.val.Len(), filepath.Base(r.cfg.Data.Dir))}
	if r.cfg.Model.Stem == resnet.CIFARStem {
		x.Stem = modeldir.StemCIFAR
	}
	x.TrainingRun = &modeldir.TrainingRun{Epochs: r.cfg.Trainer.MaxEpochs, Seed: int64(r.cfg.Seed), Dataset: filepath.Base(r.cfg.Data.Dir)}
	return x
}
