package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/torchlit/torchlit/batching/sim"
)

// machines are those of docs/source/batching.md.
var machines = []struct {
	name, title string
	setup       setup
}{
	{"cpu", "ResNet18 on two CPU cores, deadline 1 s", setup{
		costs: testdata + "/cpu.csv", deadline: time.Second, delay: 20 * time.Millisecond, maxBatch: 32, noise: 0.03}},
	{"gpu", "ResNet18 on a GPU (assumed costs), deadline 20 ms", setup{
		costs: testdata + "/gpu.csv", deadline: 20 * time.Millisecond, delay: time.Millisecond, maxBatch: 64, noise: 0.03}},
}

var shapes = []string{"poisson", "bursty", "diurnal", "recorded"}

const (
	folder = "docs/source"
	page   = "batching.md"
	begins = "<!-- begin: batchsim -docs -->"
)

// writeDocs draws a figure for each machine under Poisson arrivals, and puts a table of all traces into the page, which is in dir.
func writeDocs(dir string) error {
	var table bytes.Buffer
	for _, m := range machines {
		m.setup.trace = filepath.Join(testdata, "poisson.csv")
		loads := steps(0.1, 2, 0.1)
		sweeps, err := m.setup.sweep(loads)
		if err != nil {
			return err
		}
		svg, err := drawFigure(m.title, sweeps, loads, m.setup.deadline)
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, "batching-"+m.name+".svg"), svg, 0o644); err != nil {
			return err
		}
		if err := writeTable(&table, m.title, m.setup); err != nil {
			return err
		}
	}
	return sim.FillPage(filepath.Join(dir, page), begins, table.String())
}

// writeTable writes what each policy does with each trace, at half the capacity and at twice.
func writeTable(out *bytes.Buffer, title string, s setup) error {
	fmt.Fprintf(out, "\n**%s**\n\n", title)
	fmt.Fprintln(out, "| trace | policy | p50 at half the capacity | p99 | in time | in time at twice, of capacity | waited in vain, of those let in | batch |")
	fmt.Fprintln(out, "| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |")
	for _, shape := range shapes {
		s.trace = filepath.Join(testdata, shape+".csv")
		sweeps, err := s.sweep([]float64{0.5, 2})
		if err != nil {
			return err
		}
		for _, w := range sweeps {
			half, twice := &w.outcomes[0], &w.outcomes[1]
			fmt.Fprintf(out, "| %s | %s | %s | %s | %.1f %% | %.2f | %.1f %% | %.1f |\n", shape, w.policy,
				milliseconds(half.Quantile(.5)), milliseconds(half.Quantile(.99)), 100*float64(half.Good)/float64(half.Offered),
				twice.Goodput()/w.capacity, 100*float64(twice.Late)/float64(twice.Offered-twice.Refused),
				float64(len(twice.Latencies))/float64(max(1, twice.Runs)))
		}
	}
	return nil
}

// steps returns the numbers from first to last.
func steps(first, last, step float64) []float64 {
	var out []float64
	for i := 0; first+float64(i)*step <= last+step/2; i++ {
		out = append(out, first+float64(i)*step)
	}
	return out
}
