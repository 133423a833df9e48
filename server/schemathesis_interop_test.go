//go:build interop

package server

import (
	"context"
	"encoding/json"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/torchlit/torchlit/internal/interop"
)

// TestInteropSchemathesis lets schemathesis read the OpenAPI document and try what it says: its examples, the edges of each
// schema, what is right and what is wrong by it at random, and calls one after the other.
func TestInteropSchemathesis(t *testing.T) {
	python := interop.Python(t, "schemathesis")
	const key = "a key for the test"
	s := open(t, Config{
		Models: []Model{colourModel("cifar10-resnet18", "1"), colourModel("colours", "1")}, Repository: fakeRepository{}, AdminKey: key,
		DriftStatus: func(string, string) (any, bool) { return json.RawMessage(driftStatus), true },
		Pictures: func(context.Context, string, string, int) ([]LoggedPicture, error) {
			return []LoggedPicture{{RequestID: "a", Model: "colours", Version: "1", Label: "red", PNG: redPNG}}, nil
		},
	})
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go s.Serve(ln)
	folder, err := filepath.Abs("testdata/schemathesis")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), filepath.Join(filepath.Dir(python), "schemathesis"), "--config-file", filepath.Join(folder, "schemathesis.toml"),
		"run", "http://"+ln.Addr().String()+"/openapi.json", "--phases", "examples,coverage,fuzzing,stateful", "--checks", "all", "--max-examples", "25",
		"--seed", "1", "--header", "Authorization: Bearer "+key, "--continue-on-failure", "--no-color")
	cmd.Dir = t.TempDir() // where it keeps what it found
	cmd.Env = append(os.Environ(), "SCHEMATHESIS_HOOKS=hooks", "PYTHONPATH="+folder)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	t.Logf("%s", out)
}
