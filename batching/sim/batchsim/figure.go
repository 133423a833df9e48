package main

import (
	"bytes"
	"image/color"
	"math"
	"strconv"
	"strings"
	"time"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"
)

// A figure stands on its own sheet, so that it can be read on a light page and on a dark one.
var (
	sheet  = rgb(0xfffbf3)
	ink    = rgb(0x241d16)
	grid   = rgb(0xe0d5c3)
	series = []color.Color{rgb(0xb5480b), rgb(0x2a6a9e), rgb(0x2c9478), rgb(0x84417d), rgb(0xb08a00)}
	dashes = [][]vg.Length{nil, nil, {5, 2}, {2, 2}, {6, 2, 1, 2}}
)

func rgb(hex uint32) color.NRGBA {
	return color.NRGBA{R: uint8(hex >> 16), G: uint8(hex >> 8), B: uint8(hex), A: 255}
}

const (
	width   vg.Length = 760
	height  vg.Length = 330
	heading vg.Length = 28
	legend  vg.Length = 34
	margin  vg.Length = 10
)

// drawFigure draws goodput, and median and 99th percentile of the latency, against load.
func drawFigure(title string, sweeps []sweep, loads []float64, deadline time.Duration) ([]byte, error) {
	canvas := vgsvg.New(width, height)
	c := draw.New(canvas)
	c.SetColor(sheet)
	c.Fill(c.Rectangle.Path())
	c = draw.Crop(c, margin, -margin, margin, -margin)
	head := style(13)
	head.YAlign = text.YTop
	c.FillText(head, vg.Point{X: c.Min.X, Y: c.Max.Y}, title)
	drawLegend(draw.Crop(c, 0, 0, 0, -heading), sweeps)
	c = draw.Crop(c, 0, 0, 0, -heading-legend)

	panels := []struct {
		label string
		value func(s *sweep, i int) float64
	}{
		{"answers in time / capacity", func(s *sweep, i int) float64 { return s.outcomes[i].Goodput() / s.capacity }},
		{"p50 latency / ms", func(s *sweep, i int) float64 { return quantile(s, i, .5) }},
		{"p99 latency / ms", func(s *sweep, i int) float64 { return quantile(s, i, .99) }},
	}
	for k, panel := range panels {
		p := newPlot(panel.label)
		if k > 0 {
			p.Y.Scale, p.Y.Tick.Marker = plot.LogScale{}, decades{}
			bound := float64(deadline) / float64(time.Millisecond)
			p.Y.Min, p.Y.Max = bound/300, bound*10
			add(p, []float64{loads[0], loads[len(loads)-1]}, func(int) float64 { return bound }, ink, []vg.Length{1, 2})
		} else {
			p.Y.Min, p.Y.Max = 0, 1.05
		}
		for j := len(sweeps) - 1; j >= 0; j-- { // the first on top
			add(p, loads, func(i int) float64 { return clamp(panel.value(&sweeps[j], i), p.Y.Min, p.Y.Max) }, series[j], dashes[j])
		}
		each := (c.Max.X - c.Min.X) / vg.Length(len(panels))
		p.Draw(draw.Crop(c, each*vg.Length(k)+4, -each*vg.Length(len(panels)-1-k)-4, 0, 0))
	}
	var b bytes.Buffer
	_, err := canvas.WriteTo(&b)
	return []byte(strings.NewReplacer("font-variant:normal;", "",
		"font-family:Liberation Sans;", "font-family:'Liberation Sans',Arial,Helvetica,sans-serif;").Replace(b.String())), err
}

func quantile(s *sweep, i int, q float64) float64 {
	return float64(s.outcomes[i].Quantile(q)) / float64(time.Millisecond)
}

func clamp(v, low, high float64) float64 { return math.Max(low, math.Min(v, high)) }

func style(size font.Length) draw.TextStyle {
	return draw.TextStyle{Color: ink, Font: font.From(font.Font{Typeface: "Liberation", Variant: "Sans"}, size), Handler: plot.DefaultTextHandler}
}

func newPlot(label string) *plot.Plot {
	p := plot.New()
	p.BackgroundColor = sheet
	p.Title.Text, p.Title.TextStyle = label, style(10)
	p.X.Label.Text = "load / capacity"
	for _, a := range []*plot.Axis{&p.X, &p.Y} {
		a.Color, a.Tick.Color = ink, ink
		align := a.Tick.Label
		a.Tick.Label = style(9)
		a.Tick.Label.XAlign, a.Tick.Label.YAlign = align.XAlign, align.YAlign
	}
	p.X.Label.TextStyle = style(9)
	p.X.Label.TextStyle.XAlign, p.X.Label.TextStyle.YAlign = draw.XCenter, draw.YBottom
	p.Title.TextStyle.XAlign, p.Title.TextStyle.YAlign = draw.XCenter, draw.YTop
	p.X.Min, p.X.Max = 0, 2
	g := plotter.NewGrid()
	g.Horizontal.Color, g.Vertical.Color = grid, grid
	p.Add(g)
	return p
}

// add draws a line.
func add(p *plot.Plot, x []float64, y func(i int) float64, c color.Color, dash []vg.Length) {
	points := make(plotter.XYs, len(x))
	for i := range x {
		points[i] = plotter.XY{X: x[i], Y: y(i)}
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

// drawLegend names the lines, in two rows.
func drawLegend(c draw.Canvas, sweeps []sweep) {
	text := style(10)
	text.YAlign = draw.YCenter
	at := vg.Point{X: c.Min.X, Y: c.Max.Y - 4}
	for j, s := range sweeps {
		if at.X+24+text.Width(s.policy)*1.1 > c.Max.X {
			at = vg.Point{X: c.Min.X, Y: at.Y - 14}
		}
		c.StrokeLine2(draw.LineStyle{Color: series[j], Width: 2, Dashes: dashes[j]}, at.X, at.Y, at.X+20, at.Y)
		c.FillText(text, vg.Point{X: at.X + 24, Y: at.Y}, s.policy)
		at.X += 24 + text.Width(s.policy)*1.1 + 16 // Other fonts are wider.
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
