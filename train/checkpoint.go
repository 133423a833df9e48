package train

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/torchlit/torchlit/torch"
	"github.com/torchlit/torchlit/torch/safetensors"
)

// A checkpoint is one safetensors file: the network's tensors by their own names; under
// prefixes the optimizer's state, the gradient scaler's and the averages; and in the
// metadata, as JSON, where the run stands and what it is configured as. The file is
// written beside its place and renamed, so there is never half of one.
//
// Everything random in a run is a function of the seed and the position, and a position
// lies between two whole steps. So a resumed run goes on exactly as it would have, from
// the middle of an epoch, too: the sums of the epoch's figures are part of the position.
const (
	optimizerPrefix = "optimizer."
	scalerPrefix    = "scaler."
	emaPrefix       = "ema."
	swaPrefix       = "swa."
	stateKey        = "torchlit"
)

// saved is the JSON of a checkpoint.
type saved struct {
	Position position `json:"position"`
	Config   Config   `json:"config"`
	Facts    Facts    `json:"facts"`
}

// tensors lists everything of the run that is a tensor, by its name in a checkpoint. The
// caller closes what is returned as copies.
func (r *run) tensors() (all map[string]torch.Tensor, copies []torch.Tensor) {
	all = maps.Clone(r.net.StateDict())
	add := func(prefix string, dict map[string]torch.Tensor) {
		for name, t := range dict {
			all[prefix+name] = t
			copies = append(copies, t)
		}
	}
	add(optimizerPrefix, r.opt.StateDict())
	if r.scaler != nil {
		add(scalerPrefix, r.scaler.StateDict())
	}
	if r.ema != nil {
		r.ema.tensors(emaPrefix, all)
	}
	if r.swa != nil {
		r.swa.tensors(swaPrefix, all)
	}
	return all, copies
}

// save writes a checkpoint of where the run stands, and deletes those that need not
// stay.
func (r *run) save() error {
	if err := r.levelBuffers(); err != nil {
		return err
	}
	if !r.leads() {
		r.rank(checkpointName(r.at.Epoch, r.at.Step))
		return nil
	}
	defer r.profile.start("checkpoint")()
	dir := checkpoints(r.cfg.OutputDir)
	path := filepath.Join(dir, checkpointName(r.at.Epoch, r.at.Step))
	r.rank(filepath.Base(path))
	now := r.at
	now.Elapsed = r.elapsed()
	state, err := json.Marshal(saved{now, r.cfg, r.facts()})
	if err != nil {
		return fmt.Errorf("cannot describe the checkpoint: %w", err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("cannot make the checkpoint folder: %w", err)
	}
	if err := sweep(dir); err != nil { // what is left of one that was cut off may be what the disk is full of
		return err
	}
	all, copies := r.tensors()
	defer func() {
		for _, t := range copies {
			t.Close()
		}
	}()
	if err := torch.TrySaveSafetensors(all, path, map[string]string{stateKey: string(state)}); err != nil {
		return fmt.Errorf("cannot write checkpoint %q, which takes about %d MB: %w; %s, and go on with resume=%s", path, megabytes(all), err, remedy(err), r.cfg.OutputDir)
	}
	r.clock = time.Now()
	return r.prune(dir)
}

// megabytes is how much a file of the tensors takes, rounded up. All but a few numbers have four bytes.
func megabytes(all map[string]torch.Tensor) int64 {
	n := int64(0)
	for _, t := range all {
		size := int64(1)
		for _, side := range t.Shape() {
			size *= side
		}
		n += 4 * size
	}
	return (n + 1e6 - 1) / 1e6
}

// remedy is what to do about an error of writing.
func remedy(err error) string {
	switch {
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return "free some space"
	case errors.Is(err, syscall.EROFS), errors.Is(err, syscall.EACCES), errors.Is(err, syscall.EPERM):
		return "make its folder writable"
	}
	return "mend that"
}

// checkpoint is a checkpoint's open file.
type checkpoint struct {
	file  *safetensors.File
	state saved
	path  string
}

// openCheckpoint opens a checkpoint's file. The caller closes it.
func openCheckpoint(path string) (*checkpoint, error) {
	file, err := safetensors.Open(path)
	if err != nil {
		return nil, err
	}
	c := &checkpoint{file: file, path: path}
	if err := json.Unmarshal([]byte(file.Metadata()[stateKey]), &c.state); err != nil {
		file.Close()
		return nil, fmt.Errorf("%q is no checkpoint of a run: its metadata: %w", path, err)
	}
	return c, nil
}

// ConfigOf returns what a run was configured as, by its newest checkpoint: what
// a resumed run starts from.
func ConfigOf(runDir string) (Config, error) {
	c, err := newest(runDir)
	if err != nil {
		return Config{}, err
	}
	return c.state.Config, c.file.Close()
}

// newest opens the newest checkpoint of a run folder. The caller closes its file.
func newest(runDir string) (*checkpoint, error) {
	found, err := list(checkpoints(runDir))
	if err != nil {
		return nil, err
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("cannot resume: %q holds no checkpoint; is it a run folder?", runDir)
	}
	c, err := openCheckpoint(found[len(found)-1])
	if err != nil {
		return nil, fmt.Errorf("cannot resume: %w; delete it to go on from the one before", err)
	}
	return c, nil
}

// resume brings the run to where the one before stood.
func (r *run) resume() error {
	c := r.before
	defer c.file.Close()
	if err := r.compatible(&c.state.Config); err != nil {
		return fmt.Errorf("cannot resume from %q with %w", c.path, err)
	}
	if err := r.restore(c.file); err != nil {
		return fmt.Errorf("cannot resume from %q: %w", c.path, err)
	}
	r.at = c.state.Position
	r.at.Stopped = ""
	return nil
}

// compatible refuses what cannot change within a run: a batch of the same number would
// be another one.
func (r *run) compatible(was *Config) error {
	same := func(key string, now, before any) error {
		if now == before {
			return nil
		}
		return fmt.Errorf("%s=%v: the run was begun with %v", key, now, before)
	}
	for _, err := range []error{
		same("data.batch_size", r.cfg.Data.BatchSize, was.Data.BatchSize),
		same("model.name", r.cfg.Model.Name, was.Model.Name),
		same("model.stem", r.cfg.Model.Stem, was.Model.Stem),
		same("optim.name", r.cfg.Optim.Name, was.Optim.Name),
		same("optim.norm_weight_decay", r.cfg.Optim.NormWeightDecay, was.Optim.NormWeightDecay),
		same("freeze.stages", r.cfg.Freeze.Stages, was.Freeze.Stages),
		same("seed", r.cfg.Seed, was.Seed),
	} {
		if err != nil {
			return err
		}
	}
	return nil
}

// restore copies a checkpoint's tensors to where they belong.
func (r *run) restore(file *safetensors.File) (err error) {
	dicts := map[string]map[string]torch.Tensor{"": {}}
	defer func() {
		for _, dict := range dicts {
			for _, t := range dict {
				t.Close()
			}
		}
	}()
	for _, name := range file.Names() {
		prefix, rest := splitName(name)
		if dicts[prefix] == nil {
			dicts[prefix] = map[string]torch.Tensor{}
		}
		if dicts[prefix][rest], err = torch.TryFromSafetensors(file, name); err != nil {
			return err
		}
	}
	if err := r.net.SetStateDict(dicts[""]); err != nil {
		return err
	}
	if err := r.opt.SetStateDict(dicts[optimizerPrefix]); err != nil {
		return err
	}
	if scaler := dicts[scalerPrefix]; r.scaler != nil && scaler != nil {
		if err := r.scaler.SetStateDict(scaler); err != nil {
			return err
		}
	}
	if err := r.ema.restore(dicts[emaPrefix]); err != nil {
		return err
	}
	return r.swa.restore(dicts[swaPrefix])
}

// splitName takes a name in a checkpoint apart.
func splitName(name string) (prefix, rest string) {
	for _, p := range []string{optimizerPrefix, scalerPrefix, emaPrefix, swaPrefix} {
		if rest, ok := strings.CutPrefix(name, p); ok {
			return p, rest
		}
	}
	return "", name
}

// restore sets the mean to a checkpoint's. An average that the run has only now been
// given begins with the network's weights.
func (a *average) restore(dict map[string]torch.Tensor) error {
	if a == nil {
		return nil
	}
	for i, name := range a.names {
		from, ok := dict[name]
		if dict == nil {
			from, ok = a.net[name], true
		}
		if !ok || !slices.Equal(from.Shape(), a.mean[i].Shape()) {
			return fmt.Errorf("the average of tensor %q is missing or has another shape", name)
		}
		torch.NoGrad(func() { a.mean[i].CopyI(from) })
	}
	return nil
}
