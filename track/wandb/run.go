package wandb

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/torchlit/torchlit/track"
	"google.golang.org/protobuf/encoding/protowire"
)

// run is the tracker of one run, or of one part of a run that was resumed.
//
// W&B's history has one row a step. What is logged at a step is held back as the
// row until a later step begins, or the run ends.
type run struct {
	settings *settings
	info     track.Run
	dir      string // the offline-run folder, absolute
	started  time.Time
	before   earlier  // the parts before this one
	older    []string // and their folders
	hasGPU   bool

	mu      sync.Mutex // guards all below: the system metrics come from their own goroutine
	log     *logWriter
	records int64
	err     error // the first one of put since failed
	row     *row  // nil: nothing held back
	sum     *summary

	models    map[string]string // name → path, for the end of the run
	artifacts int
	upload    *upload // nil: nothing is uploaded
	stop      func()  // ends the sampling, and waits for it
}

// row is what was logged at one step.
type row struct {
	step     int64
	at       time.Time         // of the last call
	values   map[string]string // JSON by name
	pictures map[string][]picture
}

// Log records metrics at a step. A step that the run had logged before it was
// resumed is left out.
func (r *run) Log(step int64, metrics map[string]float64) error {
	for name := range metrics {
		if reserved(name) {
			return fmt.Errorf("cannot log a metric called %q on W&B: the name is taken", name)
		}
	}
	return r.at(step, func(row *row) {
		for name, v := range metrics {
			row.values[name] = jsonNumber(v)
			r.sum.observe(name, row.values[name])
		}
	})
}

// Histogram records the distribution of the finite ones among values, in 64 bins.
func (r *run) Histogram(step int64, name string, values []float32) error {
	value, ok := histogram(values)
	if !ok {
		return fmt.Errorf("cannot log histogram %q: none of its %d values is finite", name, len(values))
	}
	return r.at(step, func(row *row) {
		row.values[name] = value
		r.sum.observe(name, value)
	})
}

// Image records a picture. Several at one step under one name are shown side by
// side, and should have one size.
func (r *run) Image(step int64, name string, png []byte, caption string) error {
	if r.replayed(step) {
		return nil
	}
	p, err := savePicture(filepath.Join(r.dir, "files"), name, step, png, caption)
	if err != nil {
		return err
	}
	return r.at(step, func(row *row) {
		r.put(kindFiles, mediaRecord(p.path))
		row.pictures[name] = append(row.pictures[name], p)
		row.values[name] = pictures(row.pictures[name])
		r.sum.observe(name, row.values[name])
	})
}

// Artifact records a version of a file or folder, which is copied; a "dataset" is
// referred to where it is. Options.LogModel says what becomes of a "model".
func (r *run) Artifact(name, kind, path string) error {
	if kind == "model" {
		switch r.settings.logModel {
		case "false":
			return nil
		case "true":
			if r.models == nil {
				r.models = map[string]string{}
			}
			r.models[name] = path
			return nil
		}
	}
	return r.logArtifact(name, kind, path)
}

func (r *run) logArtifact(name, kind, path string) error {
	r.artifacts++
	staging := filepath.Join(r.dir, "artifacts", fmt.Sprintf("%d-%s", r.artifacts, artifactName(name)))
	a, err := collect(name, kind, path, staging)
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.put(kindArtifact, a.record(r.settings))
	return r.failed()
}

// Finish ends the run. Online it waits for the upload, which Options bound.
func (r *run) Finish(status track.Status, summary map[string]float64) error {
	r.stop()
	var errs []error
	for _, name := range sortedKeys(r.models) {
		errs = append(errs, r.logArtifact(name, "model", r.models[name]))
	}
	if err := r.end(exitCode(status), summary); err != nil {
		errs = append(errs, err)
		r.upload.giveUp() // it may wait for an end that could not be written
	}
	r.upload.finish(r.info, r.settings.uploadTimeout)
	return errors.Join(errs...)
}

func (r *run) end(code int, summary map[string]float64) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.writeRow()
	for name, v := range summary {
		r.sum.observe(name, jsonNumber(v))
	}
	r.writeSummary()
	r.put(kindExit, exitRecord(code, r.runtime(time.Now())))
	r.put(kindFinal, nil)
	r.put(kindFooter, nil)
	return errors.Join(r.failed(), r.log.close())
}

// exitCode is what a Python process would have ended with, from which W&B shows
// the run as finished, failed or killed.
func exitCode(status track.Status) int {
	switch status {
	case track.StatusFinished:
		return 0
	case track.StatusInterrupted:
		return 255
	}
	return 1
}

// at has fill add to the row of a step.
func (r *run) at(step int64, fill func(*row)) error {
	if r.replayed(step) {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.row != nil && step < r.row.step {
		return fmt.Errorf("cannot log step %d on W&B after step %d", step, r.row.step)
	}
	if r.row != nil && step > r.row.step {
		r.writeRow()
	}
	if r.row == nil {
		r.row = &row{step: step, values: map[string]string{}, pictures: map[string][]picture{}}
	}
	r.row.at = time.Now()
	fill(r.row)
	return r.failed()
}

// replayed says that an earlier part of the run has logged the step.
func (r *run) replayed(step int64) bool { return r.before.rows && step <= r.before.step }

// writeRow writes the row that was held back. Called with mu.
func (r *run) writeRow() {
	row := r.row
	if row == nil {
		return
	}
	r.row = nil
	var values []pair
	for _, name := range sortedKeys(row.values) {
		values = append(values, pair{name, row.values[name]})
	}
	values = append(values,
		pair{"_timestamp", jsonSeconds(time.Duration(row.at.UnixNano()))},
		pair{"_runtime", jsonSeconds(r.runtime(row.at))},
		pair{"_step", jsonInt(row.step)})
	for _, p := range values[len(values)-3:] {
		r.sum.observe(p.key, p.json)
	}
	r.put(kindHistory, historyRecord(row.step, values))
}

// writeSummary writes what changed of the summary. Called with mu.
func (r *run) writeSummary() {
	changed := r.sum.take()
	if len(changed) == 0 {
		return
	}
	runtime := r.runtime(time.Now())
	r.put(kindSummary, summaryRecord(changed, runtime))
	all := append(r.sum.all(), pair{"_wandb", object([]pair{{"runtime", jsonInt(int64(runtime / time.Second))}})})
	if err := replaceFile(r.file("wandb-summary.json"), []byte(object(all))); err != nil && r.err == nil {
		r.err = fmt.Errorf("cannot write W&B summary: %w", err)
	}
}

// runtime is how long the run has run, with the parts before.
func (r *run) runtime(at time.Time) time.Duration { return r.before.runtime + at.Sub(r.started) }

// put writes a record. Its error is for failed to return. Called with mu.
func (r *run) put(kind protowire.Number, content message) {
	r.records++
	if err := r.log.write(record(r.records, kind, content)); err != nil {
		r.records--
		if r.err == nil {
			r.err = err
		}
	}
}

// failed returns what went wrong since it was last called. Called with mu.
func (r *run) failed() error {
	err := r.err
	r.err = nil
	return err
}

// The summary is brought up to date this often, if it changed.
const summaryInterval = 3 * time.Second

// startSampling begins to sample the system metrics, until stop.
func (r *run) startSampling() {
	s := newSampler(r.hasGPU)
	r.startTicking(s.sample)
}

func (r *run) startTicking(sample func(context.Context) []pair) {
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	r.stop = func() { cancel(); wg.Wait() }
	wg.Go(func() { r.every(ctx, summaryInterval, r.refresh) })
	if r.settings.statsInterval > 0 {
		wg.Go(func() {
			stats := func() { r.logStats(sample(ctx)) }
			stats()
			r.every(ctx, r.settings.statsInterval, stats)
		})
	}
}

// every calls do in intervals until ctx ends.
func (r *run) every(ctx context.Context, interval time.Duration, do func()) {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			do()
		}
	}
}

// refresh writes the summary; an error is for the next call of the tracker to return.
func (r *run) refresh() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.writeSummary()
}

func (r *run) logStats(values []pair) {
	if len(values) == 0 {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.put(kindStats, statsRecord(time.Now(), values))
}

// file returns the path of a file below files/.
func (r *run) file(name string) string { return filepath.Join(r.dir, "files", name) }

func (r *run) writeJSON(name string, value any) error {
	s, err := encodeJSON(value)
	if err == nil {
		err = os.WriteFile(r.file(name), []byte(s+"\n"), 0o644)
	}
	if err != nil {
		return fmt.Errorf("cannot write %s of the W&B run: %w", name, err)
	}
	return nil
}

// reserved names are W&B's own columns of the history.
func reserved(name string) bool {
	return name == "" || slices.Contains([]string{"_step", "_runtime", "_timestamp"}, name) || strings.HasPrefix(name, "_wandb")
}

func jsonSeconds(d time.Duration) string { return jsonNumber(d.Seconds()) }

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
