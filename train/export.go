package train

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/torchlit/torchlit/torch"
	"github.com/torchlit/torchlit/torch/safetensors"
	"github.com/torchlit/torchlit/torch/vision/resnet"
)

// Export says what [ExportModel] makes a model folder of.
type Export struct {
	// From is a run folder, of which Checkpoint is taken, or a checkpoint's own file.
	From string
	// Checkpoint is "last", the default, or "best" by the run's monitored metric.
	Checkpoint string
	// Weights is "raw", "ema" or "swa"; "" is the average if the checkpoint has one,
	// as at the end of a run. The statistics of an SWA are those of its last weights
	// here: only the run itself, which has the data, measures them afresh.
	Weights string
	DType   safetensors.DType // F16, BF16 or F32; "" is F16
	Output  string            // the model folder
}

// ExportModel makes a model folder of a checkpoint and returns the checkpoint's path.
func ExportModel(e Export) (checkpoint string, err error) {
	path, err := e.find()
	if err != nil {
		return "", fmt.Errorf("cannot export %q: %w", e.From, err)
	}
	c, err := openCheckpoint(path)
	if err != nil {
		return path, fmt.Errorf("cannot export: %w", err)
	}
	file, state := c.file, &c.state
	defer file.Close()
	spec, err := resnet.Describe(state.Config.Model.Name, state.Config.Model.Stem, int64(len(state.Facts.Classes)))
	if err != nil {
		return path, fmt.Errorf("cannot export %q: %w", path, err)
	}
	prefix, err := e.prefix(file)
	if err != nil {
		return path, fmt.Errorf("cannot export %q: %w", path, err)
	}
	tensors := map[string]torch.Tensor{}
	defer func() {
		for _, t := range tensors {
			t.Close()
		}
	}()
	for _, t := range spec.Tensors() {
		if tensors[t.Name], err = torch.TryFromSafetensors(file, prefix+t.Name); err != nil {
			return path, fmt.Errorf("cannot export %q: %w", path, err)
		}
	}
	folder := state.Facts.folder(&state.Config, spec, state.Position.Last)
	if e.DType == "" {
		e.DType = safetensors.F16
	}
	return path, writeFolder(e.Output, folder, tensors, e.DType)
}

// find returns the checkpoint's path.
func (e Export) find() (string, error) {
	info, err := os.Stat(e.From)
	if err != nil {
		return "", err
	}
	if !info.IsDir() {
		return e.From, nil
	}
	found, err := list(checkpoints(e.From))
	if err != nil {
		return "", err
	}
	if len(found) == 0 {
		return "", fmt.Errorf("it holds no checkpoint; is it a run folder?")
	}
	last := found[len(found)-1]
	switch e.Checkpoint {
	case "", "last":
		return last, nil
	case "best":
		c, err := openCheckpoint(last)
		if err != nil {
			return "", err
		}
		defer c.file.Close()
		best := c.state.Position.Best
		if len(best) == 0 {
			return "", fmt.Errorf("the run knows no best checkpoint: checkpoint.save_top_k was 0, or nothing was validated; export the last")
		}
		return filepath.Join(checkpoints(e.From), best[0].Name), nil
	}
	return "", fmt.Errorf("there is no checkpoint %q: give last, best, or a checkpoint's file", e.Checkpoint)
}

// prefix returns what the names of the chosen weights begin with.
func (e Export) prefix(file *safetensors.File) (string, error) {
	has := func(prefix string) bool { _, ok := file.Tensor(prefix + "fc.weight"); return ok }
	switch prefix := map[string]string{"ema": emaPrefix, "swa": swaPrefix}[e.Weights]; {
	case e.Weights == "raw":
		return "", nil
	case e.Weights == "" && has(emaPrefix):
		return emaPrefix, nil
	case e.Weights == "" && has(swaPrefix):
		return swaPrefix, nil
	case e.Weights == "":
		return "", nil
	case prefix == "":
		return "", fmt.Errorf("there are no %q weights: give raw, ema or swa", e.Weights)
	case !has(prefix):
		return "", fmt.Errorf("it holds no %s weights; the run did not average so", e.Weights)
	default:
		return prefix, nil
	}
}
