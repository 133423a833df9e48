package report

import (
	"fmt"

	"github.com/torchlit/torchlit/evaluate"
)

// Single figures, drawn from figures that are known already. Each path ends in .png or .svg, or has neither and gets both; its folder is made.

// Confusion draws a confusion matrix of counts, [true class][predicted class].
func Confusion(path string, labels []string, counts [][]int) error {
	r := evaluate.Report{Labels: labels, PerClass: make([]evaluate.Class, len(labels))}
	if len(counts) != len(labels) || len(labels) > cellsLimit {
		return fmt.Errorf("cannot draw confusion of %d classes: there are %d rows, and at most %d can be read", len(labels), len(counts), cellsLimit)
	}
	for i, row := range counts {
		if len(row) != len(labels) {
			return fmt.Errorf("cannot draw confusion: row %d has %d counts for %d classes", i+1, len(row), len(labels))
		}
		for j, n := range row {
			r.PerClass[i].N += n
			if i != j && n > 0 {
				r.Confused = append(r.Confused, evaluate.Pair{Truth: i, Predicted: j, N: n})
			}
		}
		r.PerClass[i].Recall = float64(row[i]) / float64(max(1, r.PerClass[i].N))
	}
	return confusionFigures(r)[0].write(path)
}

// Reliability draws accuracy by confidence, as served and at a fitted temperature, from the bins of r.
func Reliability(path string, r evaluate.Recalibration) error {
	return reliabilityFigure(r).write(path)
}

// Column is a metric of each epoch, the first epoch first.
type Column struct {
	Name   string // decides the panel, as in TrainingCurves
	Values []float64
}

// Epochs draws a training run like TrainingCurves, from metrics of each epoch.
func Epochs(path string, columns []Column) error {
	var metrics []metric
	for _, c := range columns {
		m := metric{name: c.Name, value: c.Values}
		for i := range c.Values {
			m.step = append(m.step, float64(i+1))
		}
		metrics = append(metrics, m)
	}
	fig, err := trainingFigure(metrics, "epoch")
	if err != nil {
		return fmt.Errorf("cannot draw training curves %q: %w", path, err)
	}
	return fig.write(path)
}
