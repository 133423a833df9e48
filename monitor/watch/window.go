package watch

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"time"

	"github.com/torchlit/torchlit/evaluate"
	"github.com/torchlit/torchlit/monitor"
	"github.com/torchlit/torchlit/monitor/detector"
	"github.com/torchlit/torchlit/monitor/predlog"
)

var notKnown = float32(math.NaN())

// window tests what came since the last window, if that is enough for one.
func (w *Watcher) window(ctx context.Context, k key, v *version, s *Status) (changed bool, err error) {
	by := predlog.Filter{Model: k.model, Version: k.version, After: v.after, Vectors: true}
	if v.after == 0 {
		by.Since = v.since
	}
	span, err := w.cfg.Log.Span(ctx, by)
	if err != nil {
		return false, err
	}
	if s.Waiting = span.Answers; s.Waiting < w.cfg.Window {
		return false, nil
	}
	answers, err := w.read(ctx, by, span)
	if err != nil || len(answers) < detector.MinWindow { // they may have been deleted meanwhile
		return false, err
	}
	r, err := v.detector.Test(answers)
	if err != nil {
		v.after = span.Last // they are of a loading of the version that had other classes, and say nothing of this one
		return false, err
	}
	added, err := w.store(ctx, k, r, span)
	if err != nil {
		return false, err
	}
	s.Waiting = 0
	if !added {
		return false, w.follow(ctx, k, v, s)
	}
	v.after = span.Last
	return s.append(r, w.cfg.InRow), nil
}

// read reads a window of the answers that wait, evenly spread over them.
func (w *Watcher) read(ctx context.Context, by predlog.Filter, span predlog.Span) (answers []*monitor.Answer, err error) {
	by.Every = max(1, int64(span.Answers/w.cfg.Window))
	err = w.cfg.Log.Each(ctx, by, false, func(a *predlog.Stored) error {
		if a.ID > span.Last { // it came meanwhile, and belongs to the next window
			return errEnough
		}
		answers = append(answers, &a.Answer)
		return nil
	})
	if errors.Is(err, errEnough) {
		err = nil
	}
	return answers, err
}

var errEnough = errors.New("the window is full")

func (w *Watcher) store(ctx context.Context, k key, r *detector.Result, span predlog.Span) (added bool, err error) {
	text, err := json.Marshal(r)
	if err != nil {
		panic("BUG: a result of the detectors that JSON cannot say: " + err.Error())
	}
	return w.cfg.Log.AddWindow(ctx, predlog.Window{
		Model: k.model, Version: k.version, From: r.From, Until: r.Until, First: span.First, Last: span.Last, Answers: r.Answers, Result: text,
	})
}

// follow takes the windows that other replicas have tested. It is they who tell of alarms.
func (w *Watcher) follow(ctx context.Context, k key, v *version, s *Status) error {
	stored, err := w.cfg.Log.Windows(ctx, predlog.Filter{Model: k.model, Version: k.version, After: v.after}, keptWindows)
	if err != nil {
		return err
	}
	for _, other := range stored {
		w.take(other, v, s)
	}
	return nil
}

// labels counts what labels say of recent answers, when there are others than at the last look.
func (w *Watcher) labels(ctx context.Context, k key, v *version, s *Status) error {
	since := time.Now().Add(-w.cfg.Recent)
	by := predlog.Filter{Model: k.model, Version: k.version, Since: since}
	labels, err := w.cfg.Log.Labels(ctx, by)
	if err != nil || labels == v.labels {
		return err
	}
	var tally *evaluate.Tally
	classes := 0
	a := &Accuracy{Since: since}
	err = w.cfg.Log.Performance(ctx, by, func(o *predlog.Outcome) error {
		a.Labelled++
		if o.Class == o.Truth {
			a.Correct++
		}
		if len(o.Probabilities) == len(o.Labels) {
			if classes != len(o.Labels) {
				tally, classes = evaluate.NewTally(o.Labels), len(o.Labels) // of a version that was loaded with other classes the last ones count
			}
			tally.Add(o.Truth, o.Probabilities)
		}
		return nil
	})
	if err != nil {
		return err
	}
	v.labels, s.Accuracy = labels, nil
	if a.Labelled > 0 {
		a.Interval[0], a.Interval[1] = evaluate.Wilson(a.Correct, a.Labelled)
		if tally != nil {
			a.Report = tally.Report()
		}
		s.Accuracy = a
	}
	return nil
}

// comparisons compares the version with the others of its model, on the images that both answered: as a canary's shadow does.
func (w *Watcher) comparisons(ctx context.Context, k key, others []key, s *Status) error {
	s.Comparisons = []predlog.Comparison{}
	by := predlog.Filter{Model: k.model, Since: time.Now().Add(-w.cfg.Recent)}
	for _, o := range others {
		if o.model != k.model || o == k {
			continue
		}
		c, err := w.cfg.Log.Compare(ctx, by, k.version, o.version)
		if err != nil {
			return err
		}
		if c.Images > 0 {
			s.Comparisons = append(s.Comparisons, c)
		}
	}
	return nil
}
