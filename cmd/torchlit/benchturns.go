package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"time"

	"github.com/torchlit/torchlit/predict"
)

// engineTurns is torchlit bench --engine --turns: engines that compute only when a program asks for it, so that it can measure this one
// and others in short turns on one machine. docs/source/bench.md describes the lines.
type engineTurns struct {
	dir     string
	options predict.Options
	crews   map[string]*crew // by setting
	images  map[string][][]byte
}

// turnSetting is a way to share the CPUs out: "2×4" are two runners of four threads.
type turnSetting struct {
	Name   string `json:"name"`
	AtOnce int    `json:"at_once"` // the runners
}

// turnRequest is a line of input.
type turnRequest struct {
	Setting string  `json:"setting"`
	Batch   int     `json:"batch"`
	Images  string  `json:"images"` // file of 8-bit RGB pixels, image after image; "": noise
	Warmup  float64 `json:"warmup_s"`
	Seconds float64 `json:"seconds"`
	Logits  bool    `json:"logits"` // of the first batch, instead of a measurement
}

// turnAnswer is a line of output.
type turnAnswer struct {
	Batches int         `json:"batches,omitempty"`
	Seconds float64     `json:"seconds,omitempty"` // that so many batches take, with all runners
	P50     float64     `json:"p50_ms,omitempty"`  // of one batch
	Logits  [][]float32 `json:"logits,omitempty"`
	Error   string      `json:"error,omitempty"`
}

// benchTurns answers requests until the input ends. A precision that there is not is the answer to none of them: it is told at once.
func (f *benchFlags) benchTurns(ctx context.Context, in io.Reader, out io.Writer) error {
	dir, err := oneModel(f.modelDir)
	if err != nil {
		return err
	}
	t := &engineTurns{dir: dir, crews: map[string]*crew{}, images: map[string][][]byte{}}
	t.options = predict.Options{Device: f.device, Precision: f.precision, MaxBatch: f.target.Batch}
	defer t.close()
	settings := turnSettings(runtime.GOMAXPROCS(0), f.runners, f.threads)
	say := json.NewEncoder(out)
	if _, err := t.crew(settings[0]); err != nil {
		return say.Encode(map[string]string{"name": "Torchlit", "refused": err.Error()})
	}
	if err := say.Encode(map[string]any{"name": "Torchlit", "version": version, "settings": settings}); err != nil {
		return err
	}
	lines := bufio.NewReader(in)
	for ctx.Err() == nil {
		line, err := lines.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("cannot read a turn: %w", err)
		}
		if err := say.Encode(t.answer(ctx, settings, line)); err != nil {
			return err
		}
	}
	return nil
}

// turnSettings are all ways to share CPUs out evenly, few runners first; or the one that was asked for.
func turnSettings(cpus, runners, threads int) []turnSetting {
	var all []turnSetting
	add := func(k, t int) { all = append(all, turnSetting{fmt.Sprintf("%d×%d", k, t), k}) }
	switch {
	case runners > 0 || threads > 0:
		runners = max(1, runners)
		if threads == 0 {
			threads = max(1, cpus/runners)
		}
		add(runners, threads)
	default:
		for k := 1; k <= cpus; k++ {
			if cpus%k == 0 {
				add(k, cpus/k)
			}
		}
	}
	return all
}

func (t *engineTurns) answer(ctx context.Context, settings []turnSetting, line []byte) turnAnswer {
	var r turnRequest
	err := json.Unmarshal(line, &r)
	i := slices.IndexFunc(settings, func(s turnSetting) bool { return s.Name == r.Setting })
	switch {
	case err != nil:
		return turnAnswer{Error: fmt.Sprintf("cannot read the turn: %v", err)}
	case i < 0:
		return turnAnswer{Error: fmt.Sprintf("there is no setting %q", r.Setting)}
	case r.Batch < 1 || r.Batch > t.options.MaxBatch:
		return turnAnswer{Error: fmt.Sprintf("a batch of %d: --batch allows 1 to %d", r.Batch, t.options.MaxBatch)}
	}
	c, err := t.crew(settings[i])
	if err != nil {
		return turnAnswer{Error: err.Error()}
	}
	in, err := t.batch(r, c.model.ImageBytes())
	if err != nil {
		return turnAnswer{Error: err.Error()}
	}
	a, err := c.turn(ctx, r, in)
	if err != nil {
		return turnAnswer{Error: err.Error()}
	}
	return a
}

// batch returns the first images of a file, or noise.
func (t *engineTurns) batch(r turnRequest, size int) ([][]byte, error) {
	images, ok := t.images[r.Images]
	if !ok {
		data, err := rawPixels(r.Images, size*t.options.MaxBatch)
		if err != nil {
			return nil, err
		}
		images = slices.Collect(slices.Chunk(data, size))
		if n := len(data) % size; n != 0 {
			return nil, fmt.Errorf("cannot read images from %q: %d bytes are no multiple of %d, an image of the model", r.Images, len(data), size)
		}
		t.images[r.Images] = images
	}
	if len(images) < r.Batch {
		return nil, fmt.Errorf("%q holds %d images, too few for a batch of %d", r.Images, len(images), r.Batch)
	}
	return images[:r.Batch], nil
}

// rawPixels are a file's, or so many bytes of noise.
func rawPixels(file string, n int) ([]byte, error) {
	if file == "" {
		return noise(n), nil
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("cannot read images: %w", err)
	}
	return data, nil
}

// crew returns the runners of a setting, which are made when they are first asked for and stay.
func (t *engineTurns) crew(s turnSetting) (*crew, error) {
	if c := t.crews[s.Name]; c != nil {
		return c, nil
	}
	options := t.options
	if _, err := fmt.Sscanf(s.Name, "%d×%d", &options.Runners, &options.Threads); err != nil {
		panic("BUG: a setting that is none: " + s.Name)
	}
	c, err := openCrew(t.dir, options)
	if err != nil {
		return nil, err
	}
	t.crews[s.Name] = c
	return c, nil
}

func (t *engineTurns) close() {
	for _, c := range t.crews {
		c.close()
	}
}

// seconds makes a duration of a request's number.
func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }
