package repository

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/torchlit/torchlit/modeldir"
)

// FuzzLoad: whatever a caller names, nothing is loaded but the folders that the repository has listed. A canary lies in a folder
// beside it, where a name that is taken for a path would lead.
func FuzzLoad(f *testing.F) {
	for _, name := range []string{"cats", "../outside/canary", "..", ".", "", "cats/../../outside/canary", "/etc", "cats\x00", "./cats", "cats/", `..\outside\canary`, "%2e%2e", ".hidden"} {
		f.Add(name, "1")
		f.Add("cats", name)
	}
	for _, version := range []string{"01", "+1", "1/../2", "-1", "1e0", "99999999999999999999"} {
		f.Add("cats", version)
	}
	world := newFake(f)
	outside := filepath.Join(world.root, "outside")
	world.root = filepath.Join(world.root, "models")
	world.write("cats", "1", "cat")
	canary := filepath.Join(outside, "canary", "1")
	require.NoError(f, os.MkdirAll(canary, 0o755))
	require.NoError(f, os.CopyFS(canary, os.DirFS(filepath.Join(world.root, "cats", "1"))))
	known := filepath.Join(world.root, "cats", "1")
	world.onLoad = func(e modeldir.Entry) {
		if e.Dir != known {
			f.Errorf("%q was loaded", e.Dir)
		}
	}
	r := world.open(nil)
	f.Fuzz(func(t *testing.T, name, version string) {
		var parameters map[string]any
		if version != "" {
			parameters = map[string]any{"version": version}
		}
		err := r.Load(t.Context(), name, parameters)
		if right := name == "cats" && (version == "" || version == "1"); right != (err == nil) {
			t.Fatalf("model %q version %q: got %v", name, version, err)
		}
		if err != nil && !errors.Is(err, ErrUnknown) && !errors.Is(err, ErrParameter) {
			t.Fatalf("model %q version %q: got %v, which is no error of the name", name, version, err)
		}
		if err := r.Unload(t.Context(), name); (err == nil) != (name == "cats") {
			t.Fatalf("unloading %q: got %v", name, err)
		}
	})
}
