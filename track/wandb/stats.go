package wandb

import (
	"context"
	"fmt"
	"os"

	"github.com/shirou/gopsutil/v4/cpu"
	"github.com/shirou/gopsutil/v4/disk"
	"github.com/shirou/gopsutil/v4/mem"
	"github.com/shirou/gopsutil/v4/net"
	"github.com/shirou/gopsutil/v4/process"
)

// sampler measures the machine. Names and units of what it yields are those of
// https://docs.wandb.ai/ref/system-metrics, so that W&B's own charts show them.
type sampler struct {
	process    *process.Process
	threads    int
	sent, recv uint64 // bytes over the network when the run began
	hasGPU     bool
}

// newSampler takes what later samples are counted from.
func newSampler(hasGPU bool) *sampler {
	s := &sampler{hasGPU: hasGPU}
	s.process, _ = process.NewProcess(int32(os.Getpid())) // nil: nothing of the process is known
	s.threads, _ = cpu.Counts(true)
	s.sent, s.recv = traffic()
	if s.process != nil {
		s.process.Percent(0) // later calls give the use since this one
	}
	return s
}

// sample returns what can be measured now; what cannot is left out.
func (s *sampler) sample(ctx context.Context) []pair {
	var pairs []pair
	add := func(key string, v float64) { pairs = append(pairs, pair{key, jsonNumber(v)}) }
	const mib, gib = 1 << 20, 1 << 30

	memory, err := mem.VirtualMemoryWithContext(ctx)
	if err == nil {
		add("memory_percent", memory.UsedPercent)
		add("proc.memory.availableMB", float64(memory.Available)/mib)
	}
	if s.process != nil {
		if used, err := s.process.PercentWithContext(ctx, 0); err == nil && s.threads > 0 {
			add("cpu", used/float64(s.threads))
		}
		if n, err := s.process.NumThreadsWithContext(ctx); err == nil {
			add("proc.cpu.threads", float64(n))
		}
		if own, err := s.process.MemoryInfoWithContext(ctx); err == nil {
			add("proc.memory.rssMB", float64(own.RSS)/mib)
			if memory != nil && memory.Total > 0 {
				add("proc.memory.percent", 100*float64(own.RSS)/float64(memory.Total))
			}
		}
	}
	if used, err := cpu.PercentWithContext(ctx, 0, true); err == nil {
		for i, percent := range used {
			add(fmt.Sprintf("cpu.%d.cpu_percent", i), percent)
		}
	}
	if d, err := disk.UsageWithContext(ctx, "/"); err == nil {
		add("disk./.usagePercent", d.UsedPercent)
		add("disk./.usageGB", float64(d.Used)/gib)
	}
	sent, recv := traffic()
	add("network.sent", float64(sent-min(s.sent, sent)))
	add("network.recv", float64(recv-min(s.recv, recv)))
	if s.hasGPU {
		pairs = append(pairs, gpuStats(ctx)...)
	}
	return pairs
}

func traffic() (sent, recv uint64) {
	if all, err := net.IOCounters(false); err == nil && len(all) > 0 {
		return all[0].BytesSent, all[0].BytesRecv
	}
	return 0, 0
}
