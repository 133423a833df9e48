package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/torchlit/torchlit/bench"
)

// loadSlack is what a measurement may take beyond its own time.
const loadSlack = time.Minute

// load puts a server under load with torchlit bench, and returns what it found. More arguments say how.
func (s *settings) load(ctx context.Context, p *process, args ...string) (*bench.Result, error) {
	ctx, cancel := context.WithTimeout(ctx, s.warmup+s.duration+loadSlack)
	defer cancel()
	args = append([]string{
		"bench", "--json", "--protocol", bench.V1, "--url", p.url, "--images", s.images, "--duration", s.duration.String(), "--warmup", s.warmup.String(),
	}, args...)
	cmd := exec.CommandContext(ctx, s.torchlit, args...)
	var out, notes bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &notes
	cmd.WaitDelay = time.Second
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("cannot put %s under load: %w\n%s", p.name, err, notes.String())
	}
	r := new(bench.Result)
	if err := json.Unmarshal(out.Bytes(), r); err != nil {
		return nil, fmt.Errorf("cannot read what torchlit bench says of %s: %w", p.name, err)
	}
	if r.Interrupted || r.Requests == 0 {
		return nil, fmt.Errorf("cannot use what torchlit bench says of %s: it was interrupted, or nothing was answered", p.name)
	}
	r.Timeline, r.Curve = nil, nil // for a report with plots
	return r, nil
}

// closedLoop measures with clients that wait for their answers. Any failure voids the measurement.
func (s *settings) closedLoop(ctx context.Context, p *process) (*bench.Result, error) {
	r, err := s.load(ctx, p, "--clients", strconv.Itoa(s.clients))
	if err != nil {
		return nil, err
	}
	if r.Errors > 0 || r.Refused.Count > 0 || r.Expired.Count > 0 || r.Latency == nil {
		return nil, fmt.Errorf("%s answered not all requests: %d failed (%v), %d refused, %d too late", p.name, r.Errors, r.ErrorsByKind, r.Refused.Count, r.Expired.Count)
	}
	return r, nil
}

// startTorchlit serves a model, "" for the bundled one.
func (s *settings) startTorchlit(ctx context.Context, model string) (*process, error) {
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	url := fmt.Sprintf("http://127.0.0.1:%d", port)
	args := []string{s.torchlit, "serve", "--addr", url[len("http://"):], "--log-level", "warn"}
	if model != "" {
		args = append(args, "--models", model)
	}
	return start(ctx, "Torchlit", url, url+"/readyz", append(args, s.serveArgs...))
}

const drawnPhotos = 64

// drawPhotos makes photos for those who have none.
func drawPhotos(work string) (string, error) {
	dir := filepath.Join(work, "photos")
	if err := os.Mkdir(dir, 0o755); err != nil {
		return "", fmt.Errorf("cannot draw photos: %w", err)
	}
	for i, photo := range bench.Synthetic(drawnPhotos, 1).Files {
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%02d.jpg", i)), photo, 0o644); err != nil {
			return "", fmt.Errorf("cannot draw photos: %w", err)
		}
	}
	return dir, nil
}

// spread is the middle of some figures, and how far they are apart.
type spread struct {
	Median float64 `json:"median"`
	Least  float64 `json:"least"`
	Most   float64 `json:"most"`
}

// spreadOf sums figures up; there must be one at least.
func spreadOf(figures []float64) spread {
	s := slices.Sorted(slices.Values(figures))
	n := len(s)
	return spread{(s[(n-1)/2] + s[n/2]) / 2, s[0], s[n-1]}
}

// String writes it with three digits or so.
func (s spread) String() string {
	return fmt.Sprintf("%.4g (%.4g to %.4g)", s.Median, s.Least, s.Most)
}

// verdict says whether a goal was met.
func verdict(met bool, goal string) string {
	if met {
		return goal + ": met"
	}
	return goal + ": MISSED"
}
