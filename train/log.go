package train

import (
	"fmt"
	"os"
	"path/filepath"
	"time"

	"gopkg.in/yaml.v3"

	"github.com/torchlit/torchlit/torch"
	"github.com/torchlit/torchlit/track"
	"github.com/torchlit/torchlit/track/trackers"
)

// openLog opens the trackers, on the rank that keeps the record.
func (r *run) openLog() (err error) {
	if r.leavesNothing() || !r.leads() {
		return nil
	}
	settings, err := r.cfg.tree()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(r.cfg.OutputDir, 0o755); err != nil {
		return fmt.Errorf("cannot make the run folder: %w", err)
	}
	r.log, err = trackers.Open(r.cfg.Track, track.Run{
		Name: runName(r.cfg.OutputDir), Dir: r.cfg.OutputDir, Config: settings, Overrides: r.cfg.Overrides,
		Tags: r.cfg.Track.Tags, Resumed: r.cfg.Resume != "", Step: int64(r.at.Step), Warn: r.notice,
	})
	return err
}

// runName is what a tracker calls a run: its folder, with the day if that is there.
func runName(dir string) string {
	day, name := filepath.Base(filepath.Dir(dir)), filepath.Base(dir)
	if _, err := time.Parse("2006-01-02", day); err == nil {
		return day + " " + name
	}
	return name
}

// tree returns the settings as YAML's own types, nested.
func (c Config) tree() (tree map[string]any, err error) {
	text, err := yaml.Marshal(c)
	if err != nil {
		return nil, fmt.Errorf("cannot describe the settings: %w", err)
	}
	return tree, yaml.Unmarshal(text, &tree)
}

// logMetrics records figures at the step at hand. A tracker in trouble does not end a
// run; the same trouble is told once.
func (r *run) logMetrics(metrics map[string]float64) {
	if r.log == nil {
		return
	}
	defer r.profile.start("logging")()
	err := r.log.Log(int64(r.at.Step), metrics)
	if err != nil && err.Error() != r.logError {
		r.notice(err.Error())
		r.logError = err.Error()
	}
}

// logFiles records what a run was made of and what it leaves.
func (r *run) logFiles(model string) {
	if r.log == nil {
		return
	}
	for _, err := range []error{
		r.log.Artifact("model", "model", model), r.log.Artifact("data", "dataset", r.cfg.Data.Dir),
	} {
		if err != nil {
			r.notice(err.Error())
		}
	}
}

// logStep records the means since the last time.
func (r *run) logStep(lr float64) {
	s := r.at.SinceLog
	r.at.SinceLog = sums{}
	r.logMetrics(map[string]float64{
		"epoch": float64(r.at.Epoch), "train_loss": s.loss(), "train_accuracy": s.accuracy(), "lr": lr,
		"images_per_second": s.rate(), "loader_wait_seconds": s.Waited.Seconds(),
	})
	r.logMemory()
}

// logMemory records the memory that tensors take on the run's device.
func (r *run) logMemory() {
	stats, err := torch.MemoryStats(r.device)
	if err != nil {
		return
	}
	r.logMetrics(map[string]float64{
		"memory_reserved_mb": float64(stats.Reserved) / 1e6, "memory_reserved_peak_mb": float64(stats.ReservedPeak) / 1e6,
	})
}

func (r *run) logEpoch() {
	e := &r.at.Last
	r.logMetrics(map[string]float64{
		"epoch": float64(e.Epoch), "train_loss_epoch": e.TrainLoss, "train_accuracy_epoch": e.TrainAccuracy,
		"lr": r.lrAt(max(0, r.at.Step-1)), "images_per_second_epoch": e.ImagesPerSecond,
	})
}

// finishLog ends the trackers' record of the run.
func (r *run) finishLog(status track.Status) error {
	if r.log == nil {
		return nil
	}
	log := r.log
	r.log = nil
	e := &r.at.Last
	return log.Finish(status, map[string]float64{"val_loss": e.ValLoss, "val_accuracy": e.ValAccuracy})
}
