// Package chart draws the figures of the simulations: panels of lines side by side, under one title and one legend, as SVG. The same
// lines give the same bytes. A figure stands on its own sheet, so that it can be read on a light page and on a dark one.
package chart

import (
	"bytes"
	"image/color"
	"math"
	"strconv"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"
)

var (
	sheet  = rgb(0xfffbf3)
	ink    = rgb(0x241d16)
	grid   = rgb(0xe0d5c3)
	series = []color.Color{rgb(0xb5480b), rgb(0x2a6a9e), rgb(0x2c9478), rgb(0x84417d), rgb(0xb08a00)}
	dashes = [][]vg.Length{nil, nil, {5, 2}, {2, 2}, {6, 2, 1, 2}}
	bound  = []vg.Length{1, 2}
)

func rgb(hex uint32) color.NRGBA {
	return color.NRGBA{R: uint8(hex >> 16), G: uint8(hex >> 8), B: uint8(hex), A: 255}
}

const (
	width   vg.Length = 760
	height  vg.Length = 330
	heading vg.Length = 28
	row     vg.Length = 14 // of the legend
	margin  vg.Length = 10
)

// Figure is panels under one legend.
type Figure struct {
	Title  string
	Names  []string // of the lines of all panels, at most five
	Rows   int      // of the legend
	Panels []Panel
}

// Panel is one drawing. What lies outside of its bounds is drawn on them.
type Panel struct {
	Title, X     string
	MinX, MaxX   float64
	MinY, MaxY   float64
	Log          bool      // of the y axis
	Lines        []Line    // in the order of Figure.Names; the first on top
	Bound        []float64 // heights of dotted lines from side to side
	Ground       *Line     // a dotted line behind all others, which the legend does not name
	TickX, TickY []float64 // labelled; nil: as it fits
}

// Line goes through points.
type Line struct{ X, Y []float64 }

// Draw returns the figure as SVG.
func (f Figure) Draw() ([]byte, error) {
	canvas := vgsvg.New(width, height)
	c := draw.New(canvas)
	c.SetColor(sheet)
	c.Fill(c.Rectangle.Path())
	c = draw.Crop(c, margin, -margin, margin, -margin)
	head := style(13)
	head.YAlign = text.YTop
	c.FillText(head, vg.Point{X: c.Min.X, Y: c.Max.Y}, f.Title)
	f.drawLegend(draw.Crop(c, 0, 0, 0, -heading))
	c = draw.Crop(c, 0, 0, 0, -heading-row*vg.Length(f.Rows)-6)

	for k, panel := range f.Panels {
		each := (c.Max.X - c.Min.X) / vg.Length(len(f.Panels))
		panel.plot().Draw(draw.Crop(c, each*vg.Length(k)+4, -each*vg.Length(len(f.Panels)-1-k)-4, 0, 0))
	}
	var b bytes.Buffer
	_, err := canvas.WriteTo(&b)
	return []byte(strings.NewReplacer("font-variant:normal;", "",
		"font-family:Liberation Sans;", "font-family:'Liberation Sans',Arial,Helvetica,sans-serif;").Replace(b.String())), err
}

func (p Panel) plot() *plot.Plot {
	out := newPlot(p.Title, p.X)
	out.X.Min, out.X.Max, out.Y.Min, out.Y.Max = p.MinX, p.MaxX, p.MinY, p.MaxY
	if p.Log {
		out.Y.Scale, out.Y.Tick.Marker = plot.LogScale{}, decades{}
	}
	if p.TickX != nil {
		out.X.Tick.Marker = at(p.TickX)
	}
	if p.TickY != nil {
		out.Y.Tick.Marker = at(p.TickY)
	}
	for _, y := range p.Bound {
		add(out, Line{[]float64{p.MinX, p.MaxX}, []float64{y, y}}, ink, bound)
	}
	if p.Ground != nil {
		add(out, *p.Ground, ink, bound)
	}
	for j := len(p.Lines) - 1; j >= 0; j-- { // the first on top
		add(out, p.Lines[j], series[j], dashes[j])
	}
	return out
}

// at labels these values.
func at(values []float64) (ticks plot.ConstantTicks) {
	for _, v := range values {
		ticks = append(ticks, plot.Tick{Value: v, Label: strconv.FormatFloat(v, 'f', -1, 64)})
	}
	return ticks
}

func style(size font.Length) draw.TextStyle {
	return draw.TextStyle{Color: ink, Font: font.From(font.Font{Typeface: "Liberation", Variant: "Sans"}, size), Handler: plot.DefaultTextHandler}
}

func newPlot(title, x string) *plot.Plot {
	p := plot.New()
	p.BackgroundColor = sheet
	p.Title.Text, p.Title.TextStyle = title, style(10)
	p.X.Label.Text = x
	for _, a := range []*plot.Axis{&p.X, &p.Y} {
		a.Color, a.Tick.Color = ink, ink
		align := a.Tick.Label
		a.Tick.Label = style(9)
		a.Tick.Label.XAlign, a.Tick.Label.YAlign = align.XAlign, align.YAlign
	}
	p.X.Label.TextStyle = style(9)
	p.X.Label.TextStyle.XAlign, p.X.Label.TextStyle.YAlign = draw.XCenter, draw.YBottom
	p.Title.TextStyle.XAlign, p.Title.TextStyle.YAlign = draw.XCenter, draw.YTop
	g := plotter.NewGrid()
	g.Horizontal.Color, g.Vertical.Color = grid, grid
	p.Add(g)
	return p
}

// add draws a line, within the bounds.
func add(p *plot.Plot, l Line, c color.Color, dash []vg.Length) {
	points := make(plotter.XYs, len(l.X))
	for i := range l.X {
		points[i] = plotter.XY{X: l.X[i], Y: clamp(l.Y[i], p.Y.Min, p.Y.Max)}
	}
	line, err := plotter.NewLine(points)
	if err != nil {
		panic("BUG: " + err.Error())
	}
	line.Color, line.Width, line.Dashes = c, 1.6, dash
	low, high, left, right := p.Y.Min, p.Y.Max, p.X.Min, p.X.Max
	p.Add(line)
	p.Y.Min, p.Y.Max, p.X.Min, p.X.Max = low, high, left, right
}

func clamp(v, low, high float64) float64 { return math.Max(low, math.Min(v, high)) }

// drawLegend names the lines.
func (f Figure) drawLegend(c draw.Canvas) {
	text := style(10)
	text.YAlign = draw.YCenter
	at := vg.Point{X: c.Min.X, Y: c.Max.Y - 4}
	for j, name := range f.Names {
		if at.X+24+text.Width(name)*1.1 > c.Max.X {
			at = vg.Point{X: c.Min.X, Y: at.Y - row}
		}
		c.StrokeLine2(draw.LineStyle{Color: series[j], Width: 2, Dashes: dashes[j]}, at.X, at.Y, at.X+20, at.Y)
		c.FillText(text, vg.Point{X: at.X + 24, Y: at.Y}, name)
		at.X += 24 + text.Width(name)*1.1 + 16 // Other fonts are wider.
	}
}

// decades marks powers of ten and writes them as they are said.
type decades struct{}

// Ticks implements plot.Ticker.
func (decades) Ticks(low, high float64) []plot.Tick {
	var ticks []plot.Tick
	for d := math.Pow(10, math.Floor(math.Log10(low))); d <= high; d *= 10 {
		for k := 1.0; k < 10; k++ {
			if v := k * d; v >= low && v <= high {
				label := ""
				if k == 1 {
					label = strconv.FormatFloat(v, 'f', -1, 64)
				}
				ticks = append(ticks, plot.Tick{Value: v, Label: label})
			}
		}
	}
	return ticks
}
