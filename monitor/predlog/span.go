package predlog

import (
	"context"
	"database/sql"
	"time"
)

// Span is a part of the log.
type Span struct {
	Answers     int
	First, Last int64 // ids; 0 of no answers
}

// Span counts the answers that the filter chooses, and tells the first and the last. Every plays no part. It reads no vectors, so it is
// quick where reading the answers would not be.
func (r *Reader) Span(ctx context.Context, by Filter) (Span, error) {
	var s Span
	var first, last sql.NullInt64
	since, until := by.between()
	if err := r.begin(ctx, &by); err != nil {
		return s, r.failed(err)
	}
	err := r.row(ctx, `SELECT count(*), min(p.id), max(p.id)
		FROM predictions p JOIN models m ON m.id = +p.model
		WHERE p.id > ?1 AND (?2 = '' OR m.name = ?2) AND (?3 = '' OR m.version = ?3) AND +p.time >= ?4 AND +p.time < ?5
			AND (NOT ?6 OR EXISTS (SELECT 1 FROM feedback f WHERE f.prediction = p.id)) AND (?7 OR p.shadow = 0)
			AND (NOT ?8 OR EXISTS (SELECT 1 FROM vectors v WHERE v.prediction = p.id))`,
		by.After, by.Model, by.Version, since, until, by.Labelled, by.Shadows, by.Vectors).Scan(&s.Answers, &first, &last)
	if err != nil {
		return s, r.failed(err)
	}
	s.First, s.Last = first.Int64, last.Int64
	return s, nil
}

// Labels says which labels the log has.
type Labels struct {
	Answers int       // that have one
	Newest  time.Time // when the last label came, or was changed
}

// Labels tells of the labels of the answers that the filter chooses: whoever has read them need not do so again until this changes.
func (r *Reader) Labels(ctx context.Context, by Filter) (Labels, error) {
	var l Labels
	var newest sql.NullInt64
	since, until := by.between()
	err := r.row(ctx, `SELECT count(*), max(f.time) FROM feedback f JOIN predictions p ON p.id = f.prediction JOIN models m ON m.id = +p.model
		WHERE f.prediction > ?1 AND (?2 = '' OR m.name = ?2) AND (?3 = '' OR m.version = ?3) AND +p.time >= ?4 AND +p.time < ?5`,
		by.After, by.Model, by.Version, since, until).Scan(&l.Answers, &newest)
	if err != nil {
		return l, r.failed(err)
	}
	l.Newest = time.UnixMilli(newest.Int64)
	return l, nil
}
