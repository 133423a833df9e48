package report

import (
	"fmt"
	"math"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg/draw"
)

// LRFinder draws what a search for a learning rate saw, the loss at each rate on
// a logarithmic axis, and marks the suggestion; 0 for none. path gets .png and
// .svg, or is the one file that its ending names. Points that are not finite, or
// rates that are not positive, are left out; there must be two others.
func LRFinder(lrs, losses []float64, suggestion float64, path string) error {
	if len(lrs) != len(losses) {
		return fmt.Errorf("cannot draw %d losses at %d learning rates", len(losses), len(lrs))
	}
	var x, y []float64
	for i := range lrs {
		if lrs[i] > 0 && finite(lrs[i]) && finite(losses[i]) {
			x, y = append(x, lrs[i]), append(y, losses[i])
		}
	}
	if len(x) < 2 {
		return fmt.Errorf("cannot draw a search for a learning rate: it has %d usable points and needs two", len(x))
	}
	f := figure{
		name: "lr_finder", title: "Loss by learning rate", about: "Loss by learning rate.",
		width: figureWidth, height: figureHeight,
		draw: func(c draw.Canvas) {
			p := newPlot("learning rate", "loss")
			p.Add(lineOf(x, y, stroke(blue, 1.6)))
			p.Y.Max = clearTop(y)
			logarithmic(&p.X)
			p.Y.Tick.Marker = plot.TickerFunc(roundTicks)
			if suggestion > 0 {
				p.Add(lineOf([]float64{suggestion, suggestion}, []float64{p.Y.Min, p.Y.Max}, stroke(ember, 1, 3, 3)))
				p.Add(dot(suggestion, interpolate(x, y, suggestion), 3, ember))
			}
			p.Draw(draw.Crop(c, 0, -14, 0, -4))
		},
	}
	if suggestion > 0 {
		f.legend = []entry{{fmt.Sprintf("suggestion: %.3g, where the loss falls fastest", suggestion), stroke(ember, 1, 3, 3)}}
	}
	return f.write(path)
}

func finite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }

// clearTop is where the vertical axis ends: at the end of a search the loss
// explodes, and would press everything else flat.
func clearTop(losses []float64) float64 {
	low, high, first := math.Inf(1), math.Inf(-1), losses[0]
	for _, v := range losses {
		low, high = min(low, v), max(high, v)
	}
	return min(high, first+1.2*(first-low)+0.05*math.Abs(first))
}

// logarithmic makes an axis of positive values that, with ticks at powers of ten.
func logarithmic(axis *plot.Axis) {
	axis.Scale = plot.LogScale{}
	axis.Tick.Marker = plot.TickerFunc(func(low, high float64) (ticks []plot.Tick) {
		for e := math.Ceil(math.Log10(low) - 1e-9); e <= math.Log10(high)+1e-9; e++ {
			ticks = append(ticks, plot.Tick{Value: math.Pow(10, e), Label: fmt.Sprintf("1e%d", int(e))})
		}
		if len(ticks) < 2 {
			return []plot.Tick{{Value: low, Label: fmt.Sprintf("%.2g", low)}, {Value: high, Label: fmt.Sprintf("%.2g", high)}}
		}
		return ticks
	})
}

// interpolate is the height of a line through points of rising x.
func interpolate(x, y []float64, at float64) float64 {
	for i := 1; i < len(x); i++ {
		if at <= x[i] {
			t := (at - x[i-1]) / (x[i] - x[i-1])
			return y[i-1] + min(max(t, 0), 1)*(y[i]-y[i-1])
		}
	}
	return y[len(y)-1]
}

// BatchSizes draws what a search for a batch size saw: the throughput in images/s
// of each size on a logarithmic axis. A size that did not fit into memory has a
// throughput of 0. chosen is marked; 0 for none. path is as in [LRFinder].
func BatchSizes(sizes []int, imagesPerSecond []float64, chosen int, path string) error {
	if len(sizes) != len(imagesPerSecond) {
		return fmt.Errorf("cannot draw %d rates of %d batch sizes", len(imagesPerSecond), len(sizes))
	}
	var x, y, failed []float64
	for i, size := range sizes {
		switch {
		case size <= 0:
		case imagesPerSecond[i] > 0 && finite(imagesPerSecond[i]):
			x, y = append(x, float64(size)), append(y, imagesPerSecond[i])
		default:
			failed = append(failed, float64(size))
		}
	}
	if len(x) == 0 {
		return fmt.Errorf("cannot draw a search for a batch size: none of %d sizes was measured", len(sizes))
	}
	f := figure{
		name: "batch_sizes", title: "Throughput by batch size", about: "Images per second by batch size.",
		width: figureWidth, height: figureHeight,
		draw: func(c draw.Canvas) {
			p := newPlot("batch size", "images/s")
			p.Add(lineOf(x, y, stroke(blue, 1.6)))
			for i := range x {
				color := blue
				if int(x[i]) == chosen {
					color = ember
				}
				p.Add(dot(x[i], y[i], 3, color))
			}
			for _, size := range failed {
				p.Add(&plotter.Scatter{XYs: plotter.XYs{{X: size, Y: 0}},
					GlyphStyle: draw.GlyphStyle{Color: ember, Radius: 3.5, Shape: draw.CrossGlyph{}}})
			}
			p.Y.Min = 0
			p.X.Scale = plot.LogScale{}
			if p.X.Min == p.X.Max {
				p.X.Min, p.X.Max = p.X.Min/2, p.X.Max*2
			}
			p.X.Tick.Marker = plot.TickerFunc(func(float64, float64) (ticks []plot.Tick) {
				for _, size := range append(append([]float64{}, x...), failed...) {
					ticks = append(ticks, plot.Tick{Value: size, Label: count(int(size))})
				}
				return ticks
			})
			p.Y.Tick.Marker = plot.TickerFunc(roundTicks)
			p.Draw(draw.Crop(c, 0, -14, 0, -4))
		},
	}
	if chosen > 0 {
		f.legend = append(f.legend, entry{fmt.Sprintf("chosen: %s", count(chosen)), stroke(ember, 5)})
	}
	if len(failed) > 0 {
		f.legend = append(f.legend, entry{"× did not fit into memory", draw.LineStyle{}})
	}
	return f.write(path)
}
