package report

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"github.com/torchlit/torchlit/evaluate"
)

// backgroundCurves is the number of classes up to which every class has a faint
// curve; namedCurves that of the worst ones, which have a colour and a name.
const (
	backgroundCurves = 40
	namedCurves      = 3
)

// rocFigure shows for each class how many of its images are found, against how
// many others are taken for it.
func rocFigure(roc evaluate.CurveSet) figure {
	micro, macro := stroke(ink, 1.5, 4, 2), stroke(ink, 1.5)
	worst := worstCurves(roc.PerClass, namedCurves)
	f := figure{
		name: "roc", title: "ROC, each class against the rest",
		about:  fmt.Sprintf("ROC curves. Area under the curve: macro average %s, micro average %s.", area(roc.Macro), area(roc.Micro)),
		width:  figureWidth,
		height: figureHeight,
		legend: append([]entry{
			{"macro average, AUC " + area(roc.Macro), macro}, {"micro average, AUC " + area(roc.Micro), micro},
		}, named(worst, "AUC")...),
	}
	f.draw = func(c draw.Canvas) {
		p := newPlot("others taken for the class", "images of the class found")
		all := func(p *plot.Plot) {
			p.Add(lineOf([]float64{0, 1}, []float64{0, 1}, stroke(soft, 0.9, 3, 3)))
			addCurves(p, roc.PerClass, worst, lineOf)
			p.Add(lineOf(roc.Micro.X, roc.Micro.Y, micro), lineOf(roc.Macro.X, roc.Macro.Y, macro))
		}
		shares(&p.X, 0, 1)
		shares(&p.Y, 0, 1)
		all(p)
		c = draw.Crop(c, 0, -8, 0, -4)
		p.Draw(c)
		if roc.Macro.Area > 0.9 {
			corner(p.DataCanvas(c), all)
		}
	}
	return f
}

// corner draws the upper left tenth by tenth of the plot large into its lower
// right, which good curves leave free.
func corner(c draw.Canvas, add func(p *plot.Plot)) {
	size := c.Size()
	c = draw.Crop(c, size.X*0.4, -8, 10, -size.Y*0.3)
	rectangle(c, sheet, c.Min.X, c.Min.Y, c.Max.X, c.Max.Y)
	c.StrokeLines(stroke(line, 0.75), []vg.Point{c.Min, {X: c.Min.X, Y: c.Max.Y}, c.Max, {X: c.Max.X, Y: c.Min.Y}, c.Min})
	p := newPlot("", "")
	add(p)
	shares(&p.X, 0, 0.1)
	shares(&p.Y, 0.9, 1)
	p.X.Tick.Marker = plot.ConstantTicks{{Value: 0, Label: "0 %"}, {Value: 0.05, Label: "5 %"}, {Value: 0.1, Label: "10 %"}}
	style := textStyle(tickSize, soft)
	style.XAlign, style.YAlign = text.XRight, text.YTop
	c.FillText(style, vg.Point{X: c.Max.X - 6, Y: c.Max.Y - 4}, "the corner, enlarged")
	p.Draw(draw.Crop(c, 6, -8, 5, -18))
}

// precisionRecallFigure shows what share of the answers naming a class is right,
// against how many of its images are found.
func precisionRecallFigure(pr evaluate.CurveSet) figure {
	micro := stroke(ink, 1.5, 4, 2)
	worst := worstCurves(pr.PerClass, namedCurves)
	return figure{
		name: "precision_recall", title: "Precision and recall, each class against the rest",
		about:  fmt.Sprintf("Precision-recall curves. Average precision: macro %s, micro %s.", area(pr.Macro), area(pr.Micro)),
		width:  figureWidth,
		height: figureHeight,
		legend: append([]entry{{"micro average, AP " + area(pr.Micro), micro}}, named(worst, "AP")...),
		draw: func(c draw.Canvas) {
			p := newPlot("recall", "precision")
			addCurves(p, pr.PerClass, worst, stepsOf)
			p.Add(stepsOf(pr.Micro.X, pr.Micro.Y, micro))
			shares(&p.X, 0, 1)
			shares(&p.Y, 0, 1)
			p.Draw(draw.Crop(c, 0, -8, 0, -4))
		},
	}
}

// addCurves draws the worst curves in colours, and the others faintly unless
// there are too many to see anything.
func addCurves(p *plot.Plot, curves, worst []evaluate.Curve, lineOf lineMaker) {
	if len(curves) <= backgroundCurves {
		for _, c := range curves {
			p.Add(lineOf(c.X, c.Y, stroke(faded(soft, 0.45), 0.7)))
		}
	}
	for i, c := range worst {
		p.Add(lineOf(c.X, c.Y, stroke(series[i], 1.3)))
	}
}

type lineMaker func(x, y []float64, style draw.LineStyle) *plotter.Line

// stepsOf is a line whose height at each point holds since the one before, as the
// average precision counts it. Between two recalls nothing is known.
func stepsOf(x, y []float64, style draw.LineStyle) *plotter.Line {
	l := lineOf(x, y, style)
	l.StepStyle = plotter.PreStep
	return l
}

func named(curves []evaluate.Curve, measure string) (entries []entry) {
	for i, c := range curves {
		entries = append(entries, entry{fmt.Sprintf("%s, %s %s", shorten(c.Label, labelLetters), measure, area(c)), stroke(series[i], 1.3)})
	}
	return entries
}

// worstCurves are those with the smallest areas, smallest first.
func worstCurves(curves []evaluate.Curve, n int) []evaluate.Curve {
	var have []evaluate.Curve
	for _, c := range curves {
		if !math.IsNaN(c.Area) {
			have = append(have, c)
		}
	}
	slices.SortStableFunc(have, func(a, b evaluate.Curve) int { return cmp.Compare(a.Area, b.Area) })
	return have[:min(n, len(have))]
}

// area is a curve's area for people.
func area(c evaluate.Curve) string {
	if math.IsNaN(c.Area) {
		return "–"
	}
	return fmt.Sprintf("%.4f", c.Area)
}
