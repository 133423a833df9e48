package main

import (
	"time"

	"github.com/torchlit/torchlit/batching/sim/chart"
)

// drawFigure draws goodput, and median and 99th percentile of the latency, against load.
func drawFigure(title string, sweeps []sweep, loads []float64, deadline time.Duration) ([]byte, error) {
	f := chart.Figure{Title: title, Rows: 2}
	for _, s := range sweeps {
		f.Names = append(f.Names, s.policy)
	}
	bound := float64(deadline) / float64(time.Millisecond)
	for _, p := range []struct {
		title string
		log   bool
		value func(s *sweep, i int) float64
	}{
		{"answers in time / capacity", false, func(s *sweep, i int) float64 { return s.outcomes[i].Goodput() / s.capacity }},
		{"p50 latency / ms", true, func(s *sweep, i int) float64 { return quantile(s, i, .5) }},
		{"p99 latency / ms", true, func(s *sweep, i int) float64 { return quantile(s, i, .99) }},
	} {
		panel := chart.Panel{Title: p.title, X: "load / capacity", MinX: 0, MaxX: 2, MinY: 0, MaxY: 1.05}
		if p.log {
			panel.Log, panel.MinY, panel.MaxY, panel.Bound = true, bound/300, bound*10, []float64{bound}
		}
		for j := range sweeps {
			line := chart.Line{X: loads}
			for i := range loads {
				line.Y = append(line.Y, p.value(&sweeps[j], i))
			}
			panel.Lines = append(panel.Lines, line)
		}
		f.Panels = append(f.Panels, panel)
	}
	return f.Draw()
}

func quantile(s *sweep, i int, q float64) float64 {
	return float64(s.outcomes[i].Quantile(q)) / float64(time.Millisecond)
}
