//go:build amd64

package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

// What is committed is what the program draws today, and nothing else. Other processors round the last digits of coordinates otherwise.
func TestFiguresAreFresh(t *testing.T) {
	t.Chdir("../..")
	dir := t.TempDir()
	if err := draw(dir); err != nil {
		t.Fatal(err)
	}
	drawn, committed := files(t, dir), files(t, "reports/figures")
	for name, b := range committed {
		if !bytes.Equal(b, drawn[name]) {
			t.Errorf("reports/figures/%s is not what the program draws: run make figures, and look at what changed", name)
		}
	}
	for name := range drawn {
		if committed[name] == nil {
			t.Errorf("reports/figures/%s is missing: run make figures", name)
		}
	}
}

func files(t *testing.T, dir string) map[string][]byte {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string][]byte{}
	for _, e := range entries {
		if out[e.Name()], err = os.ReadFile(filepath.Join(dir, e.Name())); err != nil {
			t.Fatal(err)
		}
	}
	return out
}
