package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"strings"

	"github.com/torchlit/torchlit/torch"
	"github.com/torchlit/torchlit/torch/lrscheduler"
	"github.com/torchlit/torchlit/torch/safetensors"
)

// A checkpoint is one safetensors file, replaced whole or not at all: the network's
// tensors as "model.…", the optimizer's as "optimizer.…", and the rest as JSON in the
// file's metadata. A training that goes on from it computes, on the CPU, the very weights
// that it would have computed without the interruption, given the same flags.

const modelPrefix, optimizerPrefix, progressKey = "model.", "optimizer.", "progress"

// progress is what a checkpoint holds besides tensors.
type progress struct {
	Epoch     int               `json:"epoch"` // epochs that are done
	Scheduler lrscheduler.State `json:"scheduler"`
	Classes   map[string]int    `json:"classes"`
}

func (t *trainer) save(file string) (err error) {
	text, err := json.Marshal(progress{t.epoch, t.scheduler.State(), t.vocab})
	if err != nil {
		return fmt.Errorf("cannot save the checkpoint: %w", err)
	}
	torch.Scope(func(func(torch.Tensor) torch.Tensor) {
		tensors := map[string]torch.Tensor{}
		for name, tensor := range t.net.StateDict() {
			tensors[modelPrefix+name] = tensor
		}
		for name, tensor := range t.opt.StateDict() {
			tensors[optimizerPrefix+name] = tensor
		}
		err = torch.TrySaveSafetensors(tensors, file, map[string]string{progressKey: string(text)})
	})
	return err
}

func (t *trainer) load(file string) (err error) {
	p, err := readProgress(file)
	if err != nil {
		return fmt.Errorf("cannot resume: %w", err)
	}
	if !maps.Equal(p.Classes, t.vocab) {
		return fmt.Errorf("cannot resume: the checkpoint %q was trained on classes %v, the archive has %v", file, p.Classes, t.vocab)
	}
	torch.Scope(func(func(torch.Tensor) torch.Tensor) {
		var tensors map[string]torch.Tensor
		if tensors, err = torch.TryLoadSafetensors(file, t.device); err != nil {
			return
		}
		if err = t.net.SetStateDict(under(modelPrefix, tensors)); err != nil {
			return
		}
		err = t.opt.SetStateDict(under(optimizerPrefix, tensors))
	})
	if err == nil {
		err = t.scheduler.Restore(p.Scheduler)
	}
	if err != nil {
		return fmt.Errorf("cannot resume from %q: %w", file, err)
	}
	t.epoch = p.Epoch
	return nil
}

func readProgress(file string) (p progress, err error) {
	f, err := safetensors.Open(file)
	if err != nil {
		return p, err
	}
	defer f.Close()
	if err := json.Unmarshal([]byte(f.Metadata()[progressKey]), &p); err != nil {
		return p, fmt.Errorf("%q is no checkpoint of this program: %w", file, err)
	}
	return p, nil
}

// under returns the tensors whose names have a prefix, by the rest of their names.
func under(prefix string, tensors map[string]torch.Tensor) map[string]torch.Tensor {
	part := map[string]torch.Tensor{}
	for name, tensor := range tensors {
		if rest, ok := strings.CutPrefix(name, prefix); ok {
			part[rest] = tensor
		}
	}
	return part
}
