package train_test

import (
	"context"
	"encoding/json"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/torchlit/torchlit/torch/torchtest"
	"github.com/torchlit/torchlit/train"
)

const killedRun = "TORCHLIT_TEST_KILLED_RUN"

// A run killed without a warning, again and again, and resumed each time must end with
// the very bits of one that was not: weights, momenta, averages and figures alike.
func TestKilledRunsEndAsUnbrokenOnes(t *testing.T) {
	torchtest.Need(t)
	if text := os.Getenv(killedRun); text != "" {
		var cfg train.Config
		require.NoError(t, json.Unmarshal([]byte(text), &cfg))
		_, err := train.Run(t.Context(), cfg, train.Events{})
		require.NoError(t, err)
		return
	}
	cfg := small(t, stripes(t, 24))
	cfg.Trainer.MaxEpochs, cfg.Trainer.AccumulateGradBatches, cfg.Trainer.LogEveryNSteps = 4, 2, 2
	cfg.Trainer.ValCheckInterval = train.Portion{Count: 4}
	cfg.Checkpoint.EveryNTrainSteps, cfg.Checkpoint.Keep = 1, 100
	cfg.EMA.Decay = 0.9
	unbroken := cfg
	unbroken.OutputDir = t.TempDir()
	_, err := train.Run(t.Context(), unbroken, train.Events{})
	require.NoError(t, err)
	started := time.Now()

	rng := rand.New(rand.NewPCG(uint64(started.UnixNano()), 0))
	kills := 0
	for range 200 {
		// A busy machine gets more time with every kill, so that the run comes to its end.
		patience := time.Duration(rng.Int64N(int64(1500*time.Millisecond))) + time.Duration(kills)*100*time.Millisecond
		if killAfter(t, cfg, patience) {
			break
		}
		kills++
		if found, _ := filepath.Glob(filepath.Join(cfg.OutputDir, "checkpoints", "epoch=*")); len(found) > 0 {
			cfg.Resume = cfg.OutputDir
		}
	}
	t.Logf("killed %d times", kills)
	require.NotEmpty(t, cfg.Resume, "the run was never resumed")
	sameTensors(t, unbroken, cfg)
	assert.Equal(t, figures(t, unbroken), figures(t, cfg))
	assert.Equal(t, len(checkpoints(t, unbroken)), len(checkpoints(t, cfg)))
}

// killAfter runs cfg in a process of its own that is killed after a while, and tells
// whether it came to its end before.
func killAfter(t *testing.T, cfg train.Config, after time.Duration) (ended bool) {
	t.Helper()
	text, err := json.Marshal(cfg)
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond+after) // what starting takes
	defer cancel()
	command := exec.CommandContext(ctx, os.Args[0], "-test.run", "^TestKilledRunsEndAsUnbrokenOnes$")
	command.Env = append(os.Environ(), killedRun+"="+string(text))
	out, err := command.CombinedOutput() // the context's end kills by SIGKILL
	if err != nil && ctx.Err() == nil {
		t.Fatalf("the run failed: %v\n%s", err, out)
	}
	return err == nil
}

// A checkpoint cut short, which only a broken disk leaves behind, is named.
func TestTruncatedCheckpoint(t *testing.T) {
	torchtest.Need(t)
	torchtest.NoLeak(t)
	cfg := small(t, stripes(t, 16))
	cfg.Trainer.MaxEpochs = 2
	_, err := train.Run(t.Context(), cfg, train.Events{})
	require.NoError(t, err)
	found := checkpoints(t, cfg)
	last := found[len(found)-1]
	info, err := os.Stat(last)
	require.NoError(t, err)
	require.NoError(t, os.Truncate(last, info.Size()/2))
	cfg.Resume = cfg.OutputDir
	_, err = train.Run(t.Context(), cfg, train.Events{})
	require.ErrorContains(t, err, last)
	require.ErrorContains(t, err, "delete it to go on from the one before")

	require.NoError(t, os.Remove(last))
	_, err = train.Run(t.Context(), cfg, train.Events{})
	require.NoError(t, err)
}

// What cannot change within a run is refused, and named.
func TestResumeWithAnotherBatchSize(t *testing.T) {
	torchtest.Need(t)
	torchtest.NoLeak(t)
	cfg := small(t, stripes(t, 16))
	cfg.Trainer.MaxEpochs = 1
	_, err := train.Run(t.Context(), cfg, train.Events{})
	require.NoError(t, err)
	cfg.Resume, cfg.Data.BatchSize = cfg.OutputDir, 4
	_, err = train.Run(t.Context(), cfg, train.Events{})
	require.ErrorContains(t, err, "data.batch_size=4: the run was begun with 8")
}

// A disk that is full when a checkpoint is due ends the run with a sentence, and leaves
// the checkpoints before.
func TestCheckpointThatCannotBeWritten(t *testing.T) {
	torchtest.Need(t)
	torchtest.NoLeak(t)
	cfg := small(t, stripes(t, 16))
	blocked := filepath.Join(cfg.OutputDir, "checkpoints", "epoch=2-step=8.safetensors")
	require.NoError(t, os.MkdirAll(filepath.Join(blocked, "x"), 0o755)) // no file can take this name
	_, err := train.Run(t.Context(), cfg, train.Events{})
	require.ErrorContains(t, err, "cannot write checkpoint")
	require.ErrorContains(t, err, "mend that, and go on with resume="+cfg.OutputDir)
	assert.FileExists(t, filepath.Join(cfg.OutputDir, "checkpoints", "epoch=1-step=4.safetensors"))
}
