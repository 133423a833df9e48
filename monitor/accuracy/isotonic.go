// Package accuracy estimates how often a served model is right before the labels come, from how sure it is: confidence-based
// performance estimation, as NannyML calls it (CBPE).
//
// # What is done
//
// Of the validation set it is known how sure the model was of each answer and whether the answer held. [FitIsotonic] turns that
// into a map from the one to the probability of the other, which is calibrated whatever the model's own confidence is worth. A
// window's estimated accuracy is the mean of what the map gives for its answers ([Isotonic.Estimate]).
//
// # What it is worth
//
// The estimate holds while an answer of a given confidence is right as often as one of the validation set. That is so when only
// the mix of easy and hard images changes; it is not when the images become unlike all that were validated on, because there
// models are too sure, nor when the meaning of a class changes. No confidence can tell: the caller's tests for drift can. So
// Estimate is told how far the window has shifted and widens its band, up to "anything".
package accuracy

import (
	"cmp"
	"fmt"
	"slices"
)

// Isotonic is a map from a score, such as the confidence of an answer, to the probability that the answer is right: a function
// that never falls, constant on blocks of scores and linear between them, and constant outside. Blocks may be stored and read
// back; once set they are only read, and any number of goroutines may ask.
type Isotonic struct {
	Blocks []Block `json:"blocks"` // by ascending score
}

// Block is answers of neighbouring scores that were taken together: Right/N is the map from Low to High.
type Block struct {
	Low   float64 `json:"low"` // the least score, the greatest
	High  float64 `json:"high"`
	N     int     `json:"n"` // answers
	Right int     `json:"right"`
}

func (b Block) share() float64 { return float64(b.Right) / float64(b.N) }

// FitIsotonic finds the map that never falls with the least squared error: pool adjacent violators, Ayer et al. 1955. Answers of
// equal scores are one point. correct says of each score whether its answer was right. Scores that are NaN are left out. Without
// any answer the map has no blocks, and gives each score back.
func FitIsotonic(score []float64, correct []bool) *Isotonic {
	if len(score) != len(correct) {
		panic(fmt.Sprintf("BUG: %d scores for %d answers", len(score), len(correct)))
	}
	order := make([]int, 0, len(score))
	for i, s := range score {
		if s == s {
			order = append(order, i)
		}
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Compare(score[a], score[b]) })
	m := &Isotonic{}
	for from := 0; from < len(order); {
		s := score[order[from]]
		b := Block{Low: s, High: s}
		for ; from < len(order) && score[order[from]] == s; from++ {
			b.N++
			if correct[order[from]] {
				b.Right++
			}
		}
		m.push(b)
	}
	return m
}

// push appends a block and joins the last two until they ascend. Equal shares are joined, too: there are fewer blocks, and the
// map is the same. The products are exact.
func (m *Isotonic) push(b Block) {
	for k := len(m.Blocks) - 1; k >= 0 && m.Blocks[k].Right*b.N >= b.Right*m.Blocks[k].N; k-- {
		last := m.Blocks[k]
		b = Block{Low: last.Low, High: b.High, N: last.N + b.N, Right: last.Right + b.Right}
		m.Blocks = m.Blocks[:k]
	}
	m.Blocks = append(m.Blocks, b)
}

// At is the probability that an answer of this score is right. It is NaN for NaN.
func (m *Isotonic) At(score float64) float64 {
	if len(m.Blocks) == 0 || score != score {
		return score
	}
	k, part := m.locate(score)
	p := m.Blocks[k].share()
	if part > 0 {
		p += part * (m.Blocks[k+1].share() - p)
	}
	return p
}

// locate finds the block of a score and, where it lies between two, how far it is on its way from the first to the next.
func (m *Isotonic) locate(score float64) (block int, part float64) {
	next, _ := slices.BinarySearchFunc(m.Blocks, score, func(b Block, s float64) int { return cmp.Compare(b.High, s) })
	switch { // next is the first block that does not end before the score
	case next == len(m.Blocks):
		return next - 1, 0
	case next == 0 || score >= m.Blocks[next].Low:
		return next, 0
	}
	low := m.Blocks[next-1].High
	return next - 1, (score - low) / (m.Blocks[next].Low - low)
}

// variance is that of the block's share as an estimate of a probability. One answer is added that is half right, else a block of
// three right answers would be known for certain.
func (b Block) variance() float64 {
	n := float64(b.N) + 1
	p := (float64(b.Right) + 0.5) / n
	return p * (1 - p) / n
}

// sum adds up the probabilities of scores, their variances as coin tosses, and the variance of the sum because of the map's own
// error: each block is off for all its scores alike.
func (m *Isotonic) sum(scores []float64) (n int, total, tosses, mapped float64) {
	weight := make([]float64, len(m.Blocks))
	for _, s := range scores {
		if s != s {
			continue
		}
		k, part := m.locate(s)
		weight[k] += 1 - part
		if part > 0 {
			weight[k+1] += part
		}
		p := m.At(s)
		n++
		total += p
		tosses += p * (1 - p)
	}
	for k, w := range weight {
		mapped += w * w * m.Blocks[k].variance()
	}
	return n, total, tosses, mapped
}
