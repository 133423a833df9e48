package predlog

import (
	"context"

	"github.com/torchlit/torchlit/monitor"
)

// call is what somebody waits for. do is called within the transaction that stores the answers which waited before it, perhaps more than
// once, and finish once, after its end.
type call interface {
	do(ctx context.Context, t transaction) error
	finish(err error)
	answered() <-chan error
	forgets() bool
}

type callState struct{ reply chan error }

func newCallState() callState              { return callState{make(chan error, 1)} }
func (c callState) finish(err error)       { c.reply <- err }
func (c callState) answered() <-chan error { return c.reply }
func (c callState) forgets() bool          { return false }

type feedbackCall struct {
	callState
	log      *Log
	model    string
	labels   []monitor.Label
	verdicts []monitor.Verdict
}

// do is done by doCalls for several at once.
func (c *feedbackCall) do(ctx context.Context, t transaction) error {
	return doCalls(ctx, t, []call{c})
}

// found is the answer that a label is for.
type found struct {
	id    int64
	class int // that the model found likeliest
	model *model
}

// judge sets the verdict on label i, whose answer is f, nil for none. Where it has no error, class v.Index is to be stored.
func (c *feedbackCall) judge(i int, f *found) (v *monitor.Verdict) {
	l := &c.labels[i]
	v = &c.verdicts[i]
	*v = monitor.Verdict{RequestID: l.RequestID, Model: c.model}
	if f == nil {
		v.Err = monitor.ErrUnknownRequest
		if !c.log.sample.has(hashOf(l.RequestID)) {
			v.Err = monitor.ErrNotSampled
		}
		return v
	}
	m := f.model
	v.Version, v.Index, v.Predicted, v.PredictedLabel = m.version, l.Index, f.class, m.labels[f.class]
	if l.Name != "" {
		class, ok := m.classes[l.Name]
		if !ok {
			v.Err = monitor.ErrUnknownLabel
			return v
		}
		v.Index = class
	}
	if v.Index < 0 || v.Index >= len(m.labels) {
		v.Err = monitor.ErrUnknownLabel
		return v
	}
	v.Label = m.labels[v.Index]
	return v
}

type forgetCall struct {
	callState
	model, requestID string
	deleted          int
}

func (c *forgetCall) forgets() bool { return true }

func (c *forgetCall) do(ctx context.Context, t transaction) error {
	n, err := t.forget(ctx, c.model, c.requestID)
	c.deleted = n
	return err
}
