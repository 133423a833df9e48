package train

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/torchlit/torchlit/torch"
	"github.com/torchlit/torchlit/torch/safetensors"
)

// A checkpoint is one safetensors file: the network's tensors by their own names
// in float32, the optimizer's momentum of each under momentumPrefix, and in the
// metadata, as JSON, where the run stood and what it was configured as. The file
// is written beside its place and renamed, so there is never half of one.
//
// Everything random in a run is a function of the seed and the position, so
// these two are all that a resumed run needs to go on exactly as it would have.
const (
	momentumPrefix = "momentum."
	stateKey       = "torchlit"
)

// position is where a run stands: before batch Batch of epoch Epoch.
type position struct {
	Epoch  int    `json:"epoch"`
	Batch  int    `json:"batch"`
	Last   Epoch  `json:"last"`
	Config Config `json:"config"`
}

// parameter pairs a parameter's name with its momentum; see parameters.
type parameter struct {
	name     string
	momentum torch.Tensor
}

// parameters lists the trained tensors in the order of the optimizer's momenta.
// The order of the network's fields and that of its state dict agree on every
// parameter, which names them.
func (r *run) parameters() []parameter {
	name := map[*byte]string{}
	for n, t := range r.net.StateDict() {
		name[(*byte)(*t.T)] = n
	}
	momenta := r.opt.Momenta()
	var list []parameter
	for i, p := range r.net.Parameters() {
		list = append(list, parameter{name[(*byte)(*p.T)], momenta[i]})
	}
	return list
}

func (r *run) save() error {
	var entries []safetensors.Entry
	add := func(name string, t torch.Tensor) {
		entries = append(entries, safetensors.Entry{Name: name, DType: safetensors.F32, Shape: t.Shape(), Data: t.Bytes()})
	}
	for name, t := range r.net.StateDict() {
		add(name, t)
	}
	for _, p := range r.parameters() {
		add(momentumPrefix+p.name, p.momentum)
	}
	state, err := json.Marshal(position{r.epoch, r.batch, r.last, r.cfg})
	if err != nil {
		return fmt.Errorf("cannot describe the checkpoint: %w", err)
	}
	dir := checkpoints(r.cfg.OutputDir)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("cannot make the checkpoint folder: %w", err)
	}
	step := r.epoch*r.perEpoch + r.batch
	path := filepath.Join(dir, fmt.Sprintf("step=%08d.safetensors", step))
	if err := safetensors.Write(path, entries, map[string]string{stateKey: string(state)}); err != nil {
		return fmt.Errorf("cannot write checkpoint %q: %w; free some space, and go on with resume=%s", path, err, r.cfg.OutputDir)
	}
	return r.prune(dir)
}

func checkpoints(runDir string) string { return filepath.Join(runDir, "checkpoints") }

// list returns a folder's checkpoints, oldest first.
func list(dir string) ([]string, error) {
	found, err := filepath.Glob(filepath.Join(dir, "step=*.safetensors"))
	slices.Sort(found)
	return found, err
}

func (r *run) prune(dir string) error {
	found, err := list(dir)
	if err != nil {
		return err
	}
	for len(found) > r.cfg.Checkpoint.Keep {
		if err := os.Remove(found[0]); err != nil {
			return fmt.Errorf("cannot delete an old checkpoint: %w", err)
		}
		found = found[1:]
	}
	return nil
}

// ConfigOf returns what a run was configured as, by its newest checkpoint: what
// a resumed run starts from.
func ConfigOf(runDir string) (Config, error) {
	file, at, _, err := newest(runDir)
	if err != nil {
		return Config{}, err
	}
	return at.Config, file.Close()
}

// newest opens the newest checkpoint of a run folder. The caller closes the file.
func newest(runDir string) (file *safetensors.File, at position, path string, err error) {
	found, err := list(checkpoints(runDir))
	if err != nil {
		return nil, at, "", err
	}
	if len(found) == 0 {
		return nil, at, "", fmt.Errorf("cannot resume: %q holds no checkpoint; is it a run folder?", runDir)
	}
	path = found[len(found)-1]
	if file, err = safetensors.Open(path); err != nil {
		return nil, at, path, fmt.Errorf("cannot resume from %q: %w; delete it to go on from the one before", path, err)
	}
	if err := json.Unmarshal([]byte(file.Metadata()[stateKey]), &at); err != nil {
		file.Close()
		return nil, at, path, fmt.Errorf("cannot resume from %q: its metadata is no run's: %w", path, err)
	}
	return file, at, path, nil
}

// resume loads the newest checkpoint of the run folder cfg.Resume.
func (r *run) resume() error {
	file, at, path, err := newest(r.cfg.Resume)
	if err != nil {
		return err
	}
	defer file.Close()
	return r.restore(file, at, path)
}

func (r *run) restore(file *safetensors.File, at position, path string) error {
	if a, b := at.Config.Data.BatchSize, r.cfg.Data.BatchSize; a != b {
		return fmt.Errorf("cannot resume from %q with data.batch_size=%d: the run was begun with %d", path, b, a)
	}
	missing := func(name string) error {
		return fmt.Errorf("cannot resume from %q: tensor %q is missing or has another shape; model.name and model.stem must be those of the run", path, name)
	}
	load := func(name string, t torch.Tensor) error {
		v, ok := file.Tensor(name)
		if !ok || v.DType != safetensors.F32 || !slices.Equal(v.Shape, t.Shape()) {
			return missing(name)
		}
		t.Write(v.Data)
		return nil
	}
	for name, t := range r.net.StateDict() {
		if err := load(name, t); err != nil {
			return err
		}
	}
	for _, p := range r.parameters() {
		if err := load(momentumPrefix+p.name, p.momentum); err != nil {
			return err
		}
	}
	if at.Epoch > 0 || at.Batch > 0 {
		r.opt.Restore()
	}
	r.epoch, r.batch, r.last = at.Epoch, at.Batch, at.Last
	return nil
}
