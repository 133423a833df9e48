package predlog

import (
	"context"
	"database/sql"
	"slices"
	"time"

	"github.com/torchlit/torchlit/monitor"
)

// Outcome is an answer whose true class is known. Its slices are the receiver's to read; Labels is shared.
type Outcome struct {
	ID             int64
	Time           time.Time
	Model, Version string
	Shadow         bool
	Labels         []string // names of the version's classes by index
	Truth, Class   int      // the true class, and the likeliest
	Confidence     float64  // of the likeliest
	Probabilities  []float32
}

// Performance calls f for each answer that the filter chooses and whose true class is known, in the order in which they were stored: what
// accuracy, recall of each class and calibration are made of. Probabilities are nil where they are not kept. It ends with f's first error.
//
// With by.Shadows it also gives what shadow versions would have said, judged by the label of the last answer to the same request; without
// those whose true class the shadow has not.
func (r *Reader) Performance(ctx context.Context, by Filter, f func(*Outcome) error) error {
	labels := map[int64][]string{}
	for {
		page, after, err := r.outcomes(ctx, labels, by)
		if err != nil {
			return r.failed(err)
		}
		for _, o := range page {
			if err := f(o); err != nil {
				return err
			}
		}
		if after == 0 {
			return nil
		}
		by.After = after
	}
}

// Labels are few beside answers, so they lead: labelledOutcomes goes over them by id. For the plus signs see storedColumns. A shadow's
// answer has no label, so for those every answer is looked at.
const (
	outcomeColumns = `SELECT p.id, p.time, m.name, m.version, p.shadow, p.model, p.class, p.confidence, v.probabilities, `

	labelledOutcomes = outcomeColumns + `p.model, f.class
		FROM feedback f JOIN predictions p ON p.id = f.prediction JOIN models m ON m.id = +p.model LEFT JOIN vectors v ON v.prediction = p.id
		WHERE f.prediction > ?1 AND (?2 = '' OR m.name = ?2) AND (?3 = '' OR m.version = ?3) AND +p.time >= ?4 AND +p.time < ?5 AND p.shadow = 0
		ORDER BY f.prediction LIMIT ?6`

	allOutcomes = outcomeColumns + `coalesce(q.model, p.model), coalesce(f.class, g.class)
		FROM predictions p JOIN models m ON m.id = +p.model LEFT JOIN vectors v ON v.prediction = p.id LEFT JOIN feedback f ON f.prediction = p.id
			LEFT JOIN predictions q ON p.shadow = 1 AND q.id = (SELECT max(s.id) FROM predictions s JOIN models n ON n.id = s.model
				WHERE s.request_id = p.request_id AND s.shadow = 0 AND n.name = m.name)
			LEFT JOIN feedback g ON g.prediction = q.id
		WHERE p.id > ?1 AND (?2 = '' OR m.name = ?2) AND (?3 = '' OR m.version = ?3) AND +p.time >= ?4 AND +p.time < ?5
			AND (f.class IS NOT NULL OR g.class IS NOT NULL)
		ORDER BY p.id LIMIT ?6`
)

// outcomes is a page of them; after is where the next one begins, 0 for none.
func (r *Reader) outcomes(ctx context.Context, labels map[int64][]string, by Filter) (page []*Outcome, after int64, err error) {
	since, until := by.between()
	query := labelledOutcomes
	if by.Shadows {
		query = allOutcomes
	}
	rows, err := r.query(ctx, query, by.After, by.Model, by.Version, since, until, pageRows)
	if err != nil {
		return nil, 0, err
	}
	page, truths, err := scanOutcomes(rows)
	if err != nil {
		return nil, 0, err
	}
	if len(page) == pageRows {
		after = page[len(page)-1].ID
	}
	kept := page[:0]
	for i, o := range page {
		if o.Labels, err = r.labels(ctx, labels, truths[i].model); err != nil {
			return nil, 0, err
		}
		if o.Truth = truths[i].class; truths[i].of != truths[i].model {
			from, err := r.labels(ctx, labels, truths[i].of)
			if err != nil {
				return nil, 0, err
			}
			o.Truth = slices.Index(o.Labels, from[o.Truth])
		}
		if o.Truth >= 0 {
			kept = append(kept, o)
		}
	}
	return kept, after, nil
}

// truth is a label: a class of the model of, which is that of the answer unless a shadow gave it.
type truth struct {
	model, of int64
	class     int
}

func scanOutcomes(rows *sql.Rows) (page []*Outcome, truths []truth, err error) {
	defer rows.Close()
	for rows.Next() {
		var o Outcome
		var t truth
		var at int64
		var probabilities []byte
		err := rows.Scan(&o.ID, &at, &o.Model, &o.Version, &o.Shadow, &t.model, &o.Class, &o.Confidence, &probabilities, &t.of, &t.class)
		if err != nil {
			return nil, nil, err
		}
		o.Time = time.UnixMilli(at).UTC()
		if probabilities != nil {
			o.Probabilities = monitor.ReadHalf(probabilities)
		}
		page, truths = append(page, &o), append(truths, t)
	}
	return page, truths, rows.Err()
}
