package predict

import "time"

// costTable holds measured times of batches, by rising size.
type costTable []costPoint

type costPoint struct {
	n    int
	took time.Duration
}

func (t costTable) known() bool { return len(t) > 0 }

// of interpolates between the two measured sizes around n, and beyond the last
// one goes on in proportion.
func (t costTable) of(n int) time.Duration {
	if len(t) == 0 || n < 1 {
		return 0
	}
	for i, p := range t {
		if n > p.n {
			continue
		}
		if i == 0 {
			return p.took
		}
		before := t[i-1]
		return before.took + (p.took-before.took)*time.Duration(n-before.n)/time.Duration(p.n-before.n)
	}
	last := t[len(t)-1]
	return last.took * time.Duration(n) / time.Duration(last.n)
}

// warmBudget is when a warm-up stops trying larger batches. Their cost is then
// taken in proportion.
const warmBudget = 3 * time.Second

// warm runs batches of rising size, each twice: the first time oneDNN generates
// the code for that size and the memory is touched, the second time is measured.
// The measurement keeps the rising order that a cost must have.
func (r *Runner) warm() (costTable, error) {
	var table costTable
	begin := time.Now()
	logits := make([]float32, r.maxBatch*r.classes)
	for n := 1; ; n = min(2*n, r.maxBatch) {
		var took time.Duration
		for range 2 {
			start := time.Now()
			if err := r.engine.Run(r.staging[:n*r.imageBytes], n, logits[:n*r.classes]); err != nil {
				return nil, err
			}
			took = time.Since(start)
		}
		if len(table) > 0 {
			took = max(took, table[len(table)-1].took)
		}
		table = append(table, costPoint{n, took})
		if n == r.maxBatch || time.Since(begin) > warmBudget {
			return table, nil
		}
	}
}
