//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/torchlit/torchlit/torch/torchtest"
	"github.com/torchlit/torchlit/torch/vision/resnet"
)

// decodersOf are the processes of a server's decoders.
func decodersOf(t testing.TB, pid int) (pids []int) {
	t.Helper()
	tasks, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	require.NoError(t, err)
	for _, task := range tasks {
		list, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%s/children", pid, task.Name()))
		for _, f := range strings.Fields(string(list)) {
			if line, _ := os.ReadFile("/proc/" + f + "/cmdline"); strings.Contains(string(line), decodeWorker) {
				child, err := strconv.Atoi(f)
				require.NoError(t, err)
				pids = append(pids, child)
			}
		}
	}
	return pids
}

// Decoders in processes of their own give the answers that the server's own process gives. While they are killed one after the other under load,
// each kill costs a request at most, which is told so, and all others get the right answer. With the server they are gone.
func TestDecodersAreKilledUnderLoad(t *testing.T) {
	torchtest.Need(t)
	model := writeModel(t, "resnet18", resnet.CIFARStem, 10, 32)
	images := [][]byte{photo(t, 640, 480, 3), photo(t, 60, 40, 4)} // the first by the server's threads for decoding, the second without
	plain := serveModel(t, "--models", model)
	var want []prediction
	for _, image := range images {
		a, status, err := post(http.DefaultClient, plain.url, "image/jpeg", image)
		require.NoError(t, err)
		require.Equal(t, 200, status)
		want = append(want, a.Predictions[0])
	}
	plain.stop(t)

	s := serveModel(t, "--models", model, "--decode-isolation", "process")
	pid := s.cmd.Process.Pid
	const clients, kills = 4, 8
	var answered, failed atomic.Int64
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for i := range clients {
		wg.Go(func() {
			for ; ctx.Err() == nil; i++ {
				a, status, err := post(http.DefaultClient, s.url, "image/jpeg", images[i%2])
				switch {
				case err == nil && status == 200:
					assert.Equal(t, want[i%2].Label, a.Predictions[0].Label)
					assert.InDelta(t, want[i%2].Probability, a.Predictions[0].Probability, 1e-3) // it may have been batched
					answered.Add(1)
				case err == nil && status == 422 && a.Code == "decoder_crashed":
					failed.Add(1)
				case err == nil && status == 503 && a.Code == "decoder_unavailable": // killed faster than they may be started
				default:
					t.Errorf("status %d %s, %v", status, a.Code, err)
				}
			}
		})
	}
	signals := []syscall.Signal{syscall.SIGKILL, syscall.SIGSEGV}
	for i := range kills {
		before := answered.Load()
		await(t, func() bool { return answered.Load() > before+4 }, s.log.String)
		await(t, func() bool { return len(decodersOf(t, pid)) > 0 }, s.log.String)
		require.NoError(t, syscall.Kill(decodersOf(t, pid)[0], signals[i%2]))
		await(t, func() bool { return metric(t, s.url, "torchlit_decoder_restarts_total") == float64(i+1) }, s.log.String)
	}
	cancel()
	wg.Wait()
	t.Logf("%d kills: %d answered, %d failed", kills, answered.Load(), failed.Load())
	assert.LessOrEqual(t, failed.Load(), int64(kills))
	await(t, func() bool { return metric(t, s.url, "torchlit_decoders") > 0 }, s.log.String)
	left := decodersOf(t, pid)
	require.NotEmpty(t, left)
	s.stop(t)
	for _, decoder := range left {
		await(t, func() bool { return errors.Is(syscall.Kill(decoder, 0), syscall.ESRCH) }, func() string { return "a decoder outlives its server" })
	}
	assert.Contains(t, s.log.String(), "a decoder ended")
}

func TestDecodeIsolationSettings(t *testing.T) {
	_, stderr, code := runCommand(t, "serve", "--decode-isolation", "thread")
	assert.Equal(t, 2, code)
	assert.Contains(t, stderr, "--decode-isolation must be none or process")
	_, stderr, code = runCommand(t, "decode-worker")
	assert.Equal(t, 1, code)
	assert.Contains(t, stderr, "nobody else")
	stdout, _, _ := runCommand(t, "--help")
	assert.NotContains(t, stdout, "decode-worker")
}
