// Figures draws what reports/figures holds, from numbers that are in the repository: no data set, no model, no measurement. "make figures"
// runs it after the simulations, whose figures it copies.
//
//	go run ./report/figures
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"

	"github.com/torchlit/torchlit/evaluate"
	"github.com/torchlit/torchlit/report"
)

// Where the numbers are.
const (
	modelPage      = "docs/source/model.md"
	benchmarksPage = "docs/source/benchmarks.md"
	evaluation     = "reports/cifar10-resnet18" // of torchlit eval --report
)

// copies are the figures of the simulations, which lie beside the pages that show them.
var copies = []string{
	"batching-cpu.svg", "batching-gpu.svg", // go run ./batching/sim/batchsim -docs
	"fleet-load.svg", "fleet-step.svg", "fleet-loss.svg", "fleet-day.svg", // go run ./batching/sim/fleetsim --docs
}

func main() {
	output := flag.String("output", "reports/figures", "folder of the figures")
	flag.Parse()
	if err := draw(*output); err != nil {
		fmt.Fprintln(os.Stderr, "figures:", err)
		os.Exit(1)
	}
}

// draw makes all figures in dir, which is made.
func draw(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for _, name := range copies {
		b, err := os.ReadFile(filepath.Join("docs/source", name))
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o644); err != nil {
			return err
		}
	}
	for name, draw := range map[string]func(path string) error{
		"training.svg": training, "confusion.svg": confusion, "reliability.svg": reliability,
		"benchmark-engine.svg": engines, "benchmark-server.svg": server,
	} {
		if err := draw(filepath.Join(dir, name)); err != nil {
			return err
		}
	}
	return nil
}

// training draws the table of epochs of the bundled model's page.
func training(path string) error {
	rows, err := tableAfter(modelPage, "| epoch |")
	if err != nil {
		return err
	}
	columns := []report.Column{
		{Name: "learning_rate"}, {Name: "training loss"}, {Name: "training accuracy"}, {Name: "test loss"}, {Name: "test accuracy"},
	}
	for i, row := range rows {
		if len(row) != len(columns)+2 || row[0] != fmt.Sprint(i+1) {
			return fmt.Errorf("cannot read %s: epoch %d is the line %q", modelPage, i+1, row)
		}
		for j := range columns {
			v, err := number(row[j+2])
			if err != nil {
				return fmt.Errorf("cannot read %s: epoch %d: %w", modelPage, i+1, err)
			}
			columns[j].Values = append(columns[j].Values, v)
		}
	}
	return report.Epochs(path, columns)
}

// confusion draws the matrix of the bundled model's page.
func confusion(path string) error {
	labels, counts, err := matrix(modelPage)
	if err != nil {
		return err
	}
	return report.Confusion(path, labels, counts)
}

// reliability draws the bins that torchlit eval --report wrote of the bundled model.
func reliability(path string) error {
	b, err := os.ReadFile(filepath.Join(evaluation, "metrics.json"))
	if err != nil {
		return err
	}
	var m struct {
		ECE          float64 `json:"ece"`
		Recalibrated float64 `json:"recalibrated_ece"`
		Temperature  float64 `json:"fitted_temperature"`
	}
	if err := json.Unmarshal(b, &m); err != nil {
		return fmt.Errorf("cannot read %s: %w", evaluation, err)
	}
	r := evaluate.Recalibration{Temperature: m.Temperature}
	r.AsServed.ECE, r.Refitted.ECE = m.ECE, m.Recalibrated
	for name, c := range map[string]*evaluate.Calibration{"calibration.csv": &r.AsServed, "calibration_refitted.csv": &r.Refitted} {
		if c.Bins, err = bins(filepath.Join(evaluation, name)); err != nil {
			return err
		}
	}
	return report.Reliability(path, r)
}

// engines draws the rates of docs/source/benchmarks.md, "The engine".
func engines(path string) error {
	rows, err := tableAfter(benchmarksPage, "| precision | engine | 1, alone |")
	if err != nil {
		return err
	}
	b := report.Bars{
		Title: "ResNet18 at 224 px on two cores of an AMD EPYC: images/s of the engine alone", Unit: "images/s", X: "images in a batch",
		Columns: []string{"1, alone", "1", "8", "32"},
	}
	for _, row := range rows {
		bar, ok, err := rates(row[1:])
		if err != nil {
			return fmt.Errorf("cannot read %s: %w", benchmarksPage, err)
		}
		if !ok {
			continue // a line of ratios
		}
		if n := len(b.Panels); n == 0 || b.Panels[n-1].Title != row[0] {
			b.Panels = append(b.Panels, report.BarPanel{Title: row[0]})
		}
		last := &b.Panels[len(b.Panels)-1]
		last.Rows = append(last.Rows, bar)
	}
	return b.Draw(path)
}

// server draws the rates of docs/source/benchmarks.md, "The server against its own engine".
func server(path string) error {
	rows, err := tableAfter(benchmarksPage, "| precision | engine, images/s | server, images/s |")
	if err != nil {
		return err
	}
	engine, server := report.Bar{Name: "the engine alone"}, report.Bar{Name: "the server: JPEG in over HTTP, labels out"}
	b := report.Bars{Title: "What the server keeps of its engine", Unit: "images/s", X: "precision"}
	for _, row := range rows {
		b.Columns = append(b.Columns, row[0])
		for i, bar := range []*report.Bar{&engine, &server} {
			v, err := number(row[i+1])
			if err != nil {
				return fmt.Errorf("cannot read %s: %w", benchmarksPage, err)
			}
			bar.Values = append(bar.Values, v)
		}
	}
	b.Panels = []report.BarPanel{{Title: "ResNet18 at 224 px, 64 clients", Rows: []report.Bar{engine, server}}}
	return b.Draw(path)
}
