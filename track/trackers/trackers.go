// Package trackers opens the trackers that a configuration names. It is the one that
// knows them all.
package trackers

import (
	"context"
	"path/filepath"
	"slices"
	"time"

	"github.com/torchlit/torchlit/track"
	"github.com/torchlit/torchlit/track/dvclive"
	"github.com/torchlit/torchlit/track/mlflow"
	"github.com/torchlit/torchlit/track/tensorboard"
	"github.com/torchlit/torchlit/track/wandb"
)

// Config says where a run is recorded.
type Config struct {
	Tags        []string    `yaml:"tags"` // of the run, in every tracker that has such
	CSV         bool        `yaml:"csv"`  // metrics.csv and hparams.yaml in the run folder
	TensorBoard TensorBoard `yaml:"tensorboard"`
	MLflow      MLflow      `yaml:"mlflow"`
	WandB       WandB       `yaml:"wandb"`
	DVCLive     DVCLive     `yaml:"dvclive"`
}

// TensorBoard says whether and where event files are written.
type TensorBoard struct {
	Enabled bool   `yaml:"enabled"`
	Dir     string `yaml:"dir"` // "": the run folder
}

// MLflow says whether and where a run is recorded on a tracking server. The server's
// credentials come from MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or
// MLFLOW_TRACKING_TOKEN.
type MLflow struct {
	Enabled             bool          `yaml:"enabled"`
	TrackingURI         string        `yaml:"tracking_uri"`          // "": MLFLOW_TRACKING_URI, else http://localhost:5000
	ExperimentName      string        `yaml:"experiment_name"`       // "": MLFLOW_EXPERIMENT_NAME, else torchlit
	RegisteredModelName string        `yaml:"registered_model_name"` // registers the model under this name; "" does not
	LogModel            bool          `yaml:"log_model"`             // uploads the model
	LogSystemMetrics    bool          `yaml:"log_system_metrics"`    // of CPU, memory, disk, network and GPUs, every 10 s
	FinishTimeout       time.Duration `yaml:"finish_timeout"`        // how long the end of a run waits for the server; 0: 30 s
}

// WandB says whether and how a run is recorded for Weights & Biases; see
// [wandb.Options].
type WandB struct {
	Enabled       bool              `yaml:"enabled"`
	Project       string            `yaml:"project"`
	Entity        string            `yaml:"entity"`
	Name          string            `yaml:"name"`
	ID            string            `yaml:"id"`
	Group         string            `yaml:"group"`
	JobType       string            `yaml:"job_type"`
	Tags          []string          `yaml:"tags"`
	Notes         string            `yaml:"notes"`
	Mode          string            `yaml:"mode"`      // online, offline or disabled
	LogModel      string            `yaml:"log_model"` // false, true or all
	Summary       map[string]string `yaml:"summary"`
	StatsInterval time.Duration     `yaml:"stats_interval"`
	UploadTimeout time.Duration     `yaml:"upload_timeout"`
}

func (w *WandB) options() wandb.Options {
	return wandb.Options{
		Project: w.Project, Entity: w.Entity, Name: w.Name, ID: w.ID, Group: w.Group, JobType: w.JobType,
		Tags: w.Tags, Notes: w.Notes, Mode: w.Mode, LogModel: w.LogModel, Summary: w.Summary,
		StatsInterval: w.StatsInterval, UploadTimeout: w.UploadTimeout,
	}
}

// DVCLive says whether and where DVCLive's files are written.
type DVCLive struct {
	Enabled bool   `yaml:"enabled"`
	Dir     string `yaml:"dir"` // "": dvclive in the run folder
}

// Default is what a run is recorded by without settings: files that cost next to
// nothing.
func Default() Config {
	return Config{CSV: true, TensorBoard: TensorBoard{Enabled: true}, MLflow: MLflow{LogSystemMetrics: true}}
}

// Open opens the trackers of cfg for a run, whose folder exists. What they return is one
// Tracker, which whoever opens it finishes. Its methods return the errors of metrics.csv
// only: all others work in the background, and tell their troubles to run.Warn.
//
// Open fails on settings that cannot be right and on a run folder that cannot be
// written. A server that cannot be reached is no error.
func Open(cfg Config, run track.Run) (track.Tracker, error) {
	run.Tags = slices.Concat(run.Tags, cfg.Tags)
	var open []track.Tracker
	for _, o := range openers {
		t, err := o(&cfg, run)
		if err != nil {
			track.Multi(open...).Finish(track.StatusFailed, nil)
			return nil, err
		}
		if t != nil {
			open = append(open, t)
		}
	}
	return track.Multi(open...), nil
}

// openers open one tracker each, or none when it is not asked for.
var openers = []func(*Config, track.Run) (track.Tracker, error){openCSV, openTensorBoard, openDVCLive, openWandB, openMLflow}

func openCSV(cfg *Config, run track.Run) (track.Tracker, error) {
	if !cfg.CSV {
		return nil, nil
	}
	if err := track.WriteHParams(run.Dir, run.Config); err != nil {
		return nil, err
	}
	path := filepath.Join(run.Dir, "metrics.csv")
	if run.Resumed {
		return track.ResumeCSV(path, run.Step)
	}
	return track.NewCSV(path)
}

func openTensorBoard(cfg *Config, run track.Run) (track.Tracker, error) {
	if !cfg.TensorBoard.Enabled {
		return nil, nil
	}
	t, err := tensorboard.New(orElse(cfg.TensorBoard.Dir, run.Dir), run)
	if err != nil {
		return nil, err
	}
	return background(t, "TensorBoard", run, 0), nil
}

func openDVCLive(cfg *Config, run track.Run) (track.Tracker, error) {
	if !cfg.DVCLive.Enabled {
		return nil, nil
	}
	t, err := dvclive.New(orElse(cfg.DVCLive.Dir, filepath.Join(run.Dir, "dvclive")), run)
	if err != nil {
		return nil, err
	}
	return background(t, "DVCLive", run, 0), nil
}

func openWandB(cfg *Config, run track.Run) (track.Tracker, error) {
	if !cfg.WandB.Enabled {
		return nil, nil
	}
	t, err := wandb.New(cfg.WandB.options(), run)
	if err != nil {
		return nil, err
	}
	upload := cfg.WandB.UploadTimeout
	if upload == 0 {
		upload = 5 * time.Minute // wandb's own
	}
	return background(t, "W&B", run, upload+30*time.Second), nil
}

func openMLflow(cfg *Config, run track.Run) (track.Tracker, error) {
	if !cfg.MLflow.Enabled {
		return nil, nil
	}
	m := cfg.MLflow
	t, err := mlflow.New(mlflow.Options{
		TrackingURI: m.TrackingURI, ExperimentName: m.ExperimentName, RegisteredModelName: m.RegisteredModelName,
		LogModel: m.LogModel, LogSystemMetrics: m.LogSystemMetrics, FinishWait: m.FinishTimeout,
	}, run)
	if err != nil {
		return nil, err // not t: a nil *mlflow.Tracker is no nil Tracker
	}
	return t, nil
}

func background(t track.Tracker, name string, run track.Run, wait time.Duration) track.Tracker {
	return track.NewBackground(t, track.BackgroundOptions{Name: name, Warn: run.Warn, FinishWait: wait})
}

func orElse(dir, otherwise string) string {
	if dir == "" {
		return otherwise
	}
	return dir
}

// Upload sends what the run in the folder dir has not brought to its tracking servers
// yet, and returns how many records these were. warn, which may be nil, is told what a
// server refuses. W&B has a command of its own: wandb sync.
func Upload(ctx context.Context, dir string, warn func(string)) (int, error) {
	return mlflow.Upload(ctx, dir, warn)
}
