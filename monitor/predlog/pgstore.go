package predlog

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/torchlit/torchlit/monitor"
)

// pgTransaction is one of pgDatabase's: what it has learned of models is forgotten when it fails.
type pgTransaction struct {
	*pgx.Conn
	*pgDatabase
}

const (
	pgAddAnswer   = "add_answer"
	pgAddFeedback = "add_feedback"

	// What goes in one round trip: enough that its delay does not count, little enough to be in memory twice.
	pgBatch      = 512
	pgBatchBytes = 4 << 20
)

// prepare prepares what is done often. An answer is one statement with all that belongs to it, because the others need its id.
func (d *pgDatabase) prepare(ctx context.Context) error {
	for name, text := range map[string]string{
		pgAddAnswer: `WITH p AS (
				INSERT INTO predictions (time, model, request_id, list, class, confidence, entropy, top, width, height, bytes,
					brightness, contrast, saturation, sharpness, flatness, ood, shadow)
				VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18) RETURNING id
			), v AS (
				INSERT INTO vectors (prediction, probabilities, embedding) SELECT id, $19::bytea, $20::bytea FROM p WHERE $19::bytea IS NOT NULL
			)
			INSERT INTO pictures (prediction, png) SELECT id, $21::bytea FROM p WHERE $21::bytea IS NOT NULL`,
		pgAddFeedback: `INSERT INTO feedback AS f (prediction, class, time) VALUES ($1, $2, $3) ON CONFLICT (prediction) DO UPDATE
			SET changes = f.changes + (f.class <> excluded.class)::int, class = excluded.class, time = excluded.time`,
	} {
		if _, err := d.conn.Prepare(ctx, name, text); err != nil {
			return err
		}
	}
	return nil
}

// pgRow is what pgAddAnswer takes, but for the model, and how many bytes of it are vectors and picture.
type pgRow struct {
	answer *monitor.Answer
	args   []any
	large  int
}

// pgModelArg is the place of the model's id in pgRow.args.
const pgModelArg = 1

// rows makes the rows of answers. It is done before the transaction, because pictures take their time and others wait for its lock.
func (d *pgDatabase) rows(answers []monitor.Answer, vectors func(string) bool) ([]pgRow, error) {
	rows := make([]pgRow, len(answers))
	for i := range answers {
		a := &answers[i]
		var err error
		if rows[i], err = d.row(a, vectors(a.RequestID)); err != nil {
			return nil, err
		}
	}
	return rows, nil
}

// add inserts answers.
func (t *pgTransaction) add(ctx context.Context, rows []pgRow) error {
	b, bytes := &pgx.Batch{}, 0
	for _, r := range rows {
		m, err := t.model(ctx, r.answer)
		if err != nil {
			return err
		}
		r.args[pgModelArg] = m.id
		b.Queue(pgAddAnswer, r.args...)
		if bytes += r.large; b.Len() == pgBatch || bytes > pgBatchBytes {
			if err := t.send(ctx, b); err != nil {
				return err
			}
			b, bytes = &pgx.Batch{}, 0
		}
	}
	return t.send(ctx, b)
}

func (t *pgTransaction) send(ctx context.Context, b *pgx.Batch) error {
	if b.Len() == 0 {
		return nil
	}
	return t.SendBatch(ctx, b).Close()
}

func (d *pgDatabase) row(a *monitor.Answer, vectors bool) (pgRow, error) {
	var probabilities, embedding, picture []byte
	if vectors {
		probabilities = monitor.AppendHalf([]byte{}, a.Probabilities)
		if a.Embedding != nil {
			embedding = monitor.AppendHalf([]byte{}, a.Embedding)
		}
	}
	if a.Picture != nil {
		png, err := d.png.encode(a.Picture)
		if err != nil {
			return pgRow{}, err
		}
		picture = slices.Clone(png)
	}
	r, shadow := rowOf(a), 0
	if a.Shadow {
		shadow = 1
	}
	args := []any{
		a.Time.UnixMilli(), nil, pgText(a.RequestID), text(pgText(a.List)), r.class, r.confidence, r.entropy, r.top,
		count(a.Image.Width), count(a.Image.Height), count(a.Image.Bytes),
		number(a.Image.Brightness), number(a.Image.Contrast), number(a.Image.Saturation), number(a.Image.Sharpness),
		number(a.Image.Flatness), number(a.OOD), shadow, probabilities, embedding, picture,
	}
	return pgRow{a, args, len(probabilities) + len(embedding) + len(picture)}, nil
}

// pgText is s without what PostgreSQL's text cannot hold.
func pgText(s string) string { return strings.ReplaceAll(strings.ToValidUTF8(s, "�"), "\x00", "") }

// model finds the row of an answer's model, or makes it.
func (t *pgTransaction) model(ctx context.Context, a *monitor.Answer) (*model, error) {
	key := keyOf(a)
	if m := t.models.byKey[key]; m != nil {
		return m, nil
	}
	labels, err := json.Marshal(a.Labels) // which says a zero byte as \u0000
	if err != nil {
		return nil, err
	}
	digest := sha256.Sum256(labels)
	var id int64
	err = t.QueryRow(ctx, `INSERT INTO models (name, version, labels, digest) VALUES ($1, $2, $3, $4)
		ON CONFLICT (name, version, digest) DO UPDATE SET name = excluded.name RETURNING id`,
		pgText(a.Model), pgText(a.Version), string(labels), digest[:]).Scan(&id)
	if err != nil {
		return nil, err
	}
	m := newModel(id, a.Model, a.Version, slices.Clone(a.Labels))
	t.models.add(key, m)
	return m, nil
}

// modelByID is the model of a row that is there, though another process may have made it.
func (t *pgTransaction) modelByID(ctx context.Context, id int64) (*model, error) {
	if m := t.models.byID[id]; m != nil {
		return m, nil
	}
	var name, version, labels string
	if err := t.QueryRow(ctx, "SELECT name, version, labels FROM models WHERE id = $1", id).Scan(&name, &version, &labels); err != nil {
		return nil, err
	}
	m, err := readModel(id, name, version, labels)
	if err != nil {
		return nil, err
	}
	t.models.byID[id] = m
	return m, nil
}

// label implements transaction: one round trip finds the answers, one stores the labels.
func (t *pgTransaction) label(ctx context.Context, now int64, calls []*feedbackCall) error {
	answers, err := t.find(ctx, calls)
	if err != nil {
		return err
	}
	b := &pgx.Batch{}
	for _, c := range calls {
		c.verdicts = make([]monitor.Verdict, len(c.labels))
		for i := range c.labels {
			f := answers[requested{pgText(c.model), pgText(c.labels[i].RequestID)}]
			if v := c.judge(i, f); v.Err == nil {
				b.Queue(pgAddFeedback, f.id, v.Index, now)
			}
		}
	}
	return t.send(ctx, b)
}

// requested names an answer as callers do.
type requested struct{ model, id string }

// find is the last answer to each request that calls have labels for.
func (t *pgTransaction) find(ctx context.Context, calls []*feedbackCall) (map[requested]*found, error) {
	answers := map[requested]*found{}
	var names, ids []string
	for _, c := range calls {
		for i := range c.labels {
			r := requested{pgText(c.model), pgText(c.labels[i].RequestID)}
			if _, ok := answers[r]; !ok {
				answers[r] = nil
				names, ids = append(names, r.model), append(ids, r.id)
			}
		}
	}
	rows, err := t.Query(ctx, `SELECT DISTINCT ON (w.name, w.id) w.name, w.id, p.id, p.class, p.model
		FROM unnest($1::text[], $2::text[]) AS w (name, id) JOIN predictions p ON p.request_id = w.id JOIN models m ON m.id = p.model AND m.name = w.name
		WHERE p.shadow = 0 ORDER BY w.name, w.id, p.id DESC`, names, ids)
	if err != nil {
		return nil, err
	}
	models := map[*found]int64{}
	var r requested
	var row found
	var model int64
	_, err = pgx.ForEachRow(rows, []any{&r.model, &r.id, &row.id, &row.class, &model}, func() error {
		f := row
		answers[r], models[&f] = &f, model
		return nil
	})
	if err != nil {
		return nil, err
	}
	for f, id := range models { // after the rows: a connection does one thing at a time
		if f.model, err = t.modelByID(ctx, id); err != nil {
			return nil, err
		}
	}
	return answers, nil
}

// forget implements transaction.
func (t *pgTransaction) forget(ctx context.Context, model, requestID string) (int, error) {
	tag, err := t.Exec(ctx, `DELETE FROM predictions WHERE (request_id = $1 OR list = $1)
		AND ($2 = '' OR model IN (SELECT id FROM models WHERE name = $2))`, pgText(requestID), pgText(model))
	return int(tag.RowsAffected()), err
}

// addWindow implements transaction.
func (t *pgTransaction) addWindow(ctx context.Context, w *Window) (bool, error) {
	var model int64
	err := t.QueryRow(ctx, `SELECT m.id FROM models m LEFT JOIN predictions p ON p.model = m.id AND p.id = $1
		WHERE m.name = $2 AND m.version = $3 ORDER BY p.id IS NULL, m.id DESC LIMIT 1`, w.First, pgText(w.Model), pgText(w.Version)).Scan(&model)
	if errors.Is(err, pgx.ErrNoRows) {
		return false, errNoModel
	}
	if err != nil {
		return false, err
	}
	tag, err := t.Exec(ctx, `INSERT INTO windows (model, from_time, until_time, first_prediction, last_prediction, answers, result)
		VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (model, first_prediction) DO NOTHING`,
		model, w.From.UnixMilli(), w.Until.UnixMilli(), w.First, w.Last, w.Answers, string(w.Result))
	return tag.RowsAffected() > 0, err
}
