package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/torchlit/torchlit/report"
	"github.com/torchlit/torchlit/torch/vision/resnet"
	"github.com/torchlit/torchlit/train"
)

// document lays a model card and the curves of its training beside the weights that a
// run left, and the curves beside its figures.
func document(cfg *train.Config, result *train.Result) error {
	metrics := filepath.Join(cfg.OutputDir, "metrics.csv")
	curves := ""
	if _, err := os.Stat(metrics); err == nil {
		if err := report.TrainingCurves(metrics, result.Model); err != nil {
			return fmt.Errorf("cannot draw the training curves: %w", err)
		}
		curves = "training_curves.png"
	}
	settings, err := yaml.Marshal(cfg)
	if err != nil {
		return fmt.Errorf("cannot write the model card: %w", err)
	}
	f := &result.Facts
	card := report.ModelCard{
		Name: f.Dataset + "-" + cfg.Model.Name, Architecture: cfg.Model.Name, License: "apache-2.0", Labels: f.Classes,
		Height: f.Side, Width: f.Side, Parameters: result.Summary.Parameters, CIFARStem: cfg.Model.Stem == resnet.CIFARStem,
		Temperature: result.Temperature, Dataset: f.Dataset, Split: "validation", TrainImages: f.TrainImages, TestImages: f.ValImages,
		Recipe:  recipe(cfg, result),
		Command: append([]string{"torchlit", "train"}, cfg.Overrides...),
		Hyperparameters: []report.Fact{
			{Name: "optim.name", Value: cfg.Optim.Name}, {Name: "optim.lr", Value: fmt.Sprint(cfg.Optim.LR)},
			{Name: "optim.weight_decay", Value: fmt.Sprint(cfg.Optim.WeightDecay)}, {Name: "optim.schedule", Value: cfg.Optim.Schedule},
			{Name: "optim.label_smoothing", Value: fmt.Sprint(cfg.Optim.LabelSmoothing)}, {Name: "data.batch_size", Value: fmt.Sprint(cfg.Data.BatchSize)},
			{Name: "trainer.max_epochs", Value: fmt.Sprint(cfg.Trainer.MaxEpochs)}, {Name: "trainer.precision", Value: cfg.Trainer.Precision},
			{Name: "seed", Value: fmt.Sprint(cfg.Seed)},
		},
		Config: string(settings), Results: result.Report, Curves: curves,
	}
	text, err := report.Card(card)
	if err != nil {
		return fmt.Errorf("cannot write the model card: %w", err)
	}
	if err := os.WriteFile(filepath.Join(result.Model, "README.md"), text, 0o644); err != nil {
		return fmt.Errorf("cannot write the model card: %w", err)
	}
	return nil
}

// recipe says in a sentence how a model was trained.
func recipe(cfg *train.Config, result *train.Result) string {
	var b strings.Builder
	from := "from scratch"
	if cfg.Init != "" {
		from = "from the weights of " + cfg.Init
	}
	fmt.Fprintf(&b, "Trained %s for %d epochs (%d steps) with %s and a %s schedule, in batches of %d and precision %s.",
		from, result.Epoch.Epoch+1, result.Steps, strings.ToUpper(cfg.Optim.Name), strings.ReplaceAll(cfg.Optim.Schedule, "_", "-"), cfg.Data.BatchSize, cfg.Trainer.Precision)
	switch {
	case cfg.EMA.Decay > 0:
		fmt.Fprintf(&b, " The weights are the exponential moving average with a decay of %v.", cfg.EMA.Decay)
	case cfg.SWA.Epochs > 0:
		fmt.Fprintf(&b, " The weights are the mean of those at the ends of the last %d epochs.", cfg.SWA.Epochs)
	}
	return b.String()
}
