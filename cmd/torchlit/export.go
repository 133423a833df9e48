package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/torchlit/torchlit/modeldir"
	"github.com/torchlit/torchlit/torch/safetensors"
	"github.com/torchlit/torchlit/train"
)

// exportFlags are the flags of export.
type exportFlags struct {
	run, checkpoint, weights string
	model                    string
	dtype, output            string
	script                   string
	reference                string
	int8                     int8Flags
}

func exportCommand() *cobra.Command {
	var f exportFlags
	cmd := &cobra.Command{
		Use:   "export (--run RUN | --model DIR) --output DIR",
		Short: "Make a model folder of a checkpoint, or of another model folder",
		Long: `Make a model folder, which holds config.json, model.safetensors and torchlit.json,
of a checkpoint of a run, or of another model folder: weights in another precision,
or out of a pickle (pytorch_model.bin, *.ckpt) into safetensors. A folder keeps its
configuration and its other files. One that is at --output already is replaced, whole
or not at all.

--int8 --calibrate DIR makes the model ready for serve --precision int8: it runs images of
DIR to learn how far activations reach, and stores that in torchlit.json; the weights
stay as they are. Accuracy is measured on DIR's other images, or on --data, and
printed for each precision. Where int8 loses more than --max-accuracy-drop nothing is
written. serve --precision auto relies on these figures.

--reference DIR stores with the model what live traffic is compared with, to find drift and to
estimate accuracy: what the model says of the images of DIR, one subfolder a class, which it
was not trained on, and what those look like (drift.safetensors; 400 images at least, better
some thousand). See docs/source/drift.md.

--torchscript-check FILE runs the TorchScript module of FILE and the model on the same
images and compares their logits, so that a client of the one may go over to the
other. The module takes normalised images [N, 3, height, width] and returns logits.`,
		Example: `  torchlit export --run runs/2026-11-23/21-30-00 --checkpoint best --output models/photos/2
  torchlit export --run runs/…/checkpoints/epoch=3-step=1560.safetensors --output /tmp/model
  torchlit export --model downloads/resnet18 --dtype f16 --output models/resnet18
  torchlit export --model models/resnet18 --int8 --calibrate photos/ --output models/resnet18-int8
  torchlit export --model models/resnet18 --reference photos/val --output models/resnet18
  torchlit export --model models/resnet18 --torchscript-check resnet18.pt`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return f.export(cmd.Context(), cmd.OutOrStdout())
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&f.run, "run", "", "run folder, or the file of a checkpoint")
	flags.StringVar(&f.checkpoint, "checkpoint", "", "of a run folder: last or best (default last)")
	flags.StringVar(&f.weights, "weights", "", "raw, ema or swa (default: the average if the checkpoint has one)")
	flags.StringVar(&f.model, "model", "", "model folder to convert")
	flags.StringVar(&f.dtype, "dtype", "", "f16, bf16 or f32 (default: f16 of a checkpoint, of a model folder what it has)")
	flags.StringVar(&f.output, "output", "", "model folder to make")
	flags.StringVar(&f.script, "torchscript-check", "", "TorchScript file whose logits the model must have")
	flags.StringVar(&f.reference, "reference", "", "folder of labelled images, not trained on, that live traffic is to be compared with")
	f.int8.register(flags)
	return cmd
}

// export makes the folder, checks it, and tells out about both.
func (f exportFlags) export(ctx context.Context, out io.Writer) error {
	dtype, err := f.check()
	if err != nil {
		return usageError{err}
	}
	if f.output != "" {
		from, err := f.make(ctx, out, dtype)
		if err != nil {
			return err
		}
		if err := printExport(out, from, f.output); err != nil {
			return err
		}
		f.model = f.output
	}
	if f.script == "" {
		return nil
	}
	return checkTorchScript(out, f.model, f.script)
}

// make makes the folder and returns what it is made from.
func (f exportFlags) make(ctx context.Context, out io.Writer, dtype safetensors.DType) (from string, err error) {
	e := train.Export{From: f.run, Checkpoint: f.checkpoint, Weights: f.weights, DType: dtype, Output: f.output}
	if f.run != "" && !f.int8.on && f.reference == "" {
		return train.ExportModel(e)
	}
	source, from := f.model, f.model
	if f.run != "" { // what is calibrated, or asked about images, is a folder
		tmp, err := os.MkdirTemp("", "torchlit-export-")
		if err != nil {
			return "", err
		}
		defer os.RemoveAll(tmp)
		e.Output = filepath.Join(tmp, "model")
		if from, err = train.ExportModel(e); err != nil {
			return "", err
		}
		source, dtype = e.Output, ""
	}
	var with additions
	if f.int8.on {
		if with.calibration, err = f.int8.quantize(ctx, out, source); err != nil {
			return "", err
		}
	}
	if f.reference != "" {
		if with.reference, err = makeReference(ctx, out, source, f.reference); err != nil {
			return "", err
		}
	}
	return from, convertModel(source, f.output, dtype, with)
}

// check finds mistakes in the flags before anything is read.
func (f exportFlags) check() (safetensors.DType, error) {
	switch {
	case (f.run == "") == (f.model == ""):
		return "", errors.New("give either --run with a run folder, or --model with a model folder")
	case f.model != "" && (f.checkpoint != "" || f.weights != ""):
		return "", errors.New("--checkpoint and --weights choose of a run: give --run instead of --model")
	case f.output == "" && f.script == "":
		return "", errors.New("--output is missing: name the model folder to make")
	case f.output == "" && f.run != "":
		return "", errors.New("--output is missing: what is checked is a model folder, so a checkpoint has to become one")
	}
	if err := f.int8.check(); err != nil {
		return "", err
	}
	if (f.int8.on || f.reference != "") && f.output == "" {
		return "", errors.New("--output is missing: name the model folder to make")
	}
	dtypes := map[string]safetensors.DType{"": "", "f16": safetensors.F16, "bf16": safetensors.BF16, "f32": safetensors.F32}
	dtype, ok := dtypes[strings.ToLower(f.dtype)]
	if !ok {
		return "", fmt.Errorf("--dtype=%s: give f16, bf16 or f32", f.dtype)
	}
	return dtype, nil
}

// printExport describes the folder that was made.
func printExport(out io.Writer, from, dir string) error {
	folder, err := modeldir.Open(dir)
	if err != nil {
		return err
	}
	file, err := folder.Weights.Open()
	if err != nil {
		return err
	}
	defer file.Close()
	var dtypes []string
	for _, name := range file.Names() {
		v, err := file.Tensor(name)
		if err != nil {
			return err
		}
		if d := strings.ToLower(string(v.DType)); isFloat(v.DType) && !slices.Contains(dtypes, d) {
			dtypes = append(dtypes, d)
		}
	}
	_, err = fmt.Fprintf(out, "%s: %s, %d classes, %s, %s, from %s\n", dir, folder.Config.Architecture,
		folder.Config.NumClasses, strings.Join(dtypes, " and "), fileSize(folder.Weights.Path), from)
	return err
}
