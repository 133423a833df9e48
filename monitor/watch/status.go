package watch

import (
	"time"

	"github.com/torchlit/torchlit/evaluate"
	"github.com/torchlit/torchlit/monitor/detector"
	"github.com/torchlit/torchlit/monitor/predlog"
	"github.com/torchlit/torchlit/monitor/reference"
)

// Status is what is known of one version of a model. Its JSON is what GET /v1/models/{m}/drift answers.
type Status struct {
	Model   string `json:"model"`
	Version string `json:"version"`

	Reference *ReferenceView `json:"reference"` // null where the version's folder has none: then nothing is compared
	Window    int            `json:"window"`    // answers of a window
	InRow     int            `json:"in_row"`    // windows that raise or clear the alarm
	Alpha     float64        `json:"alpha"`

	Alarm   detector.Alarm     `json:"alarm"`
	Waiting int                `json:"waiting"` // answers since the last window
	Windows []*detector.Result `json:"windows"` // oldest first

	Accuracy    *Accuracy            `json:"accuracy"` // null before the first label
	Comparisons []predlog.Comparison `json:"comparisons"`

	Trouble string `json:"trouble,omitempty"` // why the last look at the log failed
}

// Newest is the latest window, nil before the first.
func (s *Status) Newest() *detector.Result {
	if len(s.Windows) == 0 {
		return nil
	}
	return s.Windows[len(s.Windows)-1]
}

// ReferenceView is what a person wants to know of the reference.
type ReferenceView struct {
	Source     string  `json:"source"`
	Images     int     `json:"images"`
	Samples    int     `json:"samples"`
	Accuracy   float64 `json:"accuracy"`
	Embeddings bool    `json:"embeddings"`
}

// View is what is told of a reference.
func View(ref *reference.Reference) *ReferenceView {
	return &ReferenceView{ref.Source, ref.Images, len(ref.Probabilities), ref.Accuracy, ref.Embeddings != nil}
}

// Accuracy is what labels say of answers.
type Accuracy struct {
	Since    time.Time       `json:"since"`  // labelled answers from then on
	Report   evaluate.Report `json:"report"` // of those with the probabilities of all classes
	Labelled int             `json:"labelled"`
	Correct  int             `json:"correct"`
	Interval [2]float64      `json:"interval"` // of the accuracy, 95 %
}
