package main

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/torchlit/torchlit/torch/torchtest"
)

// writeImages makes a data set of two classes.
func writeImages(t testing.TB) string {
	t.Helper()
	data := t.TempDir()
	for _, split := range []string{"train", "test"} {
		for c, class := range []string{"small", "large"} {
			dir := filepath.Join(data, split, class)
			require.NoError(t, os.MkdirAll(dir, 0o755))
			for i := range 8 {
				path := filepath.Join(dir, fmt.Sprintf("%d.jpg", i))
				require.NoError(t, os.WriteFile(path, photo(t, 16, 16, uint64(100*c+i)), 0o644))
			}
		}
	}
	return data
}

// What train leaves is what eval and predict take, and resume goes on from it.
func TestTrainThenEval(t *testing.T) {
	torchtest.Need(t)
	data, run := writeImages(t), filepath.Join(t.TempDir(), "run")
	settings := []string{"train", "data.dir=" + data, "data.batch_size=4", "data.sizes=[]", "augment.pad=1",
		"trainer.precision=32", "trainer.max_epochs=1", "output_dir=" + run}
	out, stderr, code := runCommand(t, settings...)
	require.Zero(t, code, stderr)
	assert.Contains(t, out, "model in "+filepath.Join(run, "model"))
	assert.Contains(t, stderr, "training on 16 images of 2 classes, validating on 16")
	assert.FileExists(t, filepath.Join(run, "metrics.csv"))
	assert.FileExists(t, filepath.Join(run, ".hydra", "config.yaml"))

	out, stderr, code = runCommand(t, "eval", "--model", filepath.Join(run, "model"), "--data", filepath.Join(data, "test"))
	require.Zero(t, code, stderr)
	assert.Contains(t, out, "on 16 images")

	_, stderr, code = runCommand(t, "train", "trainer.max_epochs=2", "resume="+run)
	require.Zero(t, code, stderr)
	assert.Contains(t, stderr, "epochs 2 to 2")
	assert.NotContains(t, stderr, "epoch  1 ")

	_, stderr, code = runCommand(t, "train", "resume="+data)
	assert.Equal(t, 2, code)
	assert.Contains(t, stderr, "holds no checkpoint")
}
