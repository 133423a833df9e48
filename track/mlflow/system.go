package mlflow

import (
	"context"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"github.com/shirou/gopsutil/v4/cpu"
	"github.com/shirou/gopsutil/v4/disk"
	"github.com/shirou/gopsutil/v4/mem"
	"github.com/shirou/gopsutil/v4/net"
)

// sampleEvery is how often the Python client samples the machine, too.
const sampleEvery = 10 * time.Second

// systemPrefix begins the names that MLflow's page of system metrics shows.
const systemPrefix = "system/"

// watch hands the machine's figures to log until ctx ends, with the number of the
// sample as their step. Names and units are those of the Python client
// (mlflow/system_metrics), so that runs compare.
func watch(ctx context.Context, log func(step int64, metrics map[string]float64) error) {
	cpu.PercentWithContext(ctx, 0, false) // later calls give the use since this one
	sent, received := traffic(ctx)
	tick := time.NewTicker(sampleEvery)
	defer tick.Stop()
	for step := int64(0); ; step++ {
		select {
		case <-tick.C:
			log(step, sample(ctx, sent, received))
		case <-ctx.Done():
			return
		}
	}
}

// sample returns what can be measured; what cannot is left out. Traffic counts from
// the given numbers of bytes.
func sample(ctx context.Context, sent, received uint64) map[string]float64 {
	m := map[string]float64{}
	const mega = 1e6
	if used, err := cpu.PercentWithContext(ctx, 0, false); err == nil && len(used) > 0 {
		m["cpu_utilization_percentage"] = used[0]
	}
	if memory, err := mem.VirtualMemoryWithContext(ctx); err == nil {
		m["system_memory_usage_megabytes"] = float64(memory.Used) / mega
		m["system_memory_usage_percentage"] = memory.UsedPercent
	}
	if d, err := disk.UsageWithContext(ctx, "/"); err == nil {
		m["disk_usage_percentage"] = d.UsedPercent
		m["disk_usage_megabytes"] = float64(d.Used) / mega
		m["disk_available_megabytes"] = float64(d.Free) / mega
	}
	nowSent, nowReceived := traffic(ctx)
	m["network_transmit_megabytes"] = float64(nowSent-min(sent, nowSent)) / mega
	m["network_receive_megabytes"] = float64(nowReceived-min(received, nowReceived)) / mega
	sampleGPUs(ctx, m)
	prefixed := make(map[string]float64, len(m))
	for name, v := range m {
		prefixed[systemPrefix+name] = v
	}
	return prefixed
}

func traffic(ctx context.Context) (sent, received uint64) {
	if all, err := net.IOCountersWithContext(ctx, false); err == nil && len(all) > 0 {
		return all[0].BytesSent, all[0].BytesRecv
	}
	return 0, 0
}

// sampleGPUs asks nvidia-smi, if there is one.
func sampleGPUs(ctx context.Context, m map[string]float64) {
	path, err := exec.LookPath("nvidia-smi")
	if err != nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, sampleEvery/2)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, "--format=csv,noheader,nounits",
		"--query-gpu=utilization.gpu,memory.used,memory.total,power.draw,enforced.power.limit")
	cmd.WaitDelay = time.Second
	if out, err := cmd.Output(); err == nil {
		addGPUs(m, string(out))
	}
}

// addGPUs adds the figures of nvidia-smi's table: percent, MiB, MiB, W, W. What a GPU
// does not tell stands there as [N/A].
func addGPUs(m map[string]float64, table string) {
	const mebi = float64(1<<20) / 1e6
	i := 0
	for line := range strings.Lines(table) {
		cells := strings.Split(strings.TrimSpace(line), ",")
		if len(cells) != 5 {
			continue
		}
		var v [5]float64
		var ok [5]bool
		for j, cell := range cells {
			var err error
			v[j], err = strconv.ParseFloat(strings.TrimSpace(cell), 64)
			ok[j] = err == nil
		}
		set := func(name string, value float64, known bool) {
			if known {
				m[fmt.Sprintf("gpu_%d_%s", i, name)] = value
			}
		}
		set("utilization_percentage", v[0], ok[0])
		set("memory_usage_megabytes", v[1]*mebi, ok[1])
		set("memory_usage_percentage", 100*v[1]/v[2], ok[1] && ok[2] && v[2] > 0)
		set("power_usage_watts", v[3], ok[3])
		set("power_usage_percentage", 100*v[3]/v[4], ok[3] && ok[4] && v[4] > 0)
		i++
	}
}
