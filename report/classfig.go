package report

import (
	"cmp"
	"image/color"
	"math"
	"slices"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"github.com/torchlit/torchlit/evaluate"
)

// rowsShown is the number of classes that a figure with a row a class shows.
const rowsShown = 24

const rowHeight vg.Length = 17

// classFigure shows precision and recall of each class, or of the worst ones, the
// best on top.
func classFigure(r evaluate.Report) figure {
	title := "Precision and recall by class"
	classes := occurring(r)
	slices.SortStableFunc(classes, func(a, b evaluate.Class) int { return cmp.Compare(b.F1, a.F1) })
	if len(classes) > rowsShown {
		classes = classes[len(classes)-rowsShown:]
		title = "The classes recognised worst"
	}
	low := 1.0
	for _, c := range classes {
		low = min(low, c.Precision, c.Recall)
	}
	low = max(0, math.Floor(low*20-0.5)/20)
	rows := rowPlot{labels: labelsOf(classes)}
	return figure{
		name: "classes", title: title, about: "Precision and recall by class.",
		width: figureWidth, height: rows.height(),
		legend: []entry{{"precision", stroke(blue, 5)}, {"recall", stroke(ember, 5)}},
		draw: func(c draw.Canvas) {
			p := rows.plot()
			for i, class := range classes {
				y := rows.at(i)
				p.Add(lineOf([]float64{class.Precision, class.Recall}, []float64{y, y}, stroke(line, 3)))
				p.Add(dot(class.Precision, y, 4, blue), dot(class.Recall, y, 2.6, ember)) // both are seen when they are equal
			}
			rows.fix(p, low, 1)
			p.Draw(draw.Crop(c, 0, -8, 0, 0))
		},
	}
}

// occurring leaves out the classes that are neither shown nor named: they have no
// precision and no recall.
func occurring(r evaluate.Report) (classes []evaluate.Class) {
	for _, c := range r.PerClass {
		if c.N > 0 || c.Predicted > 0 {
			classes = append(classes, c)
		}
	}
	return classes
}

func labelsOf(classes []evaluate.Class) (labels []string) {
	for _, c := range classes {
		labels = append(labels, c.Label)
	}
	return labels
}

func dot(x, y float64, radius vg.Length, c color.Color) plot.Plotter {
	return &plotter.Scatter{XYs: plotter.XYs{{X: x, Y: y}}, GlyphStyle: draw.GlyphStyle{Color: c, Radius: radius, Shape: draw.CircleGlyph{}}}
}

// distributionFigure shows how many images each class has, and how many answers
// name it; of many classes, the sizes in falling order.
func distributionFigure(r evaluate.Report) figure {
	if len(r.PerClass) > rowsShown {
		return rankedFigure(r)
	}
	rows := rowPlot{labels: r.Labels}
	most := 1.0
	for _, c := range r.PerClass {
		most = max(most, float64(c.N), float64(c.Predicted))
	}
	return figure{
		name: "distribution", title: "Images and answers by class", about: "Images and answers by class.",
		width: figureWidth, height: rows.height(),
		legend: []entry{{"images", stroke(blue, 5)}, {"answers", stroke(ember, 5)}},
		draw: func(c draw.Canvas) {
			p := rows.plot()
			for i, class := range r.PerClass {
				y := rows.at(i)
				p.Add(bar{0, float64(class.N), y + 0.02, y + 0.34, faded(blue, 0.85)})
				p.Add(bar{0, float64(class.Predicted), y - 0.34, y - 0.02, faded(ember, 0.85)})
			}
			rows.fix(p, 0, most)
			p.X.Tick.Marker = plot.TickerFunc(wholeTicks)
			p.Draw(draw.Crop(c, 0, -8, 0, 0))
		},
	}
}

// wholeTicks are the major ticks without halves.
func wholeTicks(low, high float64) (ticks []plot.Tick) {
	for _, t := range roundTicks(low, high) {
		if t.Value == math.Round(t.Value) {
			t.Label = count(int(t.Value))
			ticks = append(ticks, t)
		}
	}
	return ticks
}

func rankedFigure(r evaluate.Report) figure {
	sizes, answers, ranks := make([]float64, len(r.PerClass)), make([]float64, len(r.PerClass)), make([]float64, len(r.PerClass))
	for i, c := range r.PerClass {
		sizes[i], answers[i], ranks[i] = float64(c.N), float64(c.Predicted), float64(i+1)
	}
	for _, list := range [][]float64{sizes, answers} {
		slices.SortFunc(list, func(a, b float64) int { return cmp.Compare(b, a) })
	}
	images, named := stroke(blue, 1.5), stroke(ember, 1.5)
	return figure{
		name: "distribution", title: "Images and answers by class, each in falling order",
		about: "Sizes of the classes in falling order: images, and answers that name them.",
		width: figureWidth, height: figureHeight,
		legend: []entry{{"images", images}, {"answers", named}},
		draw: func(c draw.Canvas) {
			p := newPlot("classes", "images a class")
			p.Add(lineOf(thinned(ranks, sizes, images)), lineOf(thinned(ranks, answers, named)))
			p.Y.Min = 0
			p.X.Tick.Marker, p.Y.Tick.Marker = plot.TickerFunc(wholeTicks), plot.TickerFunc(wholeTicks)
			p.Draw(draw.Crop(c, 0, -8, 0, -4))
		},
	}
}

// thinned leaves at most a thousand points of a line: more cannot be seen.
func thinned(x, y []float64, style draw.LineStyle) (thinX, thinY []float64, same draw.LineStyle) {
	const most = 1000
	if len(x) <= most {
		return x, y, style
	}
	for i := range most {
		at := i * (len(x) - 1) / (most - 1)
		thinX, thinY = append(thinX, x[at]), append(thinY, y[at])
	}
	return thinX, thinY, style
}

// rowPlot is a plot with a named row a class, the first on top.
type rowPlot struct{ labels []string }

func (r rowPlot) height() vg.Length      { return rowHeight*vg.Length(max(len(r.labels), 1)) + 22 }
func (r rowPlot) at(i int) float64       { return float64(len(r.labels) - 1 - i) }
func (r rowPlot) span() (low, h float64) { return -0.6, float64(len(r.labels)) - 0.4 }

func (r rowPlot) plot() *plot.Plot {
	p := newPlot("", "")
	p.Y.Padding = 0
	p.Y.Tick.Label.Color = ink
	p.Y.Tick.Label.YAlign = text.YCenter
	p.Y.Tick.Marker = plot.TickerFunc(func(float64, float64) (ticks []plot.Tick) {
		for i, label := range r.labels {
			ticks = append(ticks, plot.Tick{Value: r.at(i), Label: shorten(label, labelLetters)})
		}
		return ticks
	})
	return p
}

// fix sets the ranges after everything was added, which widens them.
func (r rowPlot) fix(p *plot.Plot, low, high float64) {
	shares(&p.X, low, high)
	p.Y.Min, p.Y.Max = r.span()
}
