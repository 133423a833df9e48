package train

import (
	"context"
	"fmt"
	"math"
	"path/filepath"
	"slices"

	"github.com/torchlit/torchlit/evaluate"
	"github.com/torchlit/torchlit/modeldir"
	"github.com/torchlit/torchlit/torch"
	"github.com/torchlit/torchlit/torch/safetensors"
	"github.com/torchlit/torchlit/torch/vision/resnet"
)

// Facts is what a model folder says that is neither a run's configuration nor its
// weights. Each checkpoint holds them, so that a model can be made of it without the
// data.
type Facts struct {
	Classes       []string   `json:"classes"`
	Side          int        `json:"side"` // of the input, in pixels
	Mean          [3]float64 `json:"mean"` // of channels in 0…1
	Std           [3]float64 `json:"std"`
	Interpolation string     `json:"interpolation"`
	CropPct       float64    `json:"crop_pct"`
	Dataset       string     `json:"dataset"`
	TrainImages   int        `json:"train_images"`
	ValImages     int        `json:"val_images"`
	Temperature   float64    `json:"-"` // of the model that a run ends with; 0 for none
}

func (r *run) facts() Facts {
	d := r.data
	return Facts{
		Classes: d.classes, Side: d.side, Mean: d.mean, Std: d.std,
		Interpolation: d.prep.Interpolation.String(), CropPct: d.prep.CropPct,
		Dataset: r.dataset(), TrainImages: d.train.Len(), ValImages: d.val.Len(),
	}
}

// dataset names the data.
func (r *run) dataset() string {
	c := &r.cfg.Data
	if c.ExtraDir == "" {
		return filepath.Base(c.Dir)
	}
	return filepath.Base(c.Dir) + " and " + filepath.Base(c.ExtraDir)
}

// folder describes a model that a run of cfg has come to.
func (f Facts) folder(cfg *Config, spec resnet.Spec, last Epoch) *modeldir.Folder {
	c := modeldir.DefaultConfig(cfg.Model.Name, len(f.Classes))
	c.LabelNames = f.Classes
	c.NumFeatures = int(spec.Features())
	p := &c.Pretrained
	p.InputSize = [3]int{3, f.Side, f.Side}
	p.Mean, p.Std, p.CropPct, p.Interpolation = f.Mean, f.Std, f.CropPct, f.Interpolation
	x := modeldir.Extras{TrainingRun: &modeldir.TrainingRun{Epochs: last.Epoch + 1, Seed: int64(cfg.Seed), Dataset: f.Dataset}}
	if last.ValAccuracy > 0 {
		accuracy := math.Round(last.ValAccuracy*1e6) / 1e6
		x.Accuracy, x.AccuracyOn = &accuracy, fmt.Sprintf("%d validation images of %s", f.ValImages, f.Dataset)
	}
	if f.Temperature > 0 {
		x.Temperature = &f.Temperature
	}
	if cfg.Model.Stem == resnet.CIFARStem {
		x.Stem = modeldir.StemCIFAR
	}
	return &modeldir.Folder{Config: c, Extras: x}
}

// measurable bounds the numbers that measure keeps: 50,000 images of 1,000 classes.
const measurable = 50_000_000

// measure looks at the finished model closely: what it confuses, and which temperature
// makes its probabilities mean what they say.
func (r *run) measure(ctx context.Context, result *Result) error {
	result.Facts, result.Summary = r.facts(), r.summary()
	d := r.data
	if r.valBatches() == 0 || r.overfits() || d.val.Len()*len(d.classes) > measurable {
		return nil
	}
	var logits [][]float32
	var labels []int
	_, err := r.passOver(ctx, d.val, r.valBatches(), func(batch torch.Tensor, truth []int64) {
		values := torch.Slice[float32](batch.CastTo(torch.Float))
		for i, label := range truth {
			logits = append(logits, values[i*len(d.classes):][:len(d.classes)])
			labels = append(labels, int(label))
		}
	})
	if err != nil || !r.alone() {
		return err // several ranks have a share of the answers each
	}
	temperature, _, _ := evaluate.FitTemperature(logits, labels)
	answers := evaluate.Answers{Labels: d.classes, Truth: labels}
	for _, l := range logits {
		answers.Probabilities = append(answers.Probabilities, evaluate.Softmax(nil, l, temperature))
	}
	report := evaluate.Measure(answers)
	result.Report, result.Temperature, result.Facts.Temperature = &report, temperature, temperature
	return nil
}

// largestHalf is the largest finite float16.
const largestHalf = 65504

// writeModel leaves what was trained as a model folder.
func (r *run) writeModel(result *Result) error {
	folder := result.Facts.folder(&r.cfg, r.net.Spec(), r.at.Last)
	return writeFolder(result.Model, folder, r.net.StateDict(), safetensors.F16)
}

// writeFolder writes a model folder with the tensors as dtype. Half precision is half
// the size and, for a network that was trained in bfloat16, no less accurate. A tensor
// that float16 cannot hold, such as a large running variance, stays in float32.
func writeFolder(dir string, folder *modeldir.Folder, state map[string]torch.Tensor, dtype safetensors.DType) error {
	return modeldir.Write(dir, folder, func(tmp string) error {
		var entries []safetensors.Entry
		for name, t := range state {
			values := torch.Slice[float32](t)
			as := dtype
			if as == safetensors.F16 && slices.ContainsFunc(values, func(v float32) bool { return v > largestHalf || v < -largestHalf }) {
				as = safetensors.F32
			}
			e, err := safetensors.FromFloat32(name, as, t.Shape(), values)
			if err != nil {
				return err
			}
			entries = append(entries, e)
		}
		path := filepath.Join(tmp, modeldir.SafetensorsFile)
		return safetensors.Write(path, entries, map[string]string{"format": "pt"})
	})
}
