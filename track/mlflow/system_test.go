package mlflow

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestSample(t *testing.T) {
	m := sample(t.Context(), 0, 0)
	for _, name := range []string{"system_memory_usage_megabytes", "system_memory_usage_percentage", "disk_usage_percentage", "network_receive_megabytes"} {
		require.Contains(t, m, "system/"+name)
	}
	require.Greater(t, m["system/system_memory_usage_megabytes"], 10.0)
	require.LessOrEqual(t, m["system/system_memory_usage_percentage"], 100.0)
}

func TestGPUs(t *testing.T) {
	m := map[string]float64{}
	addGPUs(m, "35, 1000, 81559, 350.00, 700.00\n[N/A], 0, 81559, [N/A], 700.00\nno such line\n")
	require.Equal(t, map[string]float64{
		"gpu_0_utilization_percentage": 35, "gpu_0_memory_usage_megabytes": 1048.576, "gpu_0_memory_usage_percentage": 100.0 * 1000 / 81559,
		"gpu_0_power_usage_watts": 350, "gpu_0_power_usage_percentage": 50,
		"gpu_1_memory_usage_megabytes": 0, "gpu_1_memory_usage_percentage": 0,
	}, m)
}

// TestGPUsAreAsked puts a program in the place of nvidia-smi.
func TestGPUsAreAsked(t *testing.T) {
	if _, err := exec.LookPath("sh"); err != nil {
		t.Skip("needs a shell")
	}
	dir := t.TempDir()
	script := "#!/bin/sh\necho '7, 1, 2, 3, 4'\n"
	require.NoError(t, os.WriteFile(filepath.Join(dir, "nvidia-smi"), []byte(script), 0o755))
	t.Setenv("PATH", strings.Join([]string{dir, os.Getenv("PATH")}, string(os.PathListSeparator)))
	require.Equal(t, 7.0, sample(t.Context(), 0, 0)["system/gpu_0_utilization_percentage"])
}

func TestWatch(t *testing.T) {
	t.Setenv("PATH", "")
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		var steps []int64
		done := make(chan struct{})
		go func() {
			defer close(done)
			watch(ctx, func(step int64, metrics map[string]float64) error {
				require.NotEmpty(t, metrics)
				steps = append(steps, step)
				return nil
			})
		}()
		time.Sleep(35 * time.Second)
		cancel()
		<-done
		require.Equal(t, []int64{0, 1, 2}, steps)
	})
}
