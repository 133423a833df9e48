package report

import (
	"fmt"
	"math"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

const (
	wideFigure vg.Length = 420
	lowFigure  vg.Length = 190
)

// percentileFigure shows how long the slowest requests took. Its x axis is stretched towards them, as HdrHistogram's plots are: each
// nine has as much room as the one before.
func percentileFigure(l LoadTest) figure {
	latency := stroke(ember, 1.8)
	f := figure{
		name: "percentiles", title: "Latency by percentile", width: wideFigure, height: figureHeight - 40,
		about:  fmt.Sprintf("Latency by percentile: half of the requests took no longer than %s ms, 99 %% no longer than %s ms.", three(l.P50), three(l.P99)),
		legend: []entry{{"latency", latency}},
	}
	bound, name := l.Deadline, "deadline"
	if l.Search != nil {
		bound, name = l.Search.Bound, "bound of the p99"
	}
	limit := stroke(soft, 1, 3, 3)
	if bound > 0 {
		f.legend = append(f.legend, entry{name, limit})
	}
	f.draw = func(c draw.Canvas) {
		x, y := make([]float64, len(l.Curve)), make([]float64, len(l.Curve))
		end := 1.0
		for _, p := range l.Curve {
			if p.Share < 1 {
				end = nines(p.Share)
			}
		}
		for i, p := range l.Curve {
			x[i], y[i] = min(nines(p.Share), end), p.Latency
		}
		pl := newPlot("", "ms")
		pl.Add(stepsOf(x, y, latency))
		pl.X.Min, pl.X.Max = 0, end
		pl.Y.Min, pl.Y.Max = 0, y[len(y)-1]*1.05
		if bound > 0 && bound < 3*pl.Y.Max {
			pl.Add(lineOf([]float64{0, end}, []float64{bound, bound}, limit))
			pl.Y.Max = max(pl.Y.Max, bound*1.05)
		}
		pl.X.Tick.Marker = plot.TickerFunc(nineTicks)
		pl.Y.Tick.Marker = plot.TickerFunc(stepTicks)
		pl.Draw(draw.Crop(c, 0, -14, 0, -4))
	}
	return f
}

// nines is the number of nines in a share: 1 for 90 %, 2 for 99 %.
func nines(share float64) float64 {
	if share >= 1 {
		return math.Inf(1)
	}
	return -math.Log10(1 - share)
}

func nineTicks(_, high float64) (ticks []plot.Tick) {
	for _, share := range []float64{0, 0.5, 0.9, 0.99, 0.999, 0.9999, 0.99999, 0.999999} {
		if at := nines(share); at <= high+1e-9 {
			ticks = append(ticks, plot.Tick{Value: at, Label: fmt.Sprintf("%g %%", math.Round(1e8*share)/1e6)})
		}
	}
	return ticks
}

// throughputFigure shows what became of the requests, over time.
func throughputFigure(l LoadTest) figure {
	answered, refused, failed, asked := stroke(teal, 1.8), stroke(gold, 1.5), stroke(ember, 1.5), stroke(soft, 1, 3, 3)
	f := figure{
		name: "throughput", title: "What became of the requests, a second", width: wideFigure, height: lowFigure,
		about:  fmt.Sprintf("Throughput over time: %s answers a second at the mean.", three(l.Requests)),
		legend: []entry{{"answered", answered}},
	}
	some := func(of func(LoadMoment) float64) bool {
		for _, m := range l.Timeline {
			if of(m) > 0 {
				return true
			}
		}
		return false
	}
	lines := []struct {
		name  string
		style draw.LineStyle
		of    func(LoadMoment) float64
	}{
		{"refused", refused, func(m LoadMoment) float64 { return m.Refused }},
		{"failed or expired", failed, func(m LoadMoment) float64 { return m.Failed }},
	}
	for _, line := range lines {
		if some(line.of) {
			f.legend = append(f.legend, entry{line.name, line.style})
		}
	}
	if l.Open {
		f.legend = append(f.legend, entry{"asked for", asked})
	}
	f.draw = func(c draw.Canvas) {
		p := newPlot("seconds", "a second")
		if l.Open {
			p.Add(lineOf([]float64{0, l.end()}, []float64{l.Rate, l.Rate}, asked))
		}
		for _, line := range lines {
			if some(line.of) {
				p.Add(overTime(l, line.of, line.style))
			}
		}
		p.Add(overTime(l, func(m LoadMoment) float64 { return m.Answered }, answered))
		p.X.Min, p.X.Max, p.Y.Min, p.Y.Max = 0, l.end(), 0, p.Y.Max*1.05
		p.X.Tick.Marker, p.Y.Tick.Marker = plot.TickerFunc(stepTicks), plot.TickerFunc(stepTicks)
		p.Draw(draw.Crop(c, 0, -10, 0, -4))
	}
	return f
}

func (l LoadTest) end() float64 {
	last := l.Timeline[len(l.Timeline)-1]
	return last.At + last.Width
}

// overTime is a line of steps, one for each moment.
func overTime(l LoadTest, of func(LoadMoment) float64, style draw.LineStyle) *plotter.Line {
	var x, y []float64
	for _, m := range l.Timeline {
		x, y = append(x, m.At, m.At+m.Width), append(y, of(m), of(m))
	}
	return lineOf(x, y, style)
}

// latencyFigure shows the latencies over time, by when requests were due.
func latencyFigure(l LoadTest) figure {
	half, slow, slowest := stroke(blue, 1.8), stroke(ember, 1.8), stroke(plum, 0.9)
	return figure{
		name: "latency", title: "Latency, by when a request was due", width: wideFigure, height: lowFigure,
		about:  "Latency over time: median, 99th percentile and maximum.",
		legend: []entry{{"p50", half}, {"p99", slow}, {"slowest", slowest}},
		draw: func(c draw.Canvas) {
			p := newPlot("seconds", "ms")
			for _, line := range []struct {
				of    func(LoadMoment) float64
				style draw.LineStyle
			}{
				{func(m LoadMoment) float64 { return m.Max }, slowest},
				{func(m LoadMoment) float64 { return m.P99 }, slow},
				{func(m LoadMoment) float64 { return m.P50 }, half},
			} {
				var x, y []float64
				for _, m := range l.Timeline {
					if m.P99 > 0 { // something was due
						x, y = append(x, m.At+m.Width/2), append(y, line.of(m))
					}
				}
				if len(x) > 0 {
					p.Add(lineOf(x, y, line.style))
				}
			}
			p.X.Min, p.X.Max, p.Y.Min, p.Y.Max = 0, l.end(), 0, p.Y.Max*1.05
			p.X.Tick.Marker, p.Y.Tick.Marker = plot.TickerFunc(stepTicks), plot.TickerFunc(stepTicks)
			p.Draw(draw.Crop(c, 0, -10, 0, -4))
		},
	}
}

// searchFigure shows the 99th percentile at each rate that was tried.
func searchFigure(s *LoadSearch) figure {
	limit := stroke(soft, 1, 3, 3)
	f := figure{
		name: "search", title: "p99 at each rate that was tried; what is far above the bound stands at the top", width: wideFigure, height: figureHeight - 40,
		about:  fmt.Sprintf("The rates that were tried: %s requests a second is the highest that keeps a p99 of %s ms.", three(s.Rate), given(s.Bound)),
		legend: []entry{{"kept", stroke(teal, 7)}, {"broken", stroke(ember, 7)}, {"bound", limit}},
	}
	f.draw = func(c draw.Canvas) {
		p := newPlot("requests a second", "ms")
		top, low, high := 4*s.Bound, math.Inf(1), 0.0
		for _, step := range s.Steps {
			low, high = min(low, step.Rate), max(high, step.Rate)
		}
		low, high = low*0.9, high*1.05
		p.Add(lineOf([]float64{low, high}, []float64{s.Bound, s.Bound}, limit))
		for _, step := range s.Steps {
			shade, y := teal, step.P99
			if !step.Kept {
				shade = ember
			}
			if y == 0 {
				y = top
			}
			p.Add(dot(step.Rate, min(y, top), 4, shade))
		}
		p.X.Min, p.X.Max, p.Y.Min, p.Y.Max = low, high, 0, top*1.04
		p.X.Tick.Marker, p.Y.Tick.Marker = plot.TickerFunc(stepTicks), plot.TickerFunc(stepTicks)
		p.Draw(draw.Crop(c, 0, -10, 0, -4))
	}
	return f
}
