package wandb

import (
	"bytes"
	"context"
	"encoding/csv"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// NVIDIA's driver comes with nvidia-smi, which answers without cgo and without
// starting a CUDA context in this process.

// nvidiaSMI asks for some properties of each GPU: a row a GPU.
func nvidiaSMI(ctx context.Context, properties ...string) ([][]string, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second) // a sick driver answers never
	defer cancel()
	cmd := exec.CommandContext(ctx, "nvidia-smi", "--query-gpu="+strings.Join(properties, ","), "--format=csv,noheader,nounits")
	cmd.WaitDelay = time.Second
	out, err := cmd.Output()
	if err != nil {
		return nil, err
	}
	r := csv.NewReader(bytes.NewReader(out))
	r.FieldsPerRecord, r.TrimLeadingSpace = len(properties), true
	return r.ReadAll()
}

// findGPUs returns the NVIDIA GPUs of the machine; none when there is no driver.
func findGPUs(ctx context.Context) []gpu {
	rows, err := nvidiaSMI(ctx, "name", "memory.total", "uuid")
	if err != nil {
		return nil
	}
	gpus := make([]gpu, len(rows))
	for i, row := range rows {
		mib, _ := strconv.ParseUint(row[1], 10, 64) // 0 for "[N/A]"
		gpus[i] = gpu{name: row[0], memory: mib << 20, uuid: row[2]}
	}
	return gpus
}

// gpuStats samples each GPU. Properties that a GPU does not have are left out.
func gpuStats(ctx context.Context) []pair {
	rows, err := nvidiaSMI(ctx, "utilization.gpu", "utilization.memory", "memory.used", "memory.total",
		"temperature.gpu", "power.draw", "power.limit", "clocks.sm", "clocks.mem")
	if err != nil {
		return nil
	}
	var pairs []pair
	for i, row := range rows {
		value := func(column int) (float64, bool) {
			v, err := strconv.ParseFloat(row[column], 64)
			return v, err == nil // "[N/A]", "[Not Supported]"
		}
		add := func(name string, v float64, ok bool) {
			if ok {
				pairs = append(pairs, pair{fmt.Sprintf("gpu.%d.%s", i, name), jsonNumber(v)})
			}
		}
		busy, hasBusy := value(0)
		access, hasAccess := value(1)
		used, hasUsed := value(2)
		total, hasTotal := value(3)
		celsius, hasCelsius := value(4)
		watts, hasWatts := value(5)
		limit, hasLimit := value(6)
		sm, hasSM := value(7)
		memory, hasMemory := value(8)
		add("gpu", busy, hasBusy)
		add("memory", access, hasAccess)
		add("memoryAllocatedBytes", used*(1<<20), hasUsed)
		add("memoryAllocated", 100*used/total, hasUsed && hasTotal && total > 0)
		add("temp", celsius, hasCelsius)
		add("powerWatts", watts, hasWatts)
		add("enforcedPowerLimitWatts", limit, hasLimit)
		add("powerPercent", 100*watts/limit, hasWatts && hasLimit && limit > 0)
		add("smClock", sm, hasSM)
		add("memoryClock", memory, hasMemory)
	}
	return pairs
}
