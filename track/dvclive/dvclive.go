// Package dvclive writes the files of DVCLive, which dvc metrics, dvc params, dvc plots
// and DVC's extension of VS Code read:
//
//	metrics.json                the latest value of each metric, and the step
//	params.yaml                 the run's settings
//	plots/metrics/<name>.tsv    the history of a metric, a row a step
//	plots/images/<name>/<step>.png
//	dvc.yaml                    tells DVC of these and of the model
//
// The layout is that of https://dvc.org/doc/dvclive/how-it-works, with dvc.yaml inside
// the folder, so that it does not touch the one of a pipeline.
package dvclive

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/torchlit/torchlit/track"
)

// Tracker writes one folder. Each call's files are whole when it returns. It is for one
// goroutine.
type Tracker struct {
	dir       string
	latest    map[string]float64
	step      int64
	histories map[string]*os.File
	images    bool
	artifacts map[string]artifact
}

var _ track.Tracker = (*Tracker)(nil)

// artifact is an entry of dvc.yaml's artifacts.
type artifact struct {
	Path string `yaml:"path"`
	Type string `yaml:"type"`
}

// New begins the folder dir for a new run, whose predecessor's files there go; a
// resumed run goes on behind the rows up to run.Step.
func New(dir string, run track.Run) (*Tracker, error) {
	t := &Tracker{dir: dir, latest: map[string]float64{}, step: run.Step, histories: map[string]*os.File{}, artifacts: map[string]artifact{}}
	if err := t.begin(run); err != nil {
		t.close()
		return nil, fmt.Errorf("cannot write DVCLive's files: %w", err)
	}
	return t, nil
}

func (t *Tracker) begin(run track.Run) error {
	if run.Resumed {
		if err := t.recall(run.Step); err != nil {
			return err
		}
	} else if err := os.RemoveAll(filepath.Join(t.dir, "plots")); err != nil {
		return err
	}
	if err := os.MkdirAll(t.dir, 0o755); err != nil {
		return err
	}
	config := run.Config
	if config == nil {
		config = map[string]any{}
	}
	params, err := yaml.Marshal(config)
	if err != nil {
		return err
	}
	if err := track.WriteFile(t.path("params.yaml"), params); err != nil {
		return err
	}
	if err := t.writeMetrics(nil); err != nil {
		return err
	}
	return t.writeDVC()
}

func (t *Tracker) path(parts ...string) string {
	return filepath.Join(append([]string{t.dir}, parts...)...)
}

// recall takes up the histories of the run that is resumed, without the rows that it
// will write again.
func (t *Tracker) recall(step int64) error {
	root := t.path("plots", "metrics")
	err := filepath.WalkDir(root, func(file string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(file) != ".tsv" {
			return err
		}
		rel, err := filepath.Rel(root, file)
		if err != nil {
			return err
		}
		name := strings.TrimSuffix(filepath.ToSlash(rel), ".tsv")
		last, err := keep(file, step)
		if err == nil && last != "" {
			if v, parseErr := strconv.ParseFloat(last, 64); parseErr == nil {
				t.latest[name] = v
			}
		}
		return err
	})
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	if _, statErr := os.Stat(t.path("plots", "images")); statErr == nil {
		t.images = true
	}
	return err
}

// keep leaves the rows of a history up to a step and returns the value of the last.
func keep(file string, step int64) (last string, err error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return "", err
	}
	var kept strings.Builder
	for i, line := range slices.Collect(strings.Lines(string(data))) {
		cells := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		if i > 0 {
			at, err := strconv.ParseInt(cells[0], 10, 64)
			if err != nil || len(cells) != 2 || !strings.HasSuffix(line, "\n") || at > step {
				continue // cut short, or to be written again
			}
			last = cells[1]
		}
		kept.WriteString(line)
	}
	return last, track.WriteFile(file, []byte(kept.String()))
}

// Log adds a row to the history of each metric and writes metrics.json.
func (t *Tracker) Log(step int64, metrics map[string]float64) error {
	t.step = max(t.step, step)
	first := len(t.latest) == 0
	for _, name := range slices.Sorted(maps.Keys(metrics)) {
		if err := t.row(step, name, metrics[name]); err != nil {
			return fmt.Errorf("cannot write DVCLive's files: %w", err)
		}
		t.latest[name] = metrics[name]
	}
	err := t.writeMetrics(nil)
	if err == nil && first {
		err = t.writeDVC()
	}
	if err != nil {
		return fmt.Errorf("cannot write DVCLive's files: %w", err)
	}
	return nil
}

func (t *Tracker) row(step int64, name string, v float64) error {
	if !filepath.IsLocal(name) {
		return fmt.Errorf("metric %q would be written outside of %q", name, t.dir)
	}
	f := t.histories[name]
	if f == nil {
		path := t.path("plots", "metrics", filepath.FromSlash(name)+".tsv")
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		var err error
		if f, err = os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644); err != nil {
			return err
		}
		t.histories[name] = f
		if info, err := f.Stat(); err != nil {
			return err
		} else if info.Size() == 0 {
			if err := writeRow(f, "step", filepath.Base(name)); err != nil {
				return err
			}
		}
	}
	return writeRow(f, strconv.FormatInt(step, 10), number(v))
}

// writeRow appends a row, or nothing: half of one would spoil the next.
func writeRow(f *os.File, cells ...string) error {
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	w.Comma = '\t'
	w.Write(cells) // a bytes.Buffer takes everything
	w.Flush()
	n, err := f.Write(b.Bytes())
	if info, statErr := f.Stat(); err != nil && n > 0 && statErr == nil {
		f.Truncate(info.Size() - int64(n))
	}
	return err
}

// number writes v as Python does.
func number(v float64) string {
	switch {
	case math.IsNaN(v):
		return "nan"
	case math.IsInf(v, 0):
		return strings.TrimPrefix(strings.ToLower(fmt.Sprint(v)), "+")
	}
	return strconv.FormatFloat(v, 'g', -1, 64)
}

// Histogram does nothing: DVCLive has no place for it.
func (t *Tracker) Histogram(int64, string, []float32) error { return nil }

// Image writes a picture.
func (t *Tracker) Image(step int64, name string, png []byte, _ string) error {
	if !filepath.IsLocal(name) {
		return fmt.Errorf("cannot write DVCLive's files: picture %q would be outside of %q", name, t.dir)
	}
	path := t.path("plots", "images", filepath.FromSlash(name), strconv.FormatInt(step, 10)+".png")
	err := os.MkdirAll(filepath.Dir(path), 0o755)
	if err == nil {
		err = track.WriteFile(path, png)
	}
	if err == nil && !t.images {
		t.images = true
		err = t.writeDVC()
	}
	if err != nil {
		return fmt.Errorf("cannot write DVCLive's files: %w", err)
	}
	return nil
}

// notName is what the name of an artifact may not have: DVC's rule is lower-case
// letters, digits, and "-" and "/" between them.
var notName = regexp.MustCompile(`[^a-z0-9]+`)

// Artifact tells DVC of the file or folder, which stays where it is.
func (t *Tracker) Artifact(name, kind, path string) error {
	from, err := filepath.Abs(t.dir)
	if err == nil {
		path, err = filepath.Abs(path)
	}
	var rel string
	if err == nil {
		rel, err = filepath.Rel(from, path)
	}
	if err == nil {
		name = strings.Trim(notName.ReplaceAllString(strings.ToLower(name), "-"), "-")
		t.artifacts[name] = artifact{Path: filepath.ToSlash(rel), Type: kind}
		err = t.writeDVC()
	}
	if err != nil {
		return fmt.Errorf("cannot write DVCLive's files: %w", err)
	}
	return nil
}

// Finish adds the summary to metrics.json and closes the files. Finishing twice is
// harmless.
func (t *Tracker) Finish(_ track.Status, summary map[string]float64) error {
	if t.histories == nil {
		return nil
	}
	err := errors.Join(t.writeMetrics(summary), t.writeDVC(), t.close())
	if err != nil {
		return fmt.Errorf("cannot write DVCLive's files: %w", err)
	}
	return nil
}

func (t *Tracker) close() error {
	var errs []error
	for _, f := range t.histories {
		errs = append(errs, f.Close())
	}
	t.histories = nil
	return errors.Join(errs...)
}
