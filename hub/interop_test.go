//go:build interop

package hub_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/torchlit/torchlit/hub"
	"github.com/torchlit/torchlit/internal/interop"
)

// TestInteropHuggingFaceHub fills one cache with Python's huggingface_hub and one with
// this package, from the same hub. They must be the same, and each must be read offline
// by the other.
func TestInteropHuggingFaceHub(t *testing.T) {
	python := interop.Python(t, "torch")
	h, ours, commit := fill(t)
	h.Tag(repo, "v1", commit)
	t.Setenv("HF_ENDPOINT", h.URL)
	t.Setenv("HF_HUB_DISABLE_TELEMETRY", "1")
	t.Setenv("HF_HUB_OFFLINE", "0")
	theirs := filepath.Join(t.TempDir(), "hub")

	names := []string{"config.json", "model.safetensors", "sub/a b.txt"}
	t.Setenv("HF_HUB_CACHE", theirs)
	for _, name := range names {
		assert.Equal(t, theirs, strings.SplitN(strings.TrimSpace(interop.Run(t, python, "testdata/fetch.py", repo, "main", name)), "/models--", 2)[0])
		mustFile(t, ours, repo, name)
	}
	assert.Equal(t, "EntryNotFound\n", interop.Run(t, python, "testdata/fetch.py", repo, "v1", "absent.json"))
	assert.ErrorIs(t, fileError(t, ours, repo+"@v1", "absent.json"), hub.ErrNoFile)
	assert.Equal(t, tree(t, theirs), tree(t, ours.Cache))

	h.Requests()
	offline := &hub.Client{Cache: theirs, Offline: true}
	for _, name := range names {
		path := mustFile(t, offline, repo, name)
		assert.Equal(t, content(t, mustFile(t, ours, repo+"@"+commit, name)), content(t, path))
	}
	assert.ErrorIs(t, fileError(t, offline, repo+"@v1", "absent.json"), hub.ErrNoFile)

	t.Setenv("HF_HUB_CACHE", ours.Cache)
	t.Setenv("HF_HUB_OFFLINE", "1")
	for _, name := range names {
		path := strings.TrimSpace(interop.Run(t, python, "testdata/fetch.py", repo, "main", name))
		assert.Equal(t, mustFile(t, &hub.Client{Cache: ours.Cache, Offline: true}, repo, name), path)
	}
	assert.Empty(t, h.Requests())
}

// tree lists what is in a cache: folders, links with their targets, files with their
// content. What the sign for backup programs says is each one's own words.
func tree(t *testing.T, root string) (list []string) {
	t.Helper()
	require.NoError(t, filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, _ := filepath.Rel(root, path)
		switch {
		case d.Type()&fs.ModeSymlink != 0:
			target, err := os.Readlink(path)
			list = append(list, name+" -> "+target)
			return err
		case d.IsDir():
			list = append(list, name+"/")
		case d.Name() == "CACHEDIR.TAG":
			list = append(list, name)
		default:
			list = append(list, name+" = "+content(t, path))
		}
		return nil
	}))
	return list
}
