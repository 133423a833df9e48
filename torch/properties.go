package torch

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"runtime"
	"strings"

	"github.com/torchlit/torchlit/torch/internal/libtorch"
)

// Properties describe a device.
type Properties struct {
	Name        string // such as "NVIDIA H200"; of the CPU where the system tells it
	TotalMemory int64  // bytes; 0 where the system does not tell
	Processors  int    // the CPU's that this program may use, or multiprocessors
	Capability  string // of the CPU its instructions, such as "AVX512"; of CUDA a number, such as "9.0"
}

// DeviceProperties describes a device, without using it. It fails when there is no
// such device.
func DeviceProperties(device Device) (Properties, error) {
	if err := libtorch.Load(); err != nil {
		return Properties{}, err
	}
	if device.kind == 0 {
		return Properties{
			Name:        systemInfo("/proc/cpuinfo", "model name"),
			TotalMemory: systemMemory(),
			Processors:  runtime.NumCPU(),
			Capability:  CPUCapability(),
		}, nil
	}
	var info libtorch.DeviceInfo
	if err := libtorch.DescribeDevice(device.kind, device.index, &info); err != nil {
		return Properties{}, err
	}
	name, _, _ := bytes.Cut(info.Name[:], []byte{0})
	return Properties{
		Name:        string(name),
		TotalMemory: info.Memory,
		Processors:  int(info.Processors),
		Capability:  fmt.Sprintf("%d.%d", info.Major, info.Minor),
	}, nil
}

// systemInfo finds a line "key : value" in one of Linux's files; "" elsewhere.
func systemInfo(path, key string) string {
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		name, value, found := strings.Cut(lines.Text(), ":")
		if found && strings.TrimSpace(name) == key {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

func systemMemory() int64 {
	var kilobytes int64
	_, _ = fmt.Sscan(systemInfo("/proc/meminfo", "MemTotal"), &kilobytes)
	return kilobytes * 1024
}

// Stats say what memory is in use on a device.
type Stats struct {
	Allocated     int64 // bytes in use by tensors
	AllocatedPeak int64
	Reserved      int64 // bytes held from the device, in use or kept for later
	ReservedPeak  int64
	Allocations   int64 // that are live
	Retries       int64 // allocations that first had to give unused memory back
	Failures      int64 // allocations that failed for want of memory
}

// MemoryStats tells what memory is in use on a device, by all tensors of the
// process. Of the CPU, Allocated and Allocations are of the tensors that Go holds,
// [LiveBytes] and [LiveTensors]; the other numbers are libtorch's own, of blocks
// above 8 KB, and the peaks are the highest since [EmptyCache] was called.
func MemoryStats(device Device) (Stats, error) {
	m, err := libtorch.MemoryStats(device.kind, device.index)
	if device.kind == 0 {
		m.Allocated, m.Allocations = LiveBytes(), LiveTensors()
	}
	return Stats(m), err
}

// ResetPeakMemoryStats makes the peaks of a device's Stats what is in use now. It
// fails when there is no such device, and for the CPU, which has no peaks.
func ResetPeakMemoryStats(device Device) error {
	return libtorch.ResetMemoryPeaks(device.kind, device.index)
}

// EmptyCache gives the memory that is held for later tensors back to the devices of
// device's type, or to the system if that is the CPU, so that others can have it. The
// CPU's share is never more than what tensors have filled before: worth a call after a
// large model was loaded or a training run has ended.
func EmptyCache(device Device) error { return libtorch.EmptyCache(device.kind) }
