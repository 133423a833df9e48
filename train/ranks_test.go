package train_test

import (
	"encoding/json"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/torchlit/torchlit/torch/torchtest"
	"github.com/torchlit/torchlit/train"
)

const rankRun = "TORCHLIT_TEST_RANK_RUN"

// startRanks starts a process for each of n ranks, each running this test of the same
// name again, and returns the commands.
func startRanks(t *testing.T, n int, cfg train.Config) []*exec.Cmd {
	t.Helper()
	free, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	_, port, err := net.SplitHostPort(free.Addr().String())
	require.NoError(t, err)
	require.NoError(t, free.Close())
	text, err := json.Marshal(cfg)
	require.NoError(t, err)
	commands := make([]*exec.Cmd, n)
	for rank := range n {
		c := exec.CommandContext(t.Context(), os.Args[0], "-test.run", "^"+t.Name()+"$")
		c.Env = append(os.Environ(), rankRun+"="+string(text), "MASTER_ADDR=127.0.0.1", "MASTER_PORT="+port,
			"RANK="+strconv.Itoa(rank), "WORLD_SIZE="+strconv.Itoa(n), "LOCAL_RANK="+strconv.Itoa(rank), "LOCAL_WORLD_SIZE="+strconv.Itoa(n))
		c.Stdout, c.Stderr = new(strings.Builder), new(strings.Builder)
		require.NoError(t, c.Start())
		commands[rank] = c
	}
	return commands
}

// asRank runs the configuration that this process was started with, if it was.
func asRank(t *testing.T) bool {
	text := os.Getenv(rankRun)
	if text == "" {
		return false
	}
	var cfg train.Config
	require.NoError(t, json.Unmarshal([]byte(text), &cfg))
	ctx, stop := signalContext(t)
	defer stop()
	_, err := train.Run(ctx, cfg, train.Events{})
	require.NoError(t, err)
	return true
}

func waitAll(t *testing.T, commands []*exec.Cmd) {
	t.Helper()
	for rank, c := range commands {
		err := c.Wait()
		require.NoError(t, err, "rank %d:\n%v\n%v", rank, c.Stdout, c.Stderr)
	}
}

// Two ranks must train as one with twice the batch: with synchronised batch
// normalisation they compute the same sums in another order.
func TestTwoRanksTrainAsOne(t *testing.T) {
	torchtest.Need(t)
	if asRank(t) {
		return
	}
	data := stripes(t, 24)
	two := small(t, data)
	two.Trainer.MaxEpochs, two.Trainer.SyncBatchNorm, two.Data.BatchSize = 2, true, 4
	two.EMA.Decay = 0.5
	one := two
	one.OutputDir, one.Data.BatchSize = t.TempDir(), 8
	commands := startRanks(t, 2, two)
	_, err := train.Run(t.Context(), one, train.Events{})
	require.NoError(t, err)
	waitAll(t, commands)

	a, b := checkpoints(t, one), checkpoints(t, two)
	require.Equal(t, len(a), len(b))
	for _, name := range []string{"conv1.weight", "layer2.0.conv1.weight", "layer4.1.bn2.running_var", "fc.weight", "ema.fc.weight"} {
		assert.InDeltaSlice(t, tensorOf(t, a[len(a)-1], name), tensorOf(t, b[len(b)-1], name), 2e-3, name)
	}
	rowsA, rowsB := figures(t, one), figures(t, two)
	require.Equal(t, len(rowsA), len(rowsB))
	for i := range rowsA[1:] {
		for j, cell := range rowsA[i+1] {
			if cell == "" {
				assert.Equal(t, "", rowsB[i+1][j])
				continue
			}
			x, err := strconv.ParseFloat(cell, 64)
			require.NoError(t, err)
			y, err := strconv.ParseFloat(rowsB[i+1][j], 64)
			require.NoError(t, err)
			assert.InDelta(t, x, y, 0.05, "%s in row %d", rowsA[0][j], i)
		}
	}
}

// A signal to one rank ends them all with a checkpoint, from which both go on.
func TestRanksStopTogether(t *testing.T) {
	torchtest.Need(t)
	if asRank(t) {
		return
	}
	cfg := small(t, stripes(t, 24))
	cfg.Trainer.MaxEpochs, cfg.Data.BatchSize = 10_000, 4
	commands := startRanks(t, 2, cfg)
	require.Eventually(t, func() bool { _, err := os.Stat(cfg.OutputDir + "/metrics.csv"); return err == nil }, time.Minute, 50*time.Millisecond)
	require.NoError(t, commands[1].Process.Signal(syscall.SIGTERM))
	for _, c := range commands {
		err := c.Wait()
		require.Error(t, err)
		assert.Contains(t, c.Stdout.(*strings.Builder).String(), "training was interrupted")
	}
	before := len(checkpoints(t, cfg))
	require.NotZero(t, before)

	cfg.Resume, cfg.Trainer.MaxEpochs = cfg.OutputDir, 1
	waitAll(t, startRanks(t, 2, cfg))
}
