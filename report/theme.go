package report

import (
	"image/color"
	"math"
	"strconv"

	xfont "golang.org/x/image/font"
	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/font/liberation"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// The colours, by the names of the page's CSS variables. Figures are drawn in the
// light ones; on the page their colours are replaced by the variables, so that
// they are dark where the page is. Ember, blue, teal, gold and plum are told apart
// by the colour-blind, too, and by their lightness.
var (
	sheet   = rgb(0xfffbf3)
	ink     = rgb(0x241d16)
	soft    = rgb(0x6d6052)
	line    = rgb(0xe0d5c3)
	ember   = rgb(0xb5480b)
	blue    = rgb(0x2a6a9e)
	teal    = rgb(0x2c9478)
	gold    = rgb(0xd09a1c)
	plum    = rgb(0x84417d)
	onEmber = rgb(0xfff3e0)
)

var shades = []struct {
	variable string
	color    color.NRGBA
}{
	{"sheet", sheet}, {"ink", ink}, {"soft", soft}, {"line", line}, {"ember", ember},
	{"blue", blue}, {"teal", teal}, {"gold", gold}, {"plum", plum}, {"on-ember", onEmber},
}

// series are the colours of lines that are named in a legend.
var series = []color.NRGBA{ember, blue, gold, plum, teal}

func rgb(hex uint32) color.NRGBA {
	return color.NRGBA{R: uint8(hex >> 16), G: uint8(hex >> 8), B: uint8(hex), A: 255}
}

// faded is a colour at an opacity of 0 to 1.
func faded(c color.NRGBA, opacity float64) color.NRGBA {
	c.A = uint8(255 * min(max(opacity, 0), 1))
	return c
}

// fonts come with the program. Their letters are as wide as Arial's, so an SVG
// looks the same where the font is another.
var fonts = font.NewCache(liberation.Collection())

func textStyle(size vg.Length, c color.Color) text.Style {
	return text.Style{
		Color:   c,
		Font:    font.Font{Typeface: "Liberation", Variant: "Sans", Size: size},
		Handler: text.Plain{Fonts: fonts},
	}
}

func boldStyle(size vg.Length, c color.Color) text.Style {
	s := textStyle(size, c)
	s.Font.Weight = xfont.WeightBold
	return s
}

// The sizes of letters in points. On a phone a figure is shown at three quarters
// of its size.
const (
	titleSize vg.Length = 11
	labelSize vg.Length = 9.5
	tickSize  vg.Length = 9
)

// newPlot is an empty plot with a light grid and without a box.
func newPlot(x, y string) *plot.Plot {
	p := plot.New()
	p.BackgroundColor = nil
	p.TextHandler = text.Plain{Fonts: fonts}
	p.Legend.TextStyle.Handler = p.TextHandler
	for _, axis := range []*plot.Axis{&p.X, &p.Y} {
		axis.LineStyle = draw.LineStyle{}
		axis.Padding = 4
		axis.Tick.LineStyle = draw.LineStyle{}
		axis.Tick.Length = 3
		alignment := axis.Tick.Label
		axis.Tick.Label = textStyle(tickSize, soft)
		axis.Tick.Label.XAlign, axis.Tick.Label.YAlign = alignment.XAlign, alignment.YAlign
		alignment = axis.Label.TextStyle
		axis.Label.TextStyle = textStyle(labelSize, soft)
		axis.Label.TextStyle.XAlign, axis.Label.TextStyle.YAlign = alignment.XAlign, alignment.YAlign
		axis.Label.TextStyle.Rotation = alignment.Rotation
		axis.Label.Padding = 3
	}
	p.X.Label.Text, p.Y.Label.Text = x, y
	grid := plotter.NewGrid()
	grid.Horizontal = draw.LineStyle{Color: line, Width: 0.5}
	grid.Vertical = grid.Horizontal
	p.Add(grid)
	return p
}

// shares makes an axis one of ratios from low to high, ticked in per cent.
func shares(axis *plot.Axis, low, high float64) {
	axis.Min, axis.Max = low, high
	axis.Tick.Marker = plot.TickerFunc(func(low, high float64) []plot.Tick {
		ticks := roundTicks(100*low, 100*high)
		for i := range ticks {
			ticks[i].Value /= 100
			ticks[i].Label += " %"
		}
		return ticks
	})
}

// roundTicks are four to eight values apart by 1, 2 or 5 times a power of ten.
func roundTicks(low, high float64) (ticks []plot.Tick) {
	if !(high > low) {
		return []plot.Tick{{Value: low, Label: strconv.FormatFloat(low, 'g', 4, 64)}}
	}
	power := math.Floor(math.Log10((high - low) / 5))
	step := math.Pow(10, power)
	for _, times := range []float64{2, 2.5, 2} { // 2, 5, 10
		if (high-low)/step > 7 {
			step *= times
		}
	}
	digits := max(0, -int(math.Floor(math.Log10(step)+1e-9)))
	for i := math.Ceil(low/step-1e-9) + 0; i*step <= high+1e-9*step; i++ { // + 0, since -0 has a sign
		ticks = append(ticks, plot.Tick{Value: i * step, Label: strconv.FormatFloat(i*step, 'f', digits, 64)})
	}
	return ticks
}

func stroke(c color.NRGBA, width vg.Length, dashes ...vg.Length) draw.LineStyle {
	return draw.LineStyle{Color: c, Width: width, Dashes: dashes}
}

// lineOf is a line through points.
func lineOf(x, y []float64, style draw.LineStyle) *plotter.Line {
	points := make(plotter.XYs, len(x))
	for i := range x {
		points[i].X, points[i].Y = x[i], y[i]
	}
	return &plotter.Line{XYs: points, LineStyle: style}
}
