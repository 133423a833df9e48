package evaluate

import (
	"math"
	"slices"
)

// Curve is a ROC curve (X: share of other images taken for the class, Y: share of
// its own images found) or a precision-recall curve (X: recall, Y: precision).
// A point belongs to a threshold: whoever has at least that probability of the
// class counts as taken for it.
type Curve struct {
	Label string
	X, Y  []float64
	// Threshold is that of each point, falling; +Inf where nothing is taken yet;
	// nil for a macro average.
	Threshold []float64
	// Area is that under the curve: ROC AUC, or the average precision. It is NaN
	// where there is no curve, since the class has no images, or nothing else has.
	Area float64
}

// CurveSet has the curves of a classifier, each class against the rest.
type CurveSet struct {
	// Micro is the curve of all probabilities of all images in one pot. Above
	// microLimit probabilities it is not made, and its Area is NaN.
	Micro Curve
	// Macro is the mean over classes: its Area that of the classes' areas, its
	// curve (of ROC only) that of their heights.
	Macro    Curve
	PerClass []Curve
}

const (
	// microLimit is the number of probabilities, images times classes, that the
	// micro average sorts at most: a gigabyte of them.
	microLimit = 1 << 27
	// curvePoints is what a curve is thinned to at most. The areas are those of
	// all points.
	curvePoints = 256
	// macroSteps divides the mean ROC curve.
	macroSteps = 200
)

// Curves ranks the answers of each class against the rest. Areas are those of
// scikit-learn's roc_auc_score(multi_class="ovr") and average_precision_score;
// classes for which there is none do not count in the macro average.
func Curves(a Answers) (roc, precisionRecall CurveSet) {
	var r ranking
	n, classes := len(a.Truth), len(a.Labels)
	var heights [macroSteps + 1]float64
	var drawn int
	for class, label := range a.Labels {
		r.reset(n)
		for i, row := range a.Probabilities {
			r.add(row[class], a.Truth[i] == class)
		}
		r.rank()
		one := r.roc(label)
		if !math.IsNaN(one.Area) {
			drawn++
			r.addHeights(heights[:])
		}
		roc.PerClass = append(roc.PerClass, one)
		precisionRecall.PerClass = append(precisionRecall.PerClass, r.precisionRecall(label))
	}
	roc.Macro = Curve{Label: "macro average", Area: meanArea(roc.PerClass)}
	for i, h := range heights {
		if drawn > 0 {
			roc.Macro.X = append(roc.Macro.X, float64(i)/macroSteps)
			roc.Macro.Y = append(roc.Macro.Y, h/float64(drawn))
		}
	}
	precisionRecall.Macro = Curve{Label: "macro average", Area: meanArea(precisionRecall.PerClass)}
	r.reset(0)
	if n*classes <= microLimit {
		r.reset(n * classes)
		for i, row := range a.Probabilities {
			for class, p := range row {
				r.add(p, a.Truth[i] == class)
			}
		}
		r.rank()
	}
	roc.Micro, precisionRecall.Micro = r.roc("micro average"), r.precisionRecall("micro average")
	return roc, precisionRecall
}

func meanArea(curves []Curve) float64 {
	total, n := 0.0, 0.0
	for _, c := range curves {
		if !math.IsNaN(c.Area) {
			total += c.Area
			n++
		}
	}
	return total / n // NaN when there is none
}

// ranking sorts one class's probabilities and walks down them. It is used again
// for the next class.
type ranking struct {
	// keys are the bits of the probabilities, shifted left by one, with whether
	// the image is of the class in the lowest bit: the bits of positive floats are
	// in the floats' order, and their sign bit is free.
	keys, scratch []uint32
	// steps are the points of the curve: how many images at or above a threshold
	// are of the class, how many are not.
	steps                []step
	positives, negatives int
}

type step struct {
	key                  uint32 // without the lowest bit
	positives, negatives int
}

func (r *ranking) reset(n int) {
	r.keys = slices.Grow(r.keys[:0], n)
	r.steps = r.steps[:0]
	r.positives, r.negatives = 0, 0
}

func (r *ranking) add(p float32, positive bool) {
	key := math.Float32bits(max(p, 0)) << 1
	if positive {
		key |= 1
	}
	r.keys = append(r.keys, key)
}

func (r *ranking) rank() {
	r.scratch = slices.Grow(r.scratch[:0], len(r.keys))[:len(r.keys)]
	r.keys, r.scratch = radixSort(r.keys, r.scratch)
	for i := len(r.keys) - 1; i >= 0; i-- {
		key := r.keys[i]
		if key&1 == 1 {
			r.positives++
		} else {
			r.negatives++
		}
		if i == 0 || r.keys[i-1]>>1 != key>>1 {
			r.steps = append(r.steps, step{key >> 1, r.positives, r.negatives})
		}
	}
}

// radixSort sorts keys by three passes over eleven bits each. It returns the
// sorted keys and the other buffer.
func radixSort(keys, scratch []uint32) (sorted, other []uint32) {
	const digit = 1<<11 - 1
	for shift := 0; shift < 33; shift += 11 {
		var start [digit + 1]int
		for _, k := range keys {
			start[k>>shift&digit]++
		}
		at := 0
		for d, n := range start {
			start[d] = at
			at += n
		}
		for _, k := range keys {
			d := k >> shift & digit
			scratch[start[d]] = k
			start[d]++
		}
		keys, scratch = scratch, keys
	}
	return keys, scratch
}

func (r *ranking) roc(label string) Curve {
	c := Curve{Label: label, Area: math.NaN()}
	if r.positives == 0 || r.negatives == 0 {
		return c
	}
	var p thinner
	p.add(0, 0, math.Inf(1))
	var lastX, lastY, area float64
	for _, s := range r.steps {
		x, y := float64(s.negatives)/float64(r.negatives), float64(s.positives)/float64(r.positives)
		area += (x - lastX) * (y + lastY) / 2
		p.add(x, y, s.threshold())
		lastX, lastY = x, y
	}
	c.Area = area
	c.X, c.Y, c.Threshold = p.thin()
	return c
}

// precisionRecall's area is the sum of precision over the steps of recall,
// without interpolation, which would be too kind.
func (r *ranking) precisionRecall(label string) Curve {
	c := Curve{Label: label, Area: math.NaN()}
	if r.positives == 0 || r.negatives == 0 {
		return c
	}
	var p thinner
	p.add(0, 1, math.Inf(1))
	var lastX, area float64
	for _, s := range r.steps {
		x, y := float64(s.positives)/float64(r.positives), float64(s.positives)/float64(s.positives+s.negatives)
		area += (x - lastX) * y
		p.add(x, y, s.threshold())
		if lastX = x; x == 1 {
			break
		}
	}
	c.Area = area
	c.X, c.Y, c.Threshold = p.thin()
	return c
}

func (s step) threshold() float64 { return float64(math.Float32frombits(s.key)) }

// addHeights adds the heights of the ROC curve at equal steps. Where it rises
// straight up, its upper end counts.
func (r *ranking) addHeights(heights []float64) {
	at := 0
	last := step{}
	for i := range heights {
		want := float64(i) / float64(len(heights)-1) * float64(r.negatives)
		for at < len(r.steps) && float64(r.steps[at].negatives) <= want {
			last = r.steps[at]
			at++
		}
		y := float64(last.positives)
		if at < len(r.steps) {
			next := r.steps[at]
			y += (want - float64(last.negatives)) / float64(next.negatives-last.negatives) * float64(next.positives-last.positives)
		}
		heights[i] += y / float64(r.positives)
	}
}

// thinner collects a curve's points and leaves out those that nobody would see.
type thinner struct{ x, y, threshold []float64 }

func (t *thinner) add(x, y, threshold float64) {
	t.x, t.y, t.threshold = append(t.x, x), append(t.y, y), append(t.threshold, threshold)
}

// thin keeps both ends and, of the points between, those that are a step along
// the curve away from the last one kept.
func (t *thinner) thin() (x, y, threshold []float64) {
	if len(t.x) <= curvePoints {
		return t.x, t.y, t.threshold
	}
	length := 0.0
	for i := 1; i < len(t.x); i++ {
		length += t.distance(i, i-1)
	}
	apart := length / (curvePoints - 2)
	kept, way := 0, 0.0
	var out thinner
	out.add(t.x[0], t.y[0], t.threshold[0])
	for i := 1; i < len(t.x); i++ {
		way += t.distance(i, i-1)
		if i < len(t.x)-1 && way < apart {
			continue
		}
		// The point before a long step is a corner.
		if i-1 > kept && t.distance(i, i-1) > apart {
			out.add(t.x[i-1], t.y[i-1], t.threshold[i-1])
		}
		out.add(t.x[i], t.y[i], t.threshold[i])
		kept, way = i, 0
	}
	return out.x, out.y, out.threshold
}

func (t *thinner) distance(i, j int) float64 {
	return math.Abs(t.x[i]-t.x[j]) + math.Abs(t.y[i]-t.y[j])
}
