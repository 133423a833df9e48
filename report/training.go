package report

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// panels are the drawings of a training run, each with the metrics whose names it
// takes. A metric goes to the first that wants it.
var panels = []struct {
	title  string
	wants  *regexp.Regexp
	ratios bool // shown in per cent
}{
	{"loss", regexp.MustCompile(`(?i)loss|nll|cross_entropy`), false},
	{"accuracy", regexp.MustCompile(`(?i)acc|top_?[1-9]|f1|recall|precision`), true},
	{"learning rate", regexp.MustCompile(`(?i)(^|[/_])lr($|[-/_])|learning_rate`), false},
	{"images/s", regexp.MustCompile(`(?i)(images|samples|items)_per_sec|throughput`), false},
}

// TrainingCurves draws loss, accuracy, learning rate and throughput over the steps
// of a run into dir, as training_curves.png and .svg. metricsCSV is a file as
// Lightning's CSVLogger lays it out: a header with "step", empty cells where a
// metric was not logged. Metrics of other kinds are left out, and so are values
// that are no numbers; a last line cut short is ignored.
func TrainingCurves(metricsCSV, dir string) error {
	f, err := os.Open(metricsCSV)
	if err != nil {
		return fmt.Errorf("cannot draw training curves: %w", err)
	}
	defer f.Close()
	metrics, err := readMetrics(f)
	if err != nil {
		return fmt.Errorf("cannot draw training curves of %q: %w", metricsCSV, err)
	}
	fig, err := trainingFigure(metrics, "step")
	if err != nil {
		return fmt.Errorf("cannot draw training curves of %q: %w", metricsCSV, err)
	}
	return fig.write(filepath.Join(dir, fig.name))
}

// metric is a column of a metrics file, without its empty cells.
type metric struct {
	name        string
	step, value []float64
}

func readMetrics(in io.Reader) ([]metric, error) {
	r := csv.NewReader(in)
	header, err := r.Read()
	if err == io.EOF {
		return nil, errors.New("it is empty: the run has logged nothing yet")
	}
	if err != nil {
		return nil, err
	}
	at := slices.Index(header, "step")
	if at < 0 {
		return nil, errors.New(`its header has no column "step"`)
	}
	metrics := make([]metric, len(header))
	for i, name := range header {
		metrics[i].name = name
	}
	for {
		cells, err := r.Read()
		if err == io.EOF || errors.Is(err, csv.ErrFieldCount) && atEnd(r) {
			return metrics, nil
		}
		if err != nil {
			return nil, err
		}
		step, err := strconv.ParseFloat(cells[at], 64)
		if err != nil {
			return nil, fmt.Errorf("cannot read a step: %w", err)
		}
		for i, cell := range cells {
			v, err := strconv.ParseFloat(cell, 64)
			if cell == "" || i == at || err != nil || math.IsNaN(v) || math.IsInf(v, 0) {
				continue
			}
			metrics[i].step, metrics[i].value = append(metrics[i].step, step), append(metrics[i].value, v)
		}
	}
}

// atEnd reports whether nothing more comes.
func atEnd(r *csv.Reader) bool {
	_, err := r.Read()
	return err == io.EOF
}

// panel is one drawing with its metrics.
type panel struct {
	title   string
	ratios  bool
	metrics []metric
}

func sortIntoPanels(metrics []metric) (out []panel) {
	for _, p := range panels {
		one := panel{title: p.title, ratios: p.ratios}
		for i, m := range metrics {
			if len(m.value) > 0 && p.wants.MatchString(m.name) {
				one.metrics = append(one.metrics, m)
				metrics[i].value = nil
			}
		}
		if len(one.metrics) > 0 {
			out = append(out, one)
		}
	}
	return out
}

const (
	panelWidth  vg.Length = 300
	panelHeight vg.Length = 190
)

// trainingFigure draws metrics over what axis counts.
func trainingFigure(metrics []metric, axis string) (figure, error) {
	shown := sortIntoPanels(slices.Clone(metrics))
	if len(shown) == 0 {
		return figure{}, errors.New("it has no loss, accuracy, learning rate or throughput")
	}
	columns := min(2, len(shown))
	rows := (len(shown) + columns - 1) / columns
	return figure{
		name: "training_curves", title: "Training", about: "Curves of a training run.",
		width:  vg.Length(columns)*(panelWidth+20) - 20,
		height: vg.Length(rows)*(panelHeight+12) - 12,
		draw: func(c draw.Canvas) {
			for i, p := range shown {
				x, y := vg.Length(i%columns), vg.Length(i/columns)
				p.figure(axis).render(sub(c, x*(panelWidth+20), y*(panelHeight+12), panelWidth, panelHeight), false)
			}
		},
	}, nil
}

// sub is a part of a canvas, by its distance from the left and from the top.
func sub(c draw.Canvas, left, top, width, height vg.Length) draw.Canvas {
	c.Min, c.Max = vg.Point{X: c.Min.X + left, Y: c.Max.Y - top - height}, vg.Point{X: c.Min.X + left + width, Y: c.Max.Y - top}
	return c
}

// figure draws the panel. Long noisy lines are shown faintly under their running
// mean.
func (p panel) figure(axis string) figure {
	f := figure{width: panelWidth, height: panelHeight}
	for i, m := range p.metrics {
		f.legend = append(f.legend, entry{shorten(strings.ReplaceAll(m.name, "_", " "), 2*labelLetters), lineStyle(i)})
	}
	f.height -= vg.Length(len(f.legendRows())) * legendHeight
	f.draw = func(c draw.Canvas) {
		label := p.title
		pl := newPlot(axis, label)
		for i, m := range p.metrics {
			style := lineStyle(i)
			if noisy(m.value) {
				faint := style
				faint.Color, faint.Width = faded(series[i%len(series)], 0.3), 0.6
				pl.Add(lineOf(thinned(m.step, m.value, faint)))
				pl.Add(lineOf(thinned(m.step, runningMean(m.value), style)))
				continue
			}
			pl.Add(lineOf(m.step, m.value, style))
			if len(m.value) == 1 {
				pl.Add(dot(m.step[0], m.value[0], 3, series[i%len(series)]))
			}
		}
		pl.X.Tick.Marker = plot.TickerFunc(stepTicks)
		pl.Y.Tick.Marker = plot.TickerFunc(roundTicks)
		if p.ratios && pl.Y.Max <= 1 {
			shares(&pl.Y, pl.Y.Min, pl.Y.Max)
		}
		if p.title == "images/s" {
			pl.Y.Min = 0
		}
		pl.Draw(draw.Crop(c, 0, -10, 0, -4))
	}
	return f
}

// noisy reports whether a line goes up and down so much that only its mean can be
// read: a long one whose way is several times its height.
func noisy(values []float64) bool {
	low, high, way := values[0], values[0], 0.0
	for i := 1; i < len(values); i++ {
		low, high = min(low, values[i]), max(high, values[i])
		way += math.Abs(values[i] - values[i-1])
	}
	return len(values) >= 200 && way > 5*(high-low)
}

// runningMean is the mean of each value's surroundings, exponentially weighted to
// both sides, so that it does not lag.
func runningMean(values []float64) []float64 {
	keep := 1 - 1/max(1, float64(len(values))/100)
	sums, weights := make([]float64, len(values)), make([]float64, len(values))
	for _, order := range []func(i int) int{
		func(i int) int { return i },
		func(i int) int { return len(values) - 1 - i },
	} {
		sum, weight := 0.0, 0.0
		for i := range values {
			at := order(i)
			sum, weight = keep*sum+values[at], keep*weight+1
			sums[at] += sum
			weights[at] += weight
		}
	}
	for i, w := range weights {
		sums[i] /= w
	}
	return sums
}

func lineStyle(i int) draw.LineStyle {
	style := stroke(series[i%len(series)], 1.5)
	if i >= len(series) {
		style.Dashes = []vg.Length{4, 2}
	}
	return style
}

// stepTicks writes thousands as k, so that long runs' ticks do not touch.
func stepTicks(low, high float64) []plot.Tick {
	ticks := roundTicks(low, high)
	for i, t := range ticks {
		switch {
		case math.Abs(t.Value) >= 1e6:
			ticks[i].Label = strconv.FormatFloat(t.Value/1e6, 'g', 4, 64) + "M"
		case high >= 1e4 && t.Value != 0:
			ticks[i].Label = strconv.FormatFloat(t.Value/1e3, 'g', 4, 64) + "k"
		}
	}
	return ticks
}
