package main

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/torchlit/torchlit/torch/torchtest"
)

// reloads reloads the bundled model n times by the API under HTTP load, and returns the memory before and after, in
// bytes: resident, and libtorch's. before is taken after a few reloads, when all pools have been filled once.
func reloads(t *testing.T, n int) (before, after [2]float64) {
	torchtest.Need(t)
	root := bundledAs(t, "m")
	s := serveModel(t, "--models", root, "--max-batch-size", "4") // a short warm-up
	image := photo(t, 200, 150, 3)

	var answered, failed atomic.Int64
	done := make(chan struct{})
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			client := &http.Client{Transport: &http.Transport{}}
			defer client.CloseIdleConnections()
			for {
				select {
				case <-done:
					return
				default:
				}
				if a, status, err := post(client, s.url, "image/jpeg", image); err != nil || status != 200 {
					t.Log(status, err, a.Error)
					failed.Add(1)
					return
				}
				answered.Add(1)
			}
		})
	}
	memory := func() [2]float64 {
		time.Sleep(200 * time.Millisecond) // the old one's last threads end
		return [2]float64{metric(t, s.url, "process_resident_memory_bytes"), metric(t, s.url, "torchlit_native_bytes")}
	}
	warm := min(10, n/2)
	for i := range n {
		if i == warm {
			before = memory()
		}
		body, status := postTo(t, s.url+"/v2/repository/models/m/load")
		require.Equal(t, 200, status, body)
	}
	after = memory()
	close(done)
	wg.Wait()
	assert.Zero(t, failed.Load())
	assert.Greater(t, answered.Load(), int64(n))
	assert.EqualValues(t, n+1, metric(t, s.url, "torchlit_model_loads_total"))
	assert.EqualValues(t, 1, metric(t, s.url, "torchlit_model_info"))
	t.Logf("%d reloads, %d requests answered, %d failed; resident %.0f MB before and %.0f MB after, libtorch %.1f MB and %.1f MB",
		n, answered.Load(), failed.Load(), before[0]/1e6, after[0]/1e6, before[1]/1e6, after[1]/1e6)
	return before, after
}

// bundledAs returns a folder of models that holds the bundled one under that name.
func bundledAs(t *testing.T, name string) string {
	t.Helper()
	root := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(root, name), 0o755))
	require.NoError(t, os.CopyFS(filepath.Join(root, name, "1"), os.DirFS(filepath.Join("..", "..", "models", "cifar10-resnet18"))))
	return root
}

func postTo(t *testing.T, url string) (body string, status int) {
	t.Helper()
	resp, err := http.Post(url, "application/json", strings.NewReader("{}"))
	require.NoError(t, err)
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return string(b), resp.StatusCode
}

func TestReloadLosesNothing(t *testing.T) { reloads(t, 3) }

// A file that is cut short while it serves, or while it is read, costs nothing but a line in the index.
func TestTruncatedWeights(t *testing.T) {
	torchtest.Need(t)
	root := bundledAs(t, "m")
	weights := filepath.Join(root, "m", "1", "model.safetensors")
	whole, err := os.ReadFile(weights)
	require.NoError(t, err)
	s := serveModel(t, "--models", root, "--watch=false")
	image := photo(t, 200, 150, 3)
	var wg sync.WaitGroup
	for i := range 6 {
		wg.Go(func() { // cut and whole in turn, as the load goes on
			time.Sleep(time.Duration(i) * 20 * time.Millisecond)
			_ = os.Truncate(weights, int64(len(whole)/(i+2)))
		})
		_, status := postTo(t, s.url+"/v2/repository/models/m/load")
		wg.Wait()
		assert.Contains(t, []int{200, 422}, status, fmt.Sprint(i))
		require.NoError(t, os.WriteFile(weights, whole, 0o644))
		a, status, err := post(http.DefaultClient, s.url, "image/jpeg", image)
		require.NoError(t, err)
		assert.Equal(t, 200, status, a.Error)
	}
	require.NoError(t, os.Truncate(weights, int64(len(whole)/2)))
	body, status := postTo(t, s.url+"/v2/repository/models/m/load")
	assert.Equal(t, 422, status)
	assert.Contains(t, body, "model.safetensors")
	_, status, err = post(http.DefaultClient, s.url, "image/jpeg", image)
	require.NoError(t, err)
	assert.Equal(t, 200, status)
}

// Whatever becomes of the files of a model, the loading that serves answers as before, to the bit; a load fails with what is wrong, and
// goes through when the files are right again.
func TestFilesOfAServingModel(t *testing.T) {
	torchtest.Need(t)
	root := bundledAs(t, "m")
	dir := filepath.Join(root, "m", "1")
	weights := filepath.Join(dir, "model.safetensors")
	whole, err := os.ReadFile(weights)
	require.NoError(t, err)
	s := serveModel(t, "--models", root, "--watch=false", "--max-batch-size", "4")
	image := photo(t, 200, 150, 3)
	want, status, err := post(http.DefaultClient, s.url, "image/jpeg", image)
	require.NoError(t, err)
	require.Equal(t, 200, status)
	f := func(what, says string, spoil func() error) {
		t.Helper()
		require.NoError(t, spoil(), what)
		body, status := postTo(t, s.url+"/v2/repository/models/m/load")
		assert.Contains(t, []int{404, 422}, status, what)
		assert.Contains(t, body, says, what)
		got, status, err := post(http.DefaultClient, s.url, "image/jpeg", image)
		require.NoError(t, err, what)
		assert.Equal(t, 200, status, "%s: %s", what, got.Error)
		assert.Equal(t, want.Predictions, got.Predictions, what)
		require.NoError(t, os.RemoveAll(dir))
		require.NoError(t, os.CopyFS(dir, os.DirFS(filepath.Join("..", "..", "models", "cifar10-resnet18"))))
	}
	inPlace := func(change func(f *os.File) error) func() error {
		return func() error {
			f, err := os.OpenFile(weights, os.O_RDWR, 0)
			if err != nil {
				return err
			}
			defer f.Close()
			return change(f)
		}
	}
	f("cut short", "model.safetensors", inPlace(func(f *os.File) error { return f.Truncate(int64(len(whole) / 2)) }))
	f("emptied", "it is empty", inPlace(func(f *os.File) error { return f.Truncate(0) }))
	f("a header of noise", "model.safetensors", inPlace(func(f *os.File) error { _, err := f.WriteAt(make([]byte, 4096), 8); return err }))
	f("weights of noise", "holds NaN", inPlace(func(f *os.File) error {
		_, err := f.WriteAt(bytes.Repeat([]byte{0xff}, 1<<20), int64(len(whole)-2<<20))
		return err
	}))
	f("deleted", "no weights", func() error { return os.Remove(weights) })
	f("a folder in its place", "no weights file", func() error {
		if err := os.Remove(weights); err != nil {
			return err
		}
		return os.Mkdir(weights, 0o755)
	})
	f("a link to itself", "too many levels of symbolic links", func() error {
		if err := os.Remove(weights); err != nil {
			return err
		}
		return os.Symlink(filepath.Base(weights), weights)
	})
	if os.Geteuid() != 0 { // whom no permission stops
		f("no permission", "permission denied", func() error { return os.Chmod(weights, 0) })
	}
	f("no folder", "m", func() error { return os.RemoveAll(dir) })
	body, status := postTo(t, s.url+"/v2/repository/models/m/load")
	require.Equal(t, 200, status, body)
	got, _, err := post(http.DefaultClient, s.url, "image/jpeg", image)
	require.NoError(t, err)
	assert.Equal(t, want.Predictions, got.Predictions)
}
