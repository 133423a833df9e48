//go:build interop

package tests

import (
	"bufio"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/torchlit/torchlit/internal/interop"
)

// TestInteropNotebooks runs the notebooks as a reader would, from a fresh kernel to the last cell, with the program that make build left and a
// server on a port of its own. A cell that raises fails, and so does a notebook that draws nothing.
func TestInteropNotebooks(t *testing.T) {
	python := interop.Python(t, "notebooks")
	url := serveBundled(t)
	scratch := t.TempDir()
	names, err := filepath.Glob("notebooks/*.ipynb")
	if err != nil || len(names) < 2 {
		t.Fatalf("found the notebooks %q: %v", names, err)
	}
	for _, name := range names {
		t.Run(path.Base(name), func(t *testing.T) {
			cmd := exec.CommandContext(t.Context(), python, "-m", "nbconvert", "--execute", "--to", "notebook", "--output-dir", scratch, name)
			cmd.Env = append(os.Environ(), "TORCHLIT_URL="+url, "TORCHLIT_NOTEBOOKS="+scratch, "TORCHLIT_RUN=", "TORCHLIT_OTHER_RUN=",
				"JUPYTER_CONFIG_DIR="+t.TempDir(), "JUPYTER_DATA_DIR="+t.TempDir(), "IPYTHONDIR="+t.TempDir(), "MPLCONFIGDIR="+t.TempDir())
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			if figures(t, filepath.Join(scratch, path.Base(name))) == 0 {
				t.Error("it draws nothing")
			}
		})
	}
}

// figures counts the pictures among the outputs of a notebook.
func figures(t *testing.T, name string) int {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	var notebook struct {
		Cells []struct {
			Outputs []struct {
				Data map[string]any `json:"data"`
			} `json:"outputs"`
		} `json:"cells"`
	}
	if err := json.Unmarshal(b, &notebook); err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, c := range notebook.Cells {
		for _, o := range c.Outputs {
			if o.Data["image/png"] != nil {
				n++
			}
		}
	}
	return n
}

// serveBundled starts the built program with the bundled model and returns its address; it is stopped at the end of the test.
func serveBundled(t *testing.T) string {
	t.Helper()
	cmd := exec.Command("bin/torchlit", "serve", "--addr", "127.0.0.1:0")
	log, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); errors.Is(err, os.ErrNotExist) {
		t.Fatal("there is no bin/torchlit: run make build")
	} else if err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(log)
	page, said := "", ""
	for page == "" && lines.Scan() {
		said += lines.Text() + "\n"
		var event struct{ Msg, Page string }
		if json.Unmarshal(lines.Bytes(), &event) == nil && event.Msg == "ready" {
			page = event.Page
		}
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		for lines.Scan() { // until it has stopped
		}
		if err := cmd.Wait(); err != nil {
			t.Error(err)
		}
	})
	if page == "" {
		t.Fatalf("the server did not start:\n%s", said)
	}
	return strings.TrimSuffix(page, "/")
}
