package report

import (
	"fmt"
	"image/color"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"github.com/torchlit/torchlit/evaluate"
)

// reliabilityFigure shows how often answers are right, by how sure they are: as
// served, and at the fitted temperature; below it, how many are how sure.
func reliabilityFigure(r evaluate.Recalibration) figure {
	served, fitted := stroke(ember, 1.6), stroke(blue, 1.4)
	return figure{
		name: "reliability", title: "Reliability: how often is an answer right that is p % sure?",
		about: fmt.Sprintf("Accuracy by confidence. Calibration error %s as served, %s with a fitted temperature.",
			percent(r.AsServed.ECE), percent(r.Refitted.ECE)),
		width: figureWidth, height: figureHeight + 60,
		legend: []entry{
			{fmt.Sprintf("as served, ECE %s", percent(r.AsServed.ECE)), served},
			{fmt.Sprintf("temperature %.3g, ECE %s", r.Temperature, percent(r.Refitted.ECE)), fitted},
		},
		draw: func(c draw.Canvas) {
			height := c.Max.Y - c.Min.Y
			upper, lower := newPlot("", "accuracy"), newPlot("confidence", "images")
			for _, p := range []*plot.Plot{upper, lower} {
				shares(&p.X, 0, 1)
			}
			shares(&upper.Y, 0, 1)
			upper.Add(lineOf([]float64{0, 1}, []float64{0, 1}, stroke(soft, 0.9, 3, 3)))
			addReliability(upper, r.Refitted, fitted, false)
			addReliability(upper, r.AsServed, served, true)
			addHistogram(lower, r.AsServed)
			alignLeft(draw.Crop(c, 0, -4, height*0.34, -4), draw.Crop(c, 0, -4, 0, -height*0.68), upper, lower)
		},
	}
}

// addReliability draws the bins, each at its mean confidence, with the interval in
// which its accuracy likely is. Of a bin with a handful of images nothing is known.
func addReliability(p *plot.Plot, c evaluate.Calibration, style draw.LineStyle, intervals bool) {
	var x, y []float64
	total := 0
	for _, b := range c.Bins {
		total += b.N
	}
	least := min(10, 1+total/100)
	for _, b := range c.Bins {
		if b.N < least {
			continue
		}
		x, y = append(x, b.Confidence), append(y, b.Accuracy)
		if low, high := evaluate.Wilson(int(b.Accuracy*float64(b.N)+0.5), b.N); intervals {
			thin := style
			thin.Color, thin.Width = faded(ember, 0.4), 3
			p.Add(lineOf([]float64{b.Confidence, b.Confidence}, []float64{low, high}, thin))
		}
	}
	p.Add(lineOf(x, y, style), &plotter.Scatter{XYs: lineOf(x, y, style).XYs,
		GlyphStyle: draw.GlyphStyle{Color: style.Color, Radius: 2.2, Shape: draw.CircleGlyph{}}})
}

// addHistogram draws the images of each bin: right ones below, wrong ones on top.
func addHistogram(p *plot.Plot, c evaluate.Calibration) {
	most, total := 0, 0
	for _, b := range c.Bins {
		most, total = max(most, b.N), total+b.N
	}
	shares(&p.Y, 0, float64(max(most, 1))/float64(max(total, 1)))
	for _, b := range c.Bins {
		height := float64(b.N) / float64(max(total, 1))
		right := height * b.Accuracy
		p.Add(bar{b.Low, b.High, 0, right, faded(blue, 0.75)}, bar{b.Low, b.High, right, height, faded(ember, 0.85)})
	}
}

// bar is a filled rectangle in a plot's own units.
type bar struct {
	x0, x1, y0, y1 float64
	fill           color.Color
}

// Plot implements plot.Plotter.
func (b bar) Plot(c draw.Canvas, p *plot.Plot) {
	if b.y0 == b.y1 || b.x0 == b.x1 {
		return
	}
	x, y := p.Transforms(&c)
	rectangle(c, b.fill, x(b.x0)+0.5, y(b.y0), x(b.x1)-0.5, y(b.y1))
}

// alignLeft draws two plots above one another with their left axes in line.
func alignLeft(upperCanvas, lowerCanvas draw.Canvas, upper, lower *plot.Plot) {
	left := func(p *plot.Plot, c draw.Canvas) vg.Length { return p.DataCanvas(c).Min.X - c.Min.X }
	a, b := left(upper, upperCanvas), left(lower, lowerCanvas)
	upper.Draw(draw.Crop(upperCanvas, max(0, b-a), 0, 0, 0))
	lower.Draw(draw.Crop(lowerCanvas, max(0, a-b), 0, 0, 0))
}

// coverageFigure shows what is gained by answering only when sure.
func coverageFigure(curve []evaluate.Coverage) figure {
	return figure{
		name: "coverage", title: "Accuracy when only the surest answers are given",
		about: "Accuracy by the share of images that are answered, the surest first.",
		width: figureWidth, height: figureHeight,
		draw: func(c draw.Canvas) {
			p := newPlot("images answered", "accuracy of the answers")
			var x, y []float64
			low := 1.0
			for _, point := range curve {
				if point.Answered < 0.02 && len(curve) > 50 {
					continue // the share of a few images jumps about
				}
				x, y = append(x, point.Answered), append(y, point.Accuracy)
				low = min(low, point.Accuracy)
			}
			p.Add(lineOf(x, y, stroke(ember, 1.6)))
			shares(&p.X, 0, 1)
			shares(&p.Y, max(0, low-0.1*(1-low)-0.005), 1)
			p.Draw(draw.Crop(c, 0, -8, 0, -4))
		},
	}
}
