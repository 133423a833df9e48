//go:build amd64 && !race

package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

// What docs/source/capacity.md says is what the program says today. Not under the race detector: the whole page takes it minutes, and
// TestPlay runs the same code. Not on other processors, whose multiplications that add round once, so that chance is another.
func TestPageIsFresh(t *testing.T) {
	t.Chdir("../../..")
	dir := t.TempDir()
	files := []string{page, "fleet-load.svg", "fleet-step.svg", "fleet-loss.svg", "fleet-day.svg"}
	committed := map[string][]byte{}
	for _, name := range files {
		b, err := os.ReadFile(filepath.Join(docsFolder, name))
		if err != nil {
			t.Fatal(err)
		}
		committed[name] = b
	}
	if err := os.WriteFile(filepath.Join(dir, page), committed[page], 0o644); err != nil {
		t.Fatal(err)
	}
	if err := writeDocs(dir); err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(b, committed[name]) {
			t.Errorf("%s is not what the program makes: run go run ./batching/sim/fleetsim --docs, and read what changed", filepath.Join(docsFolder, name))
		}
	}
}
