package main

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/torchlit/torchlit/torch"
)

// registerNativeMetrics shows what libtorch holds: level under load, and after any number of reloads the same as before.
func registerNativeMetrics(r prometheus.Registerer) {
	gauge := func(name, help string, value func() float64) {
		r.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, value))
	}
	gauge("torchlit_tensors_live", "Tensors that Go code holds; served models keep their weights beside them.", func() float64 { return float64(torch.LiveTensors()) })
	gauge("torchlit_tensor_bytes", "Size of the elements of those tensors.", func() float64 { return float64(torch.LiveBytes()) })
	gauge("torchlit_native_bytes", "Memory that libtorch holds on the CPU in blocks above 8 KB, in use or kept for later.", func() float64 {
		s, err := torch.MemoryStats(torch.Device{})
		if err != nil {
			return 0 // libtorch is not loaded yet
		}
		return float64(s.Reserved)
	})
}
