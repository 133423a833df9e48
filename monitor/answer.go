// Package monitor is what watching a served model is made of: the answers that it gave, the labels that came for them later, and
// what an image looked like in a few numbers. Package predlog keeps them; whoever serves a model hands them over.
package monitor

import (
	"errors"
	"time"
)

// Answer is what a model said of one image, and what is known of the image. Its slices are shared with whoever made it: nobody
// may change them.
type Answer struct {
	Time      time.Time
	RequestID string // of the answer: that of the request, or with "-" and the image's number where a request had several
	List      string // the request's own id where it had several images, else ""

	Model, Version string
	Labels         []string  // names of the classes by index
	Probabilities  []float32 // of each class
	Embedding      []float32 // what the model's last layer saw; nil when it has none to give
	OOD            float32   // how far the embedding lies from those of the reference, higher is stranger; NaN where it is not known
	Shadow         bool      // a shadow version said it: nobody saw the answer

	Image   Image
	Picture *Picture // nil unless pictures are kept
}

// Picture is an image as the model saw it: Height×Width×3 uint8 RGB, row-major.
type Picture struct {
	Width, Height int
	Pixels        []byte
}

// Label is the true class of an image that was answered before, by name or by index.
type Label struct {
	RequestID string // of the answer
	Name      string // "" for a class given by index
	Index     int
}

// Verdict says how a label compares with the answer.
type Verdict struct {
	RequestID, Model, Version string
	Index, Predicted          int    // classes: the true one and the one that was found likeliest
	Label, PredictedLabel     string // their names
	Err                       error  // why the label was not stored; nil when it was
}

// Why a label is not stored, or an answer not found.
var (
	ErrUnknownRequest = errors.New("the log has no answer to this request") // never answered, not logged for want of room, or deleted since
	ErrNotSampled     = errors.New("the answer to this request is not in the sample that is logged")
	ErrUnknownLabel   = errors.New("the model has no such class")
	ErrUnavailable    = errors.New("the prediction log cannot be written at the moment")
)

// LogCounts are what became of answers since the log was opened.
type LogCounts struct {
	Records  uint64            // answers that are stored, for certain
	Feedback uint64            // labels that are stored, for certain
	Dropped  map[string]uint64 // answers, and pictures, that are not, by reason
	Errors   uint64            // writes that failed
	Deleted  uint64            // answers deleted for their age, for want of room or on demand
	Queued   int               // answers that wait to be written
	Bytes    int64             // of the log's files
	Failing  bool              // whether the last write failed
}
