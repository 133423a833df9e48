package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/torchlit/torchlit/internal/smalldisk"
	"github.com/torchlit/torchlit/modeldir"
	"github.com/torchlit/torchlit/torch/torchtest"
	"github.com/torchlit/torchlit/torch/vision/resnet"
)

// A disk that fills up, or becomes read-only, ends a training with a sentence that names the file and its size. The checkpoint before is
// whole, nothing half is left, and the run goes on from it when there is room.
func TestTrainOnAFullDisk(t *testing.T) {
	torchtest.Need(t)
	d := smalldisk.New(t, 200<<20) // a checkpoint is 90 MB: two, but not three
	data, run := writeImages(t), filepath.Join(d.Dir, "run")
	begin := func(more ...string) (stderr string, code int) {
		t.Helper()
		_, stderr, code = runCommand(t, append([]string{"train", "data.dir=" + data, "data.batch_size=4", "data.sizes=[]", "augment.pad=1",
			"trainer.precision=32", "checkpoint.keep=3", "checkpoint.every_n_train_steps=1", "trainer.max_epochs=1"}, more...)...)
		return stderr, code
	}
	stderr, code := begin("output_dir=" + run)
	require.Equal(t, 1, code, stderr)
	assert.Contains(t, stderr, "cannot write checkpoint")
	assert.Contains(t, stderr, "which takes about 90 MB")
	assert.Contains(t, stderr, "no space left on device; free some space, and go on with resume="+run)
	found, err := filepath.Glob(filepath.Join(run, "checkpoints", "*"))
	require.NoError(t, err)
	assert.Len(t, found, 2)
	halves, err := filepath.Glob(filepath.Join(run, "checkpoints", ".*"))
	require.NoError(t, err)
	assert.Empty(t, halves, "half a checkpoint takes room")

	require.NoError(t, os.Remove(found[0])) // the older one
	d.ReadOnly(true)
	stderr, code = begin("resume=" + run)
	assert.Equal(t, 1, code, stderr)
	assert.Contains(t, stderr, "read-only file system")
	d.ReadOnly(false)

	// A run that was killed while it wrote has left half a checkpoint, with which there would be no room.
	d.Resize(250 << 20)
	half := filepath.Join(run, "checkpoints", ".epoch=9-step=9.safetensors.tmp-0123456789abcdef")
	require.NoError(t, os.WriteFile(half, make([]byte, 80<<20), 0o644))
	stderr, code = begin("resume="+run, "checkpoint.keep=1", "checkpoint.save_top_k=0")
	require.Zero(t, code, stderr)
	assert.NoFileExists(t, half)
	assert.FileExists(t, filepath.Join(run, "model", modeldir.SafetensorsFile))
}

// An export that does not fit leaves the folder that was there, and nothing else.
func TestExportOnAFullDisk(t *testing.T) {
	torchtest.Need(t)
	d := smalldisk.New(t, 60<<20)
	model := writeModel(t, "resnet18", resnet.CIFARStem, 10, 32) // 22 MB
	out := filepath.Join(d.Dir, "m")
	_, stderr, code := runCommand(t, "export", "--model", model, "--output", out)
	require.Zero(t, code, stderr)
	before := tensorOf(t, out, "conv1.weight")
	free := d.Free()
	_, stderr, code = runCommand(t, "export", "--model", model, "--dtype", "f32", "--output", out)
	assert.Equal(t, 1, code)
	assert.Contains(t, stderr, "no space left on device")
	assert.Contains(t, stderr, d.Dir)
	assert.Equal(t, before, tensorOf(t, out, "conv1.weight"))
	assert.InDelta(t, free, d.Free(), 64<<10, "what was written in vain takes room")
}
