package predlog

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"time"
)

// Window is a run of answers of one version of a model that was tested for drift, with what came of it. It names answers by their ids and holds
// nothing of them: deleting an answer leaves the windows that it was in.
type Window struct {
	ID             int64 // of the window; set by the log
	Model, Version string
	From, Until    time.Time       // of the first answer and of the last; to the millisecond
	First, Last    int64           // ids of those
	Answers        int             // how many were tested
	Result         json.RawMessage // what the tests said
}

type windowCall struct {
	callState
	window *Window
	added  bool
	err    error // not of the database
}

func (c *windowCall) do(ctx context.Context, t transaction) (err error) {
	c.added, err = t.addWindow(ctx, c.window)
	if errors.Is(err, errNoModel) {
		c.err, err = err, nil
	}
	return err
}

var errNoModel = errors.New("the log has no answer of this model and version")

// AddWindow stores the result of testing a window; it is on the disk when AddWindow returns. added is false when there is one that begins with
// the same answer, another process's perhaps: it is left as it is. The error is that of Feedback, or says that the log knows no such
// model, or that the result is no JSON.
func (l *Log) AddWindow(ctx context.Context, w Window) (added bool, err error) {
	if !json.Valid(w.Result) {
		return false, fmt.Errorf("cannot store a window of model %q: its result is no JSON", w.Model)
	}
	c := &windowCall{callState: newCallState(), window: &w}
	if err := l.ask(ctx, c); err != nil {
		return false, err
	}
	if c.err != nil {
		return false, fmt.Errorf("cannot store a window of model %q, version %q: %w", w.Model, w.Version, c.err)
	}
	return c.added, nil
}

// addWindow stores a window. It belongs to the model that gave its first answer: a version may have been loaded with other classes since.
func (s *store) addWindow(ctx context.Context, w *Window) (bool, error) {
	var model int64
	err := s.conn.QueryRowContext(ctx, `SELECT m.id FROM models m LEFT JOIN predictions p ON p.model = m.id AND p.id = ?
		WHERE m.name = ? AND m.version = ? ORDER BY p.id IS NULL, m.id DESC LIMIT 1`, w.First, w.Model, w.Version).Scan(&model)
	if errors.Is(err, sql.ErrNoRows) {
		return false, errNoModel
	}
	if err != nil {
		return false, err
	}
	r, err := s.conn.ExecContext(ctx, `INSERT INTO windows (model, from_time, until_time, first_prediction, last_prediction, answers, result)
		VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (model, first_prediction) DO NOTHING`,
		model, w.From.UnixMilli(), w.Until.UnixMilli(), w.First, w.Last, w.Answers, string(w.Result))
	if err != nil {
		return false, err
	}
	n, err := r.RowsAffected()
	return n > 0, err
}

// Windows are the windows that the filter chooses: those of its model and version that overlap its time and end after by.After. At most
// newest of them, the newest ones, or all for 0; in the order in which they were stored.
func (r *Reader) Windows(ctx context.Context, by Filter, newest int) ([]Window, error) {
	if newest <= 0 {
		newest = math.MaxInt
	}
	since, until := by.between()
	rows, err := r.query(ctx, `SELECT * FROM (
			SELECT w.id, m.name, m.version, w.from_time, w.until_time, w.first_prediction, w.last_prediction, w.answers, w.result
			FROM windows w JOIN models m ON m.id = w.model
			WHERE (?1 = '' OR m.name = ?1) AND (?2 = '' OR m.version = ?2) AND w.until_time >= ?3 AND w.from_time < ?4 AND w.last_prediction > ?5
			ORDER BY w.id DESC LIMIT ?6) AS newest
		ORDER BY id`, by.Model, by.Version, since, until, by.After, newest)
	if err != nil {
		return nil, r.failed(err)
	}
	defer rows.Close()
	var all []Window
	for rows.Next() {
		var w Window
		var from, until int64
		var result string
		if err := rows.Scan(&w.ID, &w.Model, &w.Version, &from, &until, &w.First, &w.Last, &w.Answers, &result); err != nil {
			return nil, r.failed(err)
		}
		w.From, w.Until, w.Result = time.UnixMilli(from).UTC(), time.UnixMilli(until).UTC(), json.RawMessage(result)
		all = append(all, w)
	}
	if err := rows.Err(); err != nil {
		return nil, r.failed(err)
	}
	return all, nil
}
