package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/torchlit/torchlit/bench"
)

// engineFigures are what the engines did.
type engineFigures struct {
	Began    time.Time       `json:"began"`
	Command  string          `json:"command"`
	Machine  bench.Machine   `json:"machine"`
	Model    string          `json:"model"`
	Versions []string        `json:"versions"`
	Missing  []missing       `json:"missing"`
	Results  []*engineResult `json:"results"`
}

// missing is an engine that has no such precision.
type missing struct {
	Engine    string `json:"engine"`
	Precision string `json:"precision"`
	Why       string `json:"why"`
}

// engineResult is an engine in a precision, at one size of batch.
type engineResult struct {
	Batch     int       `json:"batch"`
	Alone     bool      `json:"alone"` // one batch at a time, as a lone client has it; else as many as is fastest
	Precision string    `json:"precision"`
	Engine    string    `json:"engine"`
	Setting   string    `json:"setting"`
	Images    spread    `json:"images_per_second"`
	Rounds    []float64 `json:"images_per_second_by_round"`
	P50       spread    `json:"batch_p50_ms"`
	Logits    distance  `json:"logits_to_pytorch_fp32"`

	// Of Torchlit's: its images/s over those of the faster of ONNX Runtime and OpenVINO at this precision, round by round.
	Best   string  `json:"best_other,omitempty"`
	ToBest *spread `json:"ratio_to_best,omitempty"`
	// Its images/s over those of PyTorch in eager mode, in fp32.
	ToEager *spread `json:"ratio_to_eager_fp32,omitempty"`
}

// The goals.
const (
	bestGoal  = 1.0
	eagerGoal = 4.5 // of int8
)

// sumUp makes figures of turns. Whoever is missing is left out.
func (f *engineFigures) sumUp(contenders []*contender, cases []sizeOf) {
	for _, k := range contenders {
		if v := k.Name + " " + k.Version; !slices.Contains(f.Versions, v) {
			f.Versions = append(f.Versions, v)
		}
	}
	for _, s := range cases {
		of := map[string]*engineResult{}
		for _, k := range contenders {
			r := &engineResult{
				Batch: s.batch, Alone: s.alone, Precision: k.precision, Engine: k.Name, Setting: k.chosen[s].Name, Logits: k.distance[s],
			}
			var p50 []float64
			for _, a := range k.turns[s] {
				r.Rounds = append(r.Rounds, float64(s.batch*a.Batches)/a.Seconds)
				p50 = append(p50, a.P50)
			}
			r.Images, r.P50 = spreadOf(r.Rounds), spreadOf(p50)
			of[k.Name+" "+k.precision] = r
			f.Results = append(f.Results, r)
		}
		for _, r := range of {
			if r.Engine == "Torchlit" {
				r.compare(of)
			}
		}
	}
}

// compare sets the ratios of one of Torchlit's results.
func (r *engineResult) compare(of map[string]*engineResult) {
	others := []*engineResult{}
	for _, name := range []string{"ONNX Runtime", "OpenVINO"} {
		if o := of[name+" "+r.Precision]; o != nil {
			others = append(others, o)
		}
	}
	if len(others) > 0 {
		best := slices.MaxFunc(others, func(a, b *engineResult) int { return compareFloats(a.Images.Median, b.Images.Median) })
		r.Best, r.ToBest = best.Engine, ratio(r.Rounds, best.Rounds)
	}
	if eager := of["PyTorch eager fp32"]; eager != nil {
		r.ToEager = ratio(r.Rounds, eager.Rounds)
	}
}

func compareFloats(a, b float64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// ratio is that of two engines round by round.
func ratio(a, b []float64) *spread {
	ratios := make([]float64, len(a))
	for i := range a {
		ratios[i] = a[i] / b[i]
	}
	s := spreadOf(ratios)
	return &s
}

func (f *engineFigures) print(out io.Writer) error {
	fmt.Fprintf(out, "%s\n%s; %s, %d processors\n", f.Model, strings.Join(f.Versions, ", "), f.Machine.CPU, f.Machine.Processors)
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	size := sizeOf{}
	for _, r := range f.Results {
		if s := (sizeOf{r.Batch, r.Alone}); s != size {
			size = s
			fmt.Fprintf(w, "\nbatch %s\tengine\timages/s\tp50 ms\tsetting\tfrom PyTorch's logits\tof the best\tof eager fp32\n", s)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%.1f\t%s\t%.1e\t%s\t%s\n", r.Precision, r.Engine, r.Images, r.P50.Median, r.Setting, r.Logits.Relative, orNone(r.ToBest), orNone(r.ToEager))
	}
	fmt.Fprintln(w)
	if err := w.Flush(); err != nil {
		return err
	}
	for _, m := range f.Missing {
		fmt.Fprintf(out, "Missing: %s in %s: %s\n", m.Engine, m.Precision, m.Why)
	}
	for _, r := range f.Results {
		size := sizeOf{r.Batch, r.Alone}
		if r.ToBest != nil && !r.Alone {
			fmt.Fprintf(out, "%s, batch %s, %.3g times %s. %s.\n", r.Precision, size, r.ToBest.Median, r.Best, verdict(r.ToBest.Median >= bestGoal, "At least as fast"))
		}
		if r.ToEager != nil && !r.Alone && r.Precision == "int8" {
			fmt.Fprintf(out, "int8, batch %s, %.3g times PyTorch eager in fp32. %s.\n", size, r.ToEager.Median, verdict(r.ToEager.Median >= eagerGoal, "At least 4.5 times"))
		}
	}
	return nil
}

func orNone(s *spread) string {
	if s == nil {
		return ""
	}
	return s.String()
}

// markdown is the part of docs/source/benchmarks.md.
func (f *engineFigures) markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s. %s.\n\n", f.Model, strings.Join(f.Versions, ", "))
	fmt.Fprintf(&b, "%s\n\n", origin(f.Began, f.Machine, f.Command))
	var sizes []sizeOf
	for _, r := range f.Results {
		if s := (sizeOf{r.Batch, r.Alone}); !slices.Contains(sizes, s) {
			sizes = append(sizes, s)
		}
	}
	fmt.Fprint(&b, "| precision | engine |")
	for _, s := range sizes {
		fmt.Fprintf(&b, " %s |", s)
	}
	fmt.Fprintf(&b, "\n| --- | --- |%s\n", strings.Repeat(" --- |", len(sizes)))
	for _, precision := range []string{"fp32", "bf16", "int8"} {
		f.rows(&b, precision, sizes)
	}
	fmt.Fprintln(&b)
	for _, m := range f.Missing {
		fmt.Fprintf(&b, "Missing: %s in %s: %s.\n", m.Engine, m.Precision, strings.TrimSuffix(m.Why, "."))
	}
	return b.String()
}

// rows writes those of a precision: the engines, then what Torchlit's images/s are to the best other's and to eager PyTorch's.
func (f *engineFigures) rows(b *strings.Builder, precision string, sizes []sizeOf) {
	var names []string
	at := map[string]*engineResult{}
	for _, r := range f.Results {
		if r.Precision != precision {
			continue
		}
		if !slices.Contains(names, r.Engine) {
			names = append(names, r.Engine)
		}
		at[r.Engine+sizeOf{r.Batch, r.Alone}.String()] = r
	}
	row := func(what string, cell func(r *engineResult) string, engine string) {
		fmt.Fprintf(b, "| %s | %s |", precision, what)
		for _, s := range sizes {
			fmt.Fprintf(b, " %s |", cell(at[engine+s.String()]))
		}
		fmt.Fprintln(b)
	}
	for _, name := range names {
		row(name, func(r *engineResult) string { return fmt.Sprintf("%.1f", r.Images.Median) }, name)
	}
	if !slices.Contains(names, "Torchlit") {
		return
	}
	if at["Torchlit"+sizes[0].String()].ToBest != nil {
		row("Torchlit, of the best of ONNX Runtime and OpenVINO", func(r *engineResult) string { return "**" + r.ToBest.rounded() + "**" }, "Torchlit")
	}
	if at["Torchlit"+sizes[0].String()].ToEager != nil {
		row("Torchlit, of PyTorch eager in fp32", func(r *engineResult) string { return r.ToEager.rounded() }, "Torchlit")
	}
}
