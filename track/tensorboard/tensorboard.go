// Package tensorboard writes event files, which TensorBoard shows: scalars,
// histograms, pictures, and the run's settings as text and under HPARAMS.
//
// The files are those that PyTorch's SummaryWriter writes. TensorBoard reads them
// while the run goes on: tensorboard --logdir runs
package tensorboard

import (
	"bytes"
	"fmt"
	"image/png"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"gopkg.in/yaml.v3"

	"github.com/torchlit/torchlit/track"
)

// Tracker writes one event file. Each call's events are in the file before it
// returns, so a run that is killed keeps them. It is for one goroutine.
type Tracker struct {
	file *os.File
	end  int64 // behind the last whole record
	step int64 // the highest seen
}

var _ track.Tracker = (*Tracker)(nil)

// New begins an event file in the folder dir, which need not exist. The file of a
// resumed run is another one beside the earlier ones, and makes readers forget what
// these hold of steps behind run.Step, so that curves go on without a fold.
func New(dir string, run track.Run) (*Tracker, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("cannot write TensorBoard events: %w", err)
	}
	now := time.Now()
	file, err := os.OpenFile(filepath.Join(dir, fileName(dir, now)), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, fmt.Errorf("cannot write TensorBoard events: %w", err)
	}
	t := &Tracker{file: file, step: run.Step}
	events := []message{event(now, 0).fileVersion()}
	if run.Resumed {
		events = append(events, event(now, run.Step+1).restart())
	}
	settings := []message{sessionStart(track.Flatten(run.Config), now)}
	if text := describe(run); text != "" {
		settings = append(settings, markdown("config", text))
	}
	events = append(events, event(now, 0).summary(settings...))
	if err := t.write(events...); err != nil {
		file.Close()
		return nil, err
	}
	return t, nil
}

// fileName names a file that readers, who go by the alphabet, read after those that
// are in dir already.
func fileName(dir string, now time.Time) string {
	const prefix = "events.out.tfevents."
	seconds := now.Unix()
	files, _ := os.ReadDir(dir) // what cannot be listed has no earlier files for us
	for _, f := range files {
		rest, ok := strings.CutPrefix(f.Name(), prefix)
		if earlier, err := strconv.ParseInt(strings.SplitN(rest, ".", 2)[0], 10, 64); ok && err == nil {
			seconds = max(seconds, earlier+1)
		}
	}
	host, err := os.Hostname()
	if err != nil {
		host = "localhost"
	}
	return fmt.Sprintf("%s%010d.%s.%d.0", prefix, seconds, host, os.Getpid())
}

// describe is the run's settings as Markdown.
func describe(run track.Run) string {
	var b strings.Builder
	if len(run.Tags) > 0 {
		fmt.Fprintf(&b, "Tags: %s\n\n", strings.Join(run.Tags, ", "))
	}
	for i, o := range run.Overrides {
		if i == 0 {
			b.WriteString("Overrides:\n\n")
		}
		fmt.Fprintf(&b, "    %s\n", o)
	}
	if config, err := yaml.Marshal(run.Config); err == nil && len(run.Config) > 0 {
		b.WriteString("\nSettings:\n\n")
		for line := range strings.Lines(string(config)) {
			b.WriteString("    " + line) // indented: a code block
		}
	}
	return b.String()
}

// Log writes a scalar a metric, as 32-bit floats.
func (t *Tracker) Log(step int64, metrics map[string]float64) error {
	if len(metrics) == 0 {
		return nil
	}
	var values []message
	for _, name := range slices.Sorted(maps.Keys(metrics)) {
		values = append(values, scalar(name, metrics[name]))
	}
	return t.add(step, values...)
}

// Histogram writes how the finite ones of values are distributed; without any it
// writes nothing.
func (t *Tracker) Histogram(step int64, name string, values []float32) error {
	h, ok := bucketsOf(values)
	if !ok {
		return nil
	}
	return t.add(step, histogram(name, &h))
}

// Image writes a picture.
func (t *Tracker) Image(step int64, name string, encoded []byte, caption string) error {
	config, err := png.DecodeConfig(bytes.NewReader(encoded))
	if err != nil {
		return fmt.Errorf("cannot write picture %q: %w", name, err)
	}
	return t.add(step, picture(name, config.Height, config.Width, encoded, caption))
}

// Artifact does nothing: TensorBoard has no place for it.
func (t *Tracker) Artifact(string, string, string) error { return nil }

// Finish writes the summary as scalars below "summary/" and how the run ended, and
// closes the file. An interrupted run, which can be resumed, has not ended. Finishing
// twice is harmless.
func (t *Tracker) Finish(status track.Status, summary map[string]float64) error {
	if t.file == nil {
		return nil
	}
	var values []message
	for _, name := range slices.Sorted(maps.Keys(summary)) {
		values = append(values, scalar("summary/"+name, summary[name]))
	}
	if status != track.StatusInterrupted {
		values = append(values, sessionEnd(status == track.StatusFinished, time.Now()))
	}
	err := t.add(t.step, values...)
	if closeErr := t.file.Close(); err == nil && closeErr != nil {
		err = fmt.Errorf("cannot write TensorBoard events: %w", closeErr)
	}
	t.file = nil
	return err
}

func (t *Tracker) add(step int64, values ...message) error {
	t.step = max(t.step, step)
	return t.write(event(time.Now(), step).summary(values...))
}

// write appends events. What a failed write leaves, the next one writes over.
func (t *Tracker) write(events ...message) error {
	if t.file == nil {
		return fmt.Errorf("cannot write TensorBoard events: the run is finished")
	}
	var b []byte
	for _, e := range events {
		b = appendRecord(b, e)
	}
	if _, err := t.file.WriteAt(b, t.end); err != nil {
		t.file.Truncate(t.end)                                        // readers would wait for the rest of half a record
		return fmt.Errorf("cannot write TensorBoard events: %w", err) // names the file
	}
	t.end += int64(len(b))
	return nil
}
