package train

import (
	"path/filepath"

	"github.com/torchlit/torchlit/track"
)

// openLog begins metrics.csv, or goes on behind the rows of the run resumed.
func (r *run) openLog() (err error) {
	if r.leavesNothing() {
		return nil
	}
	path := filepath.Join(r.cfg.OutputDir, "metrics.csv")
	if r.cfg.Resume == "" {
		r.log, err = track.NewCSV(path)
	} else {
		r.log, err = track.ResumeCSV(path, int64(r.at.Step))
	}
	return err
}

// logMetrics records figures at the step at hand. A tracker in trouble does not end a
// run.
func (r *run) logMetrics(metrics map[string]float64) {
	if r.log == nil {
		return
	}
	defer r.profile.start("logging")()
	if err := r.log.Log(int64(r.at.Step), metrics); err != nil {
		r.notice(err.Error())
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
