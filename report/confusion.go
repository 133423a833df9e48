package report

import (
	"image"
	"image/color"
	"math"
	"strconv"

	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"github.com/torchlit/torchlit/evaluate"
)

// A confusion matrix is drawn in one of three ways, so that it can be read:
//
//   - up to cellsLimit classes, each cell with its number and each class named;
//   - above, as a picture with a point a cell and some classes named, beside the
//     matrix of the classes that are confused most, with their numbers;
//   - above pointsLimit, neighbouring classes share a point, which is as strong as
//     the strongest of them: the mean would hide everything.
const (
	cellsLimit  = 24
	pointsLimit = 250
	worstShown  = 16 // classes in the matrix of the most confused
)

// confusionFigures are the matrix and, where it has too many classes to be read,
// the matrix of the most confused ones.
func confusionFigures(r evaluate.Report) []figure {
	m := newMatrix(r)
	if len(r.Labels) <= cellsLimit {
		return []figure{m.figure("confusion", "Confusion matrix", "Images by true and predicted class.")}
	}
	worst := m.pick(mostConfused(r, worstShown))
	return []figure{
		m.overview(),
		worst.figure("confusion_worst", "The classes confused most",
			"Images by true and predicted class, of the classes confused most."),
	}
}

// matrix is a confusion matrix, sparse, with the images of each row.
type matrix struct {
	labels []string
	rows   []int // images of each true class
	cells  []evaluate.Pair
}

func newMatrix(r evaluate.Report) matrix {
	m := matrix{labels: r.Labels, rows: make([]int, len(r.Labels)), cells: r.Confused}
	for i, c := range r.PerClass {
		m.rows[i] = c.N
		if hits := int(math.Round(c.Recall * float64(c.N))); hits > 0 {
			m.cells = append(m.cells[:len(m.cells):len(m.cells)], evaluate.Pair{Truth: i, Predicted: i, N: hits})
		}
	}
	return m
}

// mostConfused are the classes of the most frequent confusions, in the model's order.
func mostConfused(r evaluate.Report, n int) []int {
	in := map[int]bool{}
	for _, p := range r.Confused {
		for _, class := range []int{p.Truth, p.Predicted} {
			if len(in) < n {
				in[class] = true
			}
		}
	}
	var classes []int
	for class := range r.Labels {
		if in[class] {
			classes = append(classes, class)
		}
	}
	return classes
}

// pick is the matrix of some classes. Its rows keep all their images.
func (m matrix) pick(classes []int) matrix {
	at := map[int]int{}
	out := matrix{}
	for i, class := range classes {
		at[class] = i
		out.labels, out.rows = append(out.labels, m.labels[class]), append(out.rows, m.rows[class])
	}
	for _, c := range m.cells {
		i, ok := at[c.Truth]
		j, too := at[c.Predicted]
		if ok && too {
			out.cells = append(out.cells, evaluate.Pair{Truth: i, Predicted: j, N: c.N})
		}
	}
	return out
}

// shade is a cell's colour: blue for right answers, ember for wrong ones. The root
// lets a few in a hundred be seen.
func shade(share float64, right bool) color.NRGBA {
	if share == 0 {
		return faded(ember, 0)
	}
	strength := 0.1 + 0.9*math.Sqrt(share)
	if right {
		return faded(blue, strength)
	}
	return faded(ember, strength)
}

const labelLetters = 18

// frame is the place of a matrix on its canvas: the labels are left of it and
// below, turned.
type frame struct {
	left, bottom, side vg.Length
}

const axisTitle vg.Length = 15

func (m matrix) labelWidth() vg.Length {
	style := textStyle(tickSize, ink)
	widest := vg.Length(10)
	for _, label := range m.labels {
		widest = max(widest, style.Width(shorten(label, labelLetters)))
	}
	return widest + 5
}

// figure draws every cell.
func (m matrix) figure(name, title, about string) figure {
	k := vg.Length(max(len(m.labels), 1))
	cell := min(max(250/k, 19), 60)
	border := m.labelWidth() + axisTitle
	f := frame{border, border, k * cell}
	return figure{
		name: name, title: title, about: about, width: border + f.side + 2, height: border + f.side + 2,
		draw: func(c draw.Canvas) {
			f.axes(c)
			for i, label := range m.labels {
				f.label(c, label, vg.Length(i)*cell+cell/2)
			}
			for _, p := range m.cells {
				m.cell(c, f, cell, p)
			}
		},
	}
}

func (m matrix) cell(c draw.Canvas, f frame, side vg.Length, p evaluate.Pair) {
	share := float64(p.N) / float64(max(m.rows[p.Truth], 1))
	x := c.Min.X + f.left + vg.Length(p.Predicted)*side
	y := c.Min.Y + f.bottom + f.side - vg.Length(p.Truth+1)*side
	fill := shade(share, p.Truth == p.Predicted)
	rectangle(c, fill, x+.5, y+.5, x+side-.5, y+side-.5)
	style := textStyle(min(tickSize, side*0.46), ink)
	if fill.A > 165 {
		style.Color = onEmber
	}
	number := strconv.Itoa(p.N)
	if wide := style.Width(number); wide > side-2 {
		style.Font.Size *= (side - 2) / wide
	}
	style.XAlign, style.YAlign = text.XCenter, text.YCenter
	c.FillText(style, vg.Point{X: x + side/2, Y: y + side/2}, number)
}

// axes draws the box and what its sides mean.
func (f frame) axes(c draw.Canvas) {
	x, y := c.Min.X+f.left, c.Min.Y+f.bottom
	box := []vg.Point{{X: x, Y: y}, {X: x + f.side, Y: y}, {X: x + f.side, Y: y + f.side}, {X: x, Y: y + f.side}, {X: x, Y: y}}
	c.StrokeLines(stroke(line, 0.75), box)
	style := textStyle(labelSize, soft)
	style.XAlign = text.XCenter
	c.FillText(style, vg.Point{X: x + f.side/2, Y: c.Min.Y + 2}, "predicted")
	style.Rotation, style.YAlign = math.Pi/2, text.YTop
	c.FillText(style, vg.Point{X: c.Min.X, Y: y + f.side/2}, "true")
}

// label names the class whose middle is at, from the top and from the left.
func (f frame) label(c draw.Canvas, label string, at vg.Length) {
	style := textStyle(tickSize, ink)
	style.XAlign, style.YAlign = text.XRight, text.YCenter
	name := shorten(label, labelLetters)
	c.FillText(style, vg.Point{X: c.Min.X + f.left - 4, Y: c.Min.Y + f.bottom + f.side - at}, name)
	style.Rotation = math.Pi / 2
	c.FillText(style, vg.Point{X: c.Min.X + f.left + at, Y: c.Min.Y + f.bottom - 4}, name)
}

// overview is the picture of a large matrix.
func (m matrix) overview() figure {
	const side = 340
	labels := m.every()
	border := m.labelWidth() + axisTitle
	f := frame{border, border, side}
	pixels := m.points()
	return figure{
		name: "confusion", title: "Confusion matrix", width: border + side + 2, height: border + side + 2,
		about: "Share of each true class by predicted class; the diagonal is right.",
		draw: func(c draw.Canvas) {
			x, y := c.Min.X+f.left, c.Min.Y+f.bottom
			c.DrawImage(vg.Rectangle{Min: vg.Point{X: x, Y: y}, Max: vg.Point{X: x + side, Y: y + side}}, pixels)
			f.axes(c)
			for _, i := range labels {
				f.label(c, m.labels[i], (vg.Length(i)+0.5)*side/vg.Length(len(m.labels)))
			}
		},
	}
}

// every lists the classes that an overview names: at most twenty, evenly apart.
func (m matrix) every() (classes []int) {
	apart := (len(m.labels) + 19) / 20
	for i := apart / 2; i < len(m.labels); i += apart {
		classes = append(classes, i)
	}
	return classes
}

// points paints the cells. Each is several pixels wide, so that what shows the
// picture does not blur it.
func (m matrix) points() image.Image {
	per := (len(m.labels) + pointsLimit - 1) / pointsLimit // classes a point
	n := (len(m.labels) + per - 1) / per
	wrong, right := make([]float64, n*n), make([]float64, n*n)
	for _, p := range m.cells {
		at := p.Truth/per*n + p.Predicted/per
		share := float64(p.N) / float64(m.rows[p.Truth])
		if p.Truth == p.Predicted {
			right[at] = max(right[at], share)
		} else {
			wrong[at] = max(wrong[at], share)
		}
	}
	scale := max(1, 750/n)
	img := image.NewNRGBA(image.Rect(0, 0, n*scale, n*scale))
	for y := range n * scale {
		for x := range n * scale {
			at := y/scale*n + x/scale
			if right[at] > 0 {
				img.SetNRGBA(x, y, shade(right[at], true))
			} else {
				img.SetNRGBA(x, y, shade(wrong[at], false))
			}
		}
	}
	return img
}
