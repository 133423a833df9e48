package server

import (
	"context"
	"math"
	"strconv"
	"sync"
	"time"

	"github.com/torchlit/torchlit/batching"
	"github.com/torchlit/torchlit/monitor"
	"github.com/torchlit/torchlit/vision"
)

// PredictionLog is what the server knows of the log of its answers; predlog.Log is one. Many goroutines call it at once. Nothing that
// it is handed is in a request's memory.
type PredictionLog interface {
	// Wants reports whether the answer with this id is to be recorded, and with its picture.
	Wants(requestID string) (answer, picture bool)

	// Record takes a copy of an answer. It must not wait: it is called before the answer is sent, so that a label finds it.
	Record(*monitor.Answer)

	// Feedback stores the true classes of answers, and returns when they are safe. It fails as predlog.Log.Feedback does.
	Feedback(ctx context.Context, model string, labels []monitor.Label) ([]monitor.Verdict, error)

	// Forget deletes the answers of a request, and returns how many they were.
	Forget(ctx context.Context, model, requestID string) (int, error)

	// Counts says what became of answers so far.
	Counts() monitor.LogCounts
}

// inferLogged is infer for image imageNo of ex's request, -1 for its only one, whose answer is put into the prediction log.
//
// An image of several has a goroutine of its own, so a panic ends here.
func (s *Server) inferLogged(ctx context.Context, ex *exchange, imageNo int, f encoding, data []byte, p batching.Priority) (a inference) {
	defer func() {
		if v := recover(); v != nil {
			s.panicked(ex.id, v)
			a = inference{err: errPanic}
		}
	}()
	if s.cfg.PredictionLog == nil {
		return s.infer(ctx, ex.id, ex.lease, f, data, p)
	}
	id, list := ex.id, ""
	if imageNo >= 0 {
		id, list = ex.id+"-"+strconv.Itoa(imageNo), ex.id
	}
	l := ex.lease
	l.list = list
	a = s.infer(ctx, id, l, f, data, p)
	if a.err == nil {
		s.logAnswer(id, list, ex.model, &a)
	}
	return a
}

// loggedAnswers are pooled because a log copies what it takes.
var loggedAnswers = sync.Pool{New: func() any { return new(monitor.Answer) }}

func (s *Server) logAnswer(id, list string, m *served, a *inference) {
	s.record(m, monitor.Answer{RequestID: id, List: list, Probabilities: a.probabilities, Embedding: a.embedding, Image: a.image, Picture: a.picture})
}

// logShadow records what a shadow said beside an answer: under the request's id, so that the two can be compared. Of the image the answer's own
// record tells.
func (s *Server) logShadow(id, list string, m *served, probabilities []float32) {
	if s.cfg.PredictionLog != nil {
		s.record(m, monitor.Answer{RequestID: id, List: list, Probabilities: probabilities, Image: monitor.NoImage(), Shadow: true})
	}
}

// record hands the log an answer of m, if it wants it.
func (s *Server) record(m *served, a monitor.Answer) {
	defer s.contain(a.RequestID)
	if wanted, _ := s.cfg.PredictionLog.Wants(a.RequestID); !wanted {
		return
	}
	a.Time, a.Model, a.Version, a.Labels = time.Now(), m.Name, m.Version, m.Labels
	a.OOD = float32(math.NaN()) // the log's to fill in
	l := loggedAnswers.Get().(*monitor.Answer)
	*l = a
	s.cfg.PredictionLog.Record(l)
	*l = monitor.Answer{}
	loggedAnswers.Put(l)
}

// imageOf is what the log wants to know of an image as it came.
func (s *Server) imageOf(f encoding, data []byte) monitor.Image {
	m := monitor.NoImage()
	if s.cfg.PredictionLog == nil || f != encoded {
		return m
	}
	m.Bytes = len(data)
	m.Width, m.Height, _ = vision.Size(data)
	return m
}

// look is what the log wants to know of an image as the model saw it. A tensor of floats was prepared by its sender: nothing is said of
// its pixels.
func (s *Server) look(r *ready) (monitor.Image, *monitor.Picture) {
	if s.cfg.PredictionLog == nil || r.f != encoded && r.f != pixels {
		return r.image, nil
	}
	wanted, picture := s.cfg.PredictionLog.Wants(r.id)
	if !wanted && s.shared == nil { // those who share the answer are asked for later
		return r.image, nil
	}
	width, height := r.lease.Preprocess.Width, r.lease.Preprocess.Height
	m := r.image
	m.Measure(*r.input, width, height)
	if !wanted || !picture {
		return m, nil
	}
	return m, &monitor.Picture{Width: width, Height: height, Pixels: append([]byte(nil), *r.input...)}
}

// logView is what /v1/stats tells of the log.
type logView struct {
	Records  uint64            `json:"records"`  // answers stored since the start
	Feedback uint64            `json:"feedback"` // labels, likewise
	Dropped  map[string]uint64 `json:"dropped"`  // answers and pictures that were not, by reason
	Errors   uint64            `json:"errors"`   // writes that failed
	Queued   int               `json:"queued"`   // answers that wait to be written
	Bytes    int64             `json:"bytes"`    // of its files
	Failing  bool              `json:"failing"`  // whether the last write failed
}

func (s *Server) viewLog() *logView {
	if s.cfg.PredictionLog == nil {
		return nil
	}
	c := s.cfg.PredictionLog.Counts()
	return &logView{c.Records, c.Feedback, c.Dropped, c.Errors, c.Queued, c.Bytes, c.Failing}
}
