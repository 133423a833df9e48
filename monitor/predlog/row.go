package predlog

import (
	"math"
	"strconv"

	"github.com/torchlit/torchlit/monitor"
)

// topStored is how many of the likeliest classes an answer's row names.
const topStored = 5

// row is what an answer's row says of its probabilities. A NaN, which only a broken model yields, counts as 0, as it does in
// replies.
type row struct {
	class               int
	confidence, entropy float64
	top                 string // [[class, probability], …]
}

func rowOf(a *monitor.Answer) row {
	var r row
	var best [topStored]int
	n := 0
	at := func(class int) float32 {
		if p := a.Probabilities[class]; p == p {
			return p
		}
		return 0
	}
	for class := range a.Probabilities {
		p := at(class)
		if p > 0 {
			r.entropy -= float64(p) * math.Log(float64(p))
		}
		if n == topStored && p <= at(best[n-1]) {
			continue
		}
		if n < topStored {
			n++
		}
		j := n - 1
		for ; j > 0 && at(best[j-1]) < p; j-- {
			best[j] = best[j-1]
		}
		best[j] = class
	}
	r.entropy = finite(max(r.entropy, 0))
	text := append(make([]byte, 0, 96), '[')
	for i, class := range best[:n] {
		if i == 0 {
			r.class, r.confidence = class, finite(float64(at(class)))
		} else {
			text = append(text, ',')
		}
		text = append(text, '[')
		text = strconv.AppendInt(text, int64(class), 10)
		text = append(text, ',')
		text = strconv.AppendFloat(text, finite(float64(at(class))), 'g', 6, 32)
		text = append(text, ']')
	}
	r.top = string(append(text, ']'))
	return r
}

// finite keeps what JSON and STRICT tables cannot hold out of them.
func finite(f float64) float64 {
	if math.IsInf(f, 0) || f != f {
		return 0
	}
	return f
}

// NULL stands for what is not known.

func number(f float32) any {
	if f != f || math.IsInf(float64(f), 0) {
		return nil
	}
	return float64(f)
}

func count(n int) any {
	if n == 0 {
		return nil
	}
	return n
}

func text(s string) any {
	if s == "" {
		return nil
	}
	return s
}
