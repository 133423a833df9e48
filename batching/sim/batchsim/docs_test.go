//go:build amd64 && !race

package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

// What docs/source/batching.md says of the simulation is what the program says today. Not under the race detector, where it takes minutes,
// and not on other processors, whose multiplications that add round once.
func TestPageIsFresh(t *testing.T) {
	bubble = t
	t.Chdir("../../..")
	dir := t.TempDir()
	committed := map[string][]byte{}
	for _, name := range []string{page, "batching-cpu.svg", "batching-gpu.svg"} {
		b, err := os.ReadFile(filepath.Join(folder, name))
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
	for name, want := range committed {
		if b, err := os.ReadFile(filepath.Join(dir, name)); err != nil || !bytes.Equal(b, want) {
			t.Errorf("%s is not what the program makes: run go run ./batching/sim/batchsim -docs, and read what changed (%v)", filepath.Join(folder, name), err)
		}
	}
}
