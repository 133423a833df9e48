package predlog

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/torchlit/torchlit/monitor"
)

// call is what somebody waits for. do is called within the transaction that stores the answers which waited before it, perhaps more than
// once, and finish once, after its end.
type call interface {
	do(ctx context.Context, s *store) error
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

func (c *feedbackCall) do(ctx context.Context, s *store) error {
	now := time.Now().UnixMilli()
	c.verdicts = make([]monitor.Verdict, len(c.labels))
	for i := range c.labels {
		v := &c.verdicts[i]
		v.RequestID, v.Model = c.labels[i].RequestID, c.model
		err := s.label(ctx, now, c.model, &c.labels[i], v)
		if errors.Is(err, monitor.ErrUnknownRequest) && !c.log.sample.has(hashOf(v.RequestID)) {
			err = monitor.ErrNotSampled
		}
		if err != nil && !errors.Is(err, monitor.ErrUnknownRequest) && !errors.Is(err, monitor.ErrNotSampled) && !errors.Is(err, monitor.ErrUnknownLabel) {
			return err
		}
		v.Err = err
	}
	return nil
}

// label stores one label.
func (s *store) label(ctx context.Context, now int64, model string, l *monitor.Label, v *monitor.Verdict) error {
	var id, row int64
	err := s.findPrediction.QueryRowContext(ctx, l.RequestID, model).Scan(&id, &v.Predicted, &row)
	if errors.Is(err, sql.ErrNoRows) {
		return monitor.ErrUnknownRequest
	}
	if err != nil {
		return err
	}
	m, err := s.modelByID(ctx, row)
	if err != nil {
		return err
	}
	v.Version, v.Index = m.version, l.Index
	v.PredictedLabel = m.labels[v.Predicted]
	if l.Name != "" {
		class, ok := m.classes[l.Name]
		if !ok {
			return monitor.ErrUnknownLabel
		}
		v.Index = class
	}
	if v.Index < 0 || v.Index >= len(m.labels) {
		return monitor.ErrUnknownLabel
	}
	v.Label = m.labels[v.Index]
	_, err = s.addFeedback.ExecContext(ctx, id, v.Index, now)
	return err
}

type forgetCall struct {
	callState
	model, requestID string
	deleted          int
}

func (c *forgetCall) forgets() bool { return true }

func (c *forgetCall) do(ctx context.Context, s *store) error {
	n, err := s.forget(ctx, c.model, c.requestID)
	c.deleted = n
	return err
}

// forget deletes the answers of a request.
func (s *store) forget(ctx context.Context, model, requestID string) (int, error) {
	r, err := s.conn.ExecContext(ctx, `DELETE FROM predictions WHERE (request_id = ?1 OR list = ?1)
		AND (?2 = '' OR model IN (SELECT id FROM models WHERE name = ?2))`, requestID, model)
	if err != nil {
		return 0, err
	}
	n, err := r.RowsAffected()
	return int(n), err
}
