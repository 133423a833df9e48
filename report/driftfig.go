package report

import (
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"github.com/torchlit/torchlit/monitor/detector"
)

// leastChance is where the axis of p-values ends: what is less likely stands there.
const leastChance = 5.0 // powers of ten

// unlikely is how many powers of ten a p-value lies below 1.
func unlikely(p float64) float64 { return min(leastChance, -math.Log10(max(p, 1e-300))+0) }

func chanceTicks(_, high float64) (ticks []plot.Tick) {
	for i := 0.0; i <= high+1e-9; i++ {
		label := fmt.Sprintf("%g", math.Pow(10, -i))
		switch i {
		case 4:
			label = "0.0001"
		case leastChance:
			label = "less"
		}
		ticks = append(ticks, plot.Tick{Value: i, Label: label})
	}
	return ticks
}

// chanceFigure shows for each test how likely chance does as much: the newest window large, those before it small.
func chanceFigure(d Drift) figure {
	tests := d.newest().Tests
	var rows rowPlot
	for _, t := range tests {
		rows.labels = append(rows.labels, t.Detector)
	}
	limit := stroke(soft, 1, 3, 3)
	return figure{
		name: "chance", title: "How likely chance does as much; right of the line a window drifts", about: "How likely chance does as much, by test.",
		width: figureWidth, height: rows.height() + 40,
		legend: []entry{{"newest window", stroke(ember, 7)}, {"earlier", stroke(blue, 5)}, {fmt.Sprintf("%g", d.Alpha), limit}},
		draw: func(c draw.Canvas) {
			p := rows.plot()
			p.X.Label.Text = "p, adjusted for the number of tests"
			low, high := rows.span()
			p.Add(lineOf([]float64{unlikely(d.Alpha), unlikely(d.Alpha)}, []float64{low, high}, limit))
			for i, t := range tests {
				for _, r := range d.Windows[:len(d.Windows)-1] {
					if before := r.Test(t.Detector); before != nil && before.Skipped == "" {
						p.Add(dot(unlikely(before.Adjusted), rows.at(i), 2, faded(blue, 0.35)))
					}
				}
				if t.Skipped == "" {
					p.Add(dot(unlikely(t.Adjusted), rows.at(i), 4.5, ember))
				}
			}
			rows.fix(p, 0, leastChance)
			p.X.Tick.Marker = plot.TickerFunc(chanceTicks)
			p.Draw(draw.Crop(c, 0, -14, 0, 0))
		},
	}
}

// classesDrawn is how many classes have bars.
const classesDrawn = 12

// movedFigure shows how often the classes that moved furthest are answered.
func movedFigure(r *detector.Result) figure {
	moved := r.Classes[:min(classesDrawn, len(r.Classes))]
	var rows rowPlot
	most := 1e-6
	for _, c := range moved {
		rows.labels = append(rows.labels, c.Label)
		most = max(most, c.Reference, c.Window)
	}
	return figure{
		name: "moved_classes", title: "Share of the answers, of the classes that moved furthest", about: "Share of the answers by class, in the reference and in the newest window.",
		width: figureWidth, height: rows.height(),
		legend: []entry{{"reference", stroke(blue, 5)}, {"newest window", stroke(ember, 5)}},
		draw: func(c draw.Canvas) {
			p := rows.plot()
			for i, class := range moved {
				y := rows.at(i)
				p.Add(bar{0, class.Reference, y + 0.02, y + 0.34, faded(blue, 0.85)})
				p.Add(bar{0, class.Window, y - 0.34, y - 0.02, faded(ember, 0.85)})
			}
			rows.fix(p, 0, most)
			p.Draw(draw.Crop(c, 0, -14, 0, 0))
		},
	}
}

// estimateFigure shows the estimated accuracy of each window with its band.
func estimateFigure(d Drift) figure {
	reference := stroke(soft, 1, 3, 3)
	f := figure{
		name: "estimated_accuracy", title: "Estimated accuracy, without labels, by window", about: fmt.Sprintf("Estimated accuracy by window: %s in the newest, %s on the reference.", percent(d.newest().Estimate.Accuracy), percent(d.Reference.Accuracy)),
		width: wideFigure, height: lowFigure,
		legend: []entry{{"estimate, with its band", stroke(blue, 5)}, {"unsure", stroke(gold, 5)}, {"on the reference", reference}},
	}
	f.draw = func(c draw.Canvas) {
		p := newPlot(windowAxis(d), "")
		low, high := d.Reference.Accuracy, d.Reference.Accuracy
		end := float64(len(d.Windows)) + 0.5
		p.Add(lineOf([]float64{0.5, end}, []float64{d.Reference.Accuracy, d.Reference.Accuracy}, reference))
		var x, y []float64
		for i, r := range d.Windows {
			e, at := r.Estimate, float64(i+1)
			shade := blue
			if e.Unsure {
				shade = gold
			}
			p.Add(bar{at - 0.4, at + 0.4, e.Low, e.High, faded(shade, 0.3)})
			x, y = append(x, at), append(y, e.Accuracy)
			low, high = min(low, e.Low), max(high, e.High)
		}
		p.Add(lineOf(x, y, stroke(blue, 1.5)))
		if len(d.Windows) <= 60 {
			for i, r := range d.Windows {
				shade := blue
				if r.Estimate.Unsure {
					shade = gold
				}
				p.Add(dot(x[i], y[i], 2.5, shade))
			}
		}
		p.X.Min, p.X.Max = 0.5, end
		shares(&p.Y, max(0, low-0.02), min(1, high+0.02))
		p.X.Tick.Marker = plot.TickerFunc(wholeTicks)
		p.Draw(draw.Crop(c, 0, -10, 0, -4))
	}
	return f
}

func windowAxis(d Drift) string {
	if len(d.Windows) == 1 {
		return "window"
	}
	return fmt.Sprintf("windows, from %s to %s", d.Windows[0].From.Format("2 Jan 15:04"), d.newest().Until.Format("2 Jan 15:04"))
}

// overWindowsFigure shows over time how likely chance moves a window as far.
func overWindowsFigure(d Drift) figure {
	limit := stroke(soft, 1, 3, 3)
	return figure{
		name: "windows", title: "How likely chance does as much, by window: the test that sees most", about: "How likely chance moves each window as far.",
		width: wideFigure, height: lowFigure,
		legend: []entry{{"drifted", stroke(ember, 7)}, {"did not", stroke(blue, 5)}, {fmt.Sprintf("%g", d.Alpha), limit}},
		draw: func(c draw.Canvas) {
			p := newPlot(windowAxis(d), "p, adjusted")
			end := float64(len(d.Windows)) + 0.5
			p.Add(lineOf([]float64{0.5, end}, []float64{unlikely(d.Alpha), unlikely(d.Alpha)}, limit))
			for i, r := range d.Windows {
				shade := blue
				if r.Drifted {
					shade = ember
				}
				p.Add(dot(float64(i+1), unlikely(r.P), 3, shade))
			}
			p.X.Min, p.X.Max, p.Y.Min, p.Y.Max = 0.5, end, 0, leastChance
			p.X.Tick.Marker, p.Y.Tick.Marker = plot.TickerFunc(wholeTicks), plot.TickerFunc(chanceTicks)
			p.Draw(draw.Crop(c, 0, -10, 0, -4))
		},
	}
}

// propertyBars is how many bars a distribution has.
const propertyBars = 24

// propertyFigure shows a property's distribution. Values beyond the outermost hundredths count with those at the edge: one image of
// another size would press all others together.
func propertyFigure(prop DriftProperty) figure {
	low, high := limits(prop)
	reference, window := histogram(prop.Reference, low, high), histogram(prop.Window, low, high)
	return figure{
		name: "property_" + prop.Name, title: propertyName(prop.Name), about: "Distribution of " + propertyName(prop.Name) + ", in the reference and in the newest window.",
		width: figureWidth, height: 120,
		legend: []entry{{"reference", stroke(blue, 5)}, {"newest window", stroke(ember, 1.6)}},
		draw: func(c draw.Canvas) {
			p := newPlot("", "of the images")
			step := (high - low) / propertyBars
			var x, y []float64
			for i := range reference {
				from := low + step*float64(i)
				p.Add(bar{from, from + step, 0, reference[i], faded(blue, 0.45)})
				x, y = append(x, from, from+step), append(y, window[i], window[i])
			}
			p.Add(lineOf(x, y, stroke(ember, 1.6)))
			p.X.Min, p.X.Max = low, high
			shares(&p.Y, 0, 1.05*max(slices.Max(reference), slices.Max(window)))
			p.X.Tick.Marker = plot.TickerFunc(roundTicks)
			p.Draw(draw.Crop(c, 0, -10, 0, -4))
		},
	}
}

// limits are the outermost hundredths of both.
func limits(prop DriftProperty) (low, high float64) {
	low, high = math.Inf(1), math.Inf(-1)
	for _, values := range [][]float64{prop.Reference, prop.Window} {
		sorted := slices.Sorted(slices.Values(values))
		low, high = min(low, sorted[len(sorted)/100]), max(high, sorted[len(sorted)-1-len(sorted)/100])
	}
	if low == high {
		low, high = low-0.5, high+0.5
	}
	return low, high
}

func histogram(values []float64, low, high float64) []float64 {
	bars := make([]float64, propertyBars)
	for _, v := range values {
		i := int((v - low) / (high - low) * propertyBars)
		bars[max(0, min(i, propertyBars-1))] += 1 / float64(len(values))
	}
	return bars
}

// pointsFigure shows the first two coordinates of the embeddings.
func pointsFigure(d Drift) figure {
	cloud := func(points [][2]float64, style draw.GlyphStyle) plot.Plotter {
		xy := make(plotter.XYs, len(points))
		for i, at := range points {
			xy[i].X, xy[i].Y = at[0], at[1]
		}
		return &plotter.Scatter{XYs: xy, GlyphStyle: style}
	}
	return figure{
		name: "embeddings", title: "What the last layer sees: each image by its first two principal components", about: "Embeddings of the reference and of the newest window, in two dimensions.",
		width: figureWidth, height: figureHeight,
		legend: []entry{{"reference", stroke(blue, 5)}, {"newest window", stroke(ember, 5)}},
		draw: func(c draw.Canvas) {
			p := newPlot("first component", "second component")
			p.Add(cloud(d.ReferencePoints, draw.GlyphStyle{Color: faded(blue, 0.35), Radius: vg.Length(1.6), Shape: draw.CircleGlyph{}}))
			p.Add(cloud(d.WindowPoints, draw.GlyphStyle{Color: faded(ember, 0.6), Radius: vg.Length(1.6), Shape: draw.CircleGlyph{}}))
			p.X.Tick.Marker, p.Y.Tick.Marker = plot.TickerFunc(roundTicks), plot.TickerFunc(roundTicks)
			p.Draw(draw.Crop(c, 0, -6, 0, -4))
		},
	}
}
