// Package mlflow records runs on an MLflow tracking server, over its REST API: metrics,
// settings as params, tags, pictures, artifacts and registered models. What the server
// does not take at once waits in a spool in the run folder; see [track.Spool].
package mlflow

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/torchlit/torchlit/track"
)

// Options say where and how to record.
type Options struct {
	TrackingURI    string // "" is MLFLOW_TRACKING_URI, else http://localhost:5000
	ExperimentName string // "" is MLFLOW_EXPERIMENT_NAME, else torchlit; created if it is not there
	// RegisteredModelName registers the run's model under this name. It implies
	// LogModel.
	RegisteredModelName string
	LogModel            bool          // upload artifacts of kind "model"
	LogSystemMetrics    bool          // the machine's use of CPU, memory, disk, network and GPUs, every 10 s
	FinishWait          time.Duration // see track.SpoolOptions
}

func (o *Options) fill() {
	for _, from := range []string{os.Getenv("MLFLOW_TRACKING_URI"), "http://localhost:5000"} {
		if o.TrackingURI == "" {
			o.TrackingURI = from
		}
	}
	for _, from := range []string{os.Getenv("MLFLOW_EXPERIMENT_NAME"), "torchlit"} {
		if o.ExperimentName == "" {
			o.ExperimentName = from
		}
	}
	o.LogModel = o.LogModel || o.RegisteredModelName != ""
}

// Command is what sends the records that a run left in its spool.
const Command = "torchlit upload"

// Tracker records one run. See [track.Spool] for who may use it at once.
type Tracker struct {
	*track.Spool
	logModel  bool
	stopWatch func() // returns when nothing watches any more
}

var _ track.Tracker = (*Tracker)(nil)

// Artifact records a file or folder under its name: it uploads it, registers a model,
// and notes a dataset as the run's input without uploading it.
func (t *Tracker) Artifact(name, kind, path string) error {
	if kind == "model" && !t.logModel {
		return nil
	}
	return t.Spool.Artifact(name, kind, path)
}

// Finish ends the run; see [track.Spool.Finish].
func (t *Tracker) Finish(status track.Status, summary map[string]float64) error {
	t.stopWatch()
	return t.Spool.Finish(status, summary)
}

// New begins a run, or goes on with the one in the run folder when run.Resumed. It
// fails on settings that cannot be right; a server that cannot be reached is no error,
// the records wait for it.
func New(o Options, run track.Run) (*Tracker, error) {
	o.fill()
	c, err := newClient(o.TrackingURI)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Join(run.Dir, folder), 0o755); err != nil {
		return nil, fmt.Errorf("cannot track with MLflow: %w", err)
	}
	st, err := openState(o, c, run)
	if err != nil {
		return nil, err
	}
	spool, err := track.NewSpool(&sink{c: c, state: st}, spoolOptions(run.Dir, st, o.FinishWait, run.Warn))
	if err != nil {
		return nil, err
	}
	spool.Begin(run.Name, track.FlatStrings(run.Config), runTags(run), run.Resumed)
	t := &Tracker{spool, o.LogModel, func() {}}
	if o.LogSystemMetrics {
		ctx, cancel := context.WithCancel(context.Background())
		var watching sync.WaitGroup
		watching.Go(func() { watch(ctx, spool.Log) })
		t.stopWatch = func() { cancel(); watching.Wait() }
	}
	return t, nil
}

func spoolOptions(dir string, st *state, wait time.Duration, warn func(string)) track.SpoolOptions {
	return track.SpoolOptions{
		Path: filepath.Join(dir, folder, spoolName), Dir: dir,
		Name: "MLflow at " + st.TrackingURI, Command: Command + " " + dir, Warn: warn, FinishWait: wait,
	}
}

// openState returns the state to go on with, or begins another.
func openState(o Options, c *client, run track.Run) (*state, error) {
	st, err := readState(run.Dir)
	if err != nil {
		return nil, err
	}
	_, err = os.Stat(filepath.Join(run.Dir, folder, spoolName))
	unsent := err == nil
	same := st != nil && run.Resumed && st.TrackingURI == c.base.String() && st.ExperimentName == o.ExperimentName
	switch {
	case same:
	case unsent && st != nil:
		return nil, fmt.Errorf("cannot begin another MLflow run in %q: records of the earlier one wait there for %s; send them with: %s %s",
			run.Dir, st.TrackingURI, Command, run.Dir)
	default:
		st = newState(run.Dir)
	}
	st.TrackingURI, st.ExperimentName, st.RegisteredModelName = c.base.String(), o.ExperimentName, o.RegisteredModelName
	return st, st.save()
}

// Upload sends what the run in the run folder dir could not send, with the credentials
// of the environment, and returns how many records these were. warn, which may be nil,
// is told what the server refuses. A folder without an MLflow run has none.
func Upload(ctx context.Context, dir string, warn func(string)) (int, error) {
	st, err := readState(dir)
	if err != nil || st == nil {
		return 0, err
	}
	c, err := newClient(st.TrackingURI)
	if err != nil {
		return 0, err
	}
	sent, err := track.Upload(ctx, &sink{c: c, state: st}, spoolOptions(dir, st, 0, warn))
	if err != nil && errors.Is(err, context.Canceled) {
		return sent, fmt.Errorf("stopped before everything was sent: %w", err)
	}
	return sent, err
}
