package train

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"slices"
)

// Which checkpoints stay: the newest ones, to go on from, and those with the best values
// of the monitored metric, to go back to. Only files with a name of ours are deleted.

// ranked is a checkpoint with its value of the monitored metric.
type ranked struct {
	Name  string  `json:"name"`
	Value float64 `json:"value"`
}

func checkpoints(runDir string) string { return filepath.Join(runDir, "checkpoints") }

// checkpointName is Lightning's name for a checkpoint after step steps.
func checkpointName(epoch, step int) string {
	return fmt.Sprintf("epoch=%d-step=%d.safetensors", epoch, step)
}

// stepOf returns the step in a checkpoint's name; ok is false when it is none.
func stepOf(path string) (step int, ok bool) {
	var epoch int
	n, _ := fmt.Sscanf(filepath.Base(path), "epoch=%d-step=%d.safetensors", &epoch, &step)
	return step, n == 2 && filepath.Base(path) == checkpointName(epoch, step)
}

// list returns a folder's checkpoints, oldest first.
func list(dir string) ([]string, error) {
	found, err := filepath.Glob(filepath.Join(dir, "epoch=*-step=*.safetensors"))
	if err != nil {
		return nil, err
	}
	found = slices.DeleteFunc(found, func(path string) bool { _, ok := stepOf(path); return !ok })
	slices.SortFunc(found, func(a, b string) int {
		stepA, _ := stepOf(a)
		stepB, _ := stepOf(b)
		return cmp.Or(stepA-stepB, cmp.Compare(a, b))
	})
	return found, nil
}

// rank gives the checkpoint about to be written its place among the best, unless the
// metric is unknown yet.
func (r *run) rank(name string) {
	c := &r.cfg.Checkpoint
	value := r.metric(c.Monitor)
	if c.SaveTopK == 0 || !finite(value) || r.at.Step == 0 {
		return
	}
	best := append(slices.Clone(r.at.Best), ranked{name, value})
	slices.SortStableFunc(best, func(a, b ranked) int {
		if c.Mode == "max" {
			return cmp.Compare(b.Value, a.Value)
		}
		return cmp.Compare(a.Value, b.Value)
	})
	best = slices.CompactFunc(best, func(a, b ranked) bool { return a.Name == b.Name })
	if c.SaveTopK > 0 && len(best) > c.SaveTopK {
		best = best[:c.SaveTopK]
	}
	r.at.Best = best
}

// sweep deletes what a run that was killed in the middle of writing a checkpoint left.
func sweep(dir string) error {
	halves, err := filepath.Glob(filepath.Join(dir, ".epoch=*-step=*.safetensors.tmp-*"))
	if err != nil {
		return err
	}
	for _, path := range halves {
		os.Remove(path)
	}
	return nil
}

// prune deletes the checkpoints that need not stay.
func (r *run) prune(dir string) error {
	found, err := list(dir)
	if err != nil {
		return err
	}
	for _, path := range found[:max(0, len(found)-r.cfg.Checkpoint.Keep)] {
		name := filepath.Base(path)
		if slices.ContainsFunc(r.at.Best, func(b ranked) bool { return b.Name == name }) {
			continue
		}
		if err := os.Remove(path); err != nil {
			return fmt.Errorf("cannot delete an old checkpoint: %w", err)
		}
	}
	return nil
}
