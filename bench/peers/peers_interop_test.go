//go:build interop

package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
)

// The measurements run to their ends, with little load: LitServe answers as Torchlit does, and the figures are written. What they are
// is not looked at.
func TestInteropPeers(t *testing.T) {
	torchlit := filepath.Join("..", "..", "bin", "torchlit")
	if _, err := os.Stat(torchlit); err != nil {
		t.Fatal("make build first: ", err)
	}
	f := func(figures any, args ...string) {
		t.Helper()
		output := filepath.Join(t.TempDir(), "figures.json")
		args = append(args, "--torchlit", torchlit, "--rounds", "1", "--duration", "2s", "--warmup", "500ms", "--clients", "4", "--json", output)
		if err := run(t.Context(), args); err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(output)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(b, figures); err != nil {
			t.Fatal(err)
		}
	}
	var c compared
	f(&c, "litserve", "--litserve", "litserve", "--venvs", filepath.Join("..", "..", ".deps", "venv"), "--litserve-args", "--batch 4")
	if len(c.Turns) != 2 || c.Same.Photos != drawnPhotos || c.Same.Classes < 4 || c.Images.Median <= 0 || c.P99.Median <= 0 {
		t.Errorf("got %+v", c)
	}
	var e engineFigures
	f(&e, "engine", "--engine", "engine", "--weights", filepath.Join("litserve", "weights.py"), "--venvs", filepath.Join("..", "..", ".deps", "venv"),
		"--batches", "1", "--peers", "eager,onnxruntime,openvino", "--tune", "100ms")
	if len(e.Results) < 2*7 || e.Results[0].Engine != "Torchlit" || e.Results[0].ToBest == nil || e.Results[0].ToEager == nil {
		t.Errorf("got %d results, missing %+v", len(e.Results), e.Missing)
	}
	var b shared
	f(&b, "server", "--tune", "100ms")
	if len(b.Results) != 1 || b.Results[0].Batch == 0 || b.Results[0].Share.Median <= 0 {
		t.Errorf("got %+v", b)
	}
	var o overloaded
	f(&o, "overload", "--deadline", "300ms")
	if len(o.Capacities) != 2 || len(o.Overloads) != 1 || o.Overloads[0].Goodput <= 0 || o.Goodput.Median <= 0 {
		t.Errorf("got %+v", o)
	}
}
