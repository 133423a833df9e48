package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"

	"github.com/torchlit/torchlit/bench"
)

// profiling takes a CPU profile of a server under load.
type profiling struct {
	*settings
	model   string
	profile string
}

func (p *profiling) register(flags *flag.FlagSet) {
	flags.StringVar(&p.model, "model", "", "model folder (default: the bundled model)")
	flags.StringVar(&p.profile, "profile", "cpu.pprof", "file to write; go run ./tools/flamegraph draws it")
}

func (p *profiling) run(ctx context.Context, _ string) (any, error) {
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	addr := fmt.Sprintf("127.0.0.1:%d", port)
	p.serveArgs = append(p.serveArgs, "--pprof-addr", addr)
	server, err := p.startTorchlit(ctx, p.model)
	if err != nil {
		return nil, err
	}
	defer server.stop()
	// The profile begins with the load's warm-up, ends with the load, and lacks neither.
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	taken := make(chan error, 1)
	go func() { taken <- p.fetch(ctx, addr) }()
	r, err := p.closedLoop(ctx, server)
	if err != nil {
		return nil, err
	}
	if err := <-taken; err != nil {
		return nil, err
	}
	fmt.Printf("%.1f images/s, %d clients; the profile is in %s\n", r.ImagesPerSecond, p.clients, p.profile)
	return struct {
		Result *bench.Result `json:"result"`
	}{r}, nil
}

func (p *profiling) fetch(ctx context.Context, addr string) error {
	seconds := max(1, int((p.warmup + p.duration).Seconds()))
	url := fmt.Sprintf("http://%s/debug/pprof/profile?seconds=%d", addr, seconds)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		panic("BUG: an address that is none: " + url)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("cannot take a profile: %w", err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = errors.New(string(b))
	}
	if err == nil {
		err = os.WriteFile(p.profile, b, 0o644)
	}
	if err != nil {
		return fmt.Errorf("cannot take a profile: %w", err)
	}
	return nil
}
