package transforms

import (
	"math"

	"github.com/torchlit/torchlit/vision"
)

// ResizeTransformer scales pictures.
type ResizeTransformer struct{ size size }

// Resize scales a picture to height × width pixels, or to a square of that
// height, whatever its aspect ratio was. With one number torchvision's transform
// keeps the aspect ratio instead.
//
// It interpolates linearly, as OpenCV does. A picture that shrinks to less than
// half is therefore sampled, not averaged. For pixels as Pillow's and timm's, on
// which most published models were trained, use vision.Preprocess.
func Resize(height int, width ...int) *ResizeTransformer {
	return &ResizeTransformer{newSize(height, width)}
}

// Run scales input.
func (t *ResizeTransformer) Run(input *vision.Image) *vision.Image {
	checkImage("Resize", input)
	t.size.check("Resize")
	return resizeLinear(input, t.size)
}

// OpenCV's INTER_LINEAR for bytes works in integers. Getting the last bit right
// takes the same steps: weights are float32, rounded to 11 bits; a row pass keeps
// all bits; the column pass drops four of them, multiplies, drops 16 and rounds
// the last two away. Halving both sides is another algorithm there, too, the mean
// of four pixels. The goldens are OpenCV's, and equality is exact.
const weightOne = 1 << 11

// tap says how a pixel comes from two neighbours: at and next are their
// positions, a and b their weights.
type tap struct {
	at, next int
	a, b     int32
}

// taps computes the weights along an axis. Beyond the outermost centres the
// horizontal axis takes the last pixel alone; the vertical one takes it twice,
// with both weights, and the rounding shows.
func taps(from, to int, alone bool) []tap {
	// The conversions keep compilers from fusing operations, which would round otherwise.
	scale := 1 / (float64(to) / float64(from))
	ts := make([]tap, to)
	for i := range ts {
		position := float32(float64((float64(i)+0.5)*scale) - 0.5)
		at := int(math.Floor(float64(position)))
		weight := position - float32(at)
		if alone && (at < 0 || at >= from-1) {
			weight = 0
		}
		ts[i] = tap{
			at:   min(max(at, 0), from-1),
			next: min(max(at+1, 0), from-1),
			a:    round11(1 - weight),
			b:    round11(weight),
		}
	}
	return ts
}

func round11(weight float32) int32 { return int32(math.RoundToEven(float64(weight * weightOne))) }

func resizeLinear(m *vision.Image, s size) *vision.Image {
	switch {
	case s.width == m.Width && s.height == m.Height:
		return m
	case 2*s.width == m.Width && 2*s.height == m.Height:
		return halve(m, s)
	}
	out := vision.Acquire(s.width, s.height)
	columns, rows := taps(m.Width, s.width, true), taps(m.Height, s.height, false)

	// Neighbouring rows of the result mostly come from the same two rows of the
	// source, so the two that were stretched last are kept.
	upper, lower := stretched{row: -1}, stretched{row: -1}
	for y, t := range rows {
		if upper.row != t.at && lower.row == t.at {
			upper, lower = lower, upper
		}
		upper.stretch(m, t.at, columns)
		lower.stretch(m, t.next, columns)
		to := rowOf(out, y)
		for i := range to {
			v := (t.a*(upper.sums[i]>>4))>>16 + (t.b*(lower.sums[i]>>4))>>16
			to[i] = byte((v + 2) >> 2)
		}
	}
	return out
}

// stretched is a row of the source in the width of the result, times weightOne.
type stretched struct {
	row  int
	sums []int32
}

func (s *stretched) stretch(m *vision.Image, row int, columns []tap) {
	if s.row == row {
		return
	}
	if s.sums == nil {
		s.sums = make([]int32, 3*len(columns))
	}
	s.row = row
	from := rowOf(m, row)
	for x, t := range columns {
		p, q := from[3*t.at:][:3], from[3*t.next:][:3]
		to := s.sums[3*x:][:3]
		for c := range to {
			to[c] = int32(p[c])*t.a + int32(q[c])*t.b
		}
	}
}

func halve(m *vision.Image, s size) *vision.Image {
	out := vision.Acquire(s.width, s.height)
	for y := range s.height {
		a, b, to := rowOf(m, 2*y), rowOf(m, 2*y+1), rowOf(out, y)
		for i, j := 0, 0; i < len(to); i, j = i+3, j+6 {
			for c := range 3 {
				sum := int(a[j+c]) + int(a[j+3+c]) + int(b[j+c]) + int(b[j+3+c])
				to[i+c] = byte((sum + 2) >> 2)
			}
		}
	}
	return out
}
