package predlog

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"slices"

	"modernc.org/sqlite"

	"github.com/torchlit/torchlit/monitor"
)

// store is the database as its writer has it: one connection, its statements, and the models that it knows. It belongs to one
// goroutine.
type store struct {
	db     *sql.DB
	conn   *sql.Conn
	models models
	png    pictures

	addPrediction, addVectors, addPicture, findPrediction, addFeedback *sql.Stmt
}

// dsn is the address of the database for whoever writes to it. The pragmas hold for each connection, but for auto_vacuum, which must come
// before anything is written, and journal_mode, which stay in the file.
//
//   - synchronous=FULL syncs the WAL at each commit: what is committed survives a loss of power, not only of the process.
//   - secure_delete overwrites what is deleted: it may be somebody's right.
//   - journal_size_limit gives the disk back what a burst has taken for the WAL.
func dsn(path string) string {
	pragmas := []string{
		"auto_vacuum(incremental)", "journal_mode(wal)", "synchronous(full)", "busy_timeout(5000)", "foreign_keys(on)",
		"secure_delete(on)", fmt.Sprintf("journal_size_limit(%d)", walLimit), "trusted_schema(off)",
	}
	return address(path, url.Values{"_pragma": pragmas})
}

// readDSN is the address for readers.
func readDSN(path string) string {
	return address(path, url.Values{"mode": {"ro"}, "_pragma": {"busy_timeout(5000)", "query_only(on)", "trusted_schema(off)"}})
}

// address is the URI of a file. A relative path in a URI would take its first element for a host.
func address(path string, query url.Values) string {
	if abs, err := filepath.Abs(path); err == nil {
		path = abs
	}
	u := url.URL{Scheme: "file", Path: filepath.ToSlash(path), RawQuery: query.Encode()}
	return u.String()
}

// walLimit is to what the WAL is cut when it has been written back, in bytes.
const walLimit = 4 << 20

// openStore opens the database, or makes it.
func openStore(path string, open func(string) (*sql.DB, error)) (*store, error) {
	db, err := open(dsn(path))
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	s := &store{db: db, models: newModels()}
	if err := s.prepare(context.Background()); err != nil {
		_ = s.close()
		return nil, err
	}
	return s, nil
}

func (s *store) prepare(ctx context.Context) (err error) {
	if s.conn, err = s.db.Conn(ctx); err != nil {
		return err
	}
	if err = migrate(ctx, s.conn); err != nil {
		return err
	}
	for _, p := range []struct {
		stmt **sql.Stmt
		text string
	}{
		{&s.addPrediction, `INSERT INTO predictions (time, model, request_id, list, class, confidence, entropy, top, width, height, bytes,
			brightness, contrast, saturation, sharpness, flatness, ood, shadow) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`},
		{&s.addVectors, `INSERT INTO vectors (prediction, probabilities, embedding) VALUES (?, ?, ?)`},
		{&s.addPicture, `INSERT INTO pictures (prediction, png) VALUES (?, ?)`},
		{&s.findPrediction, `SELECT p.id, p.class, p.model FROM predictions p JOIN models m ON m.id = p.model
			WHERE p.request_id = ? AND m.name = ? AND p.shadow = 0 ORDER BY p.id DESC LIMIT 1`},
		{&s.addFeedback, `INSERT INTO feedback (prediction, class, time) VALUES (?, ?, ?)
			ON CONFLICT (prediction) DO UPDATE SET changes = changes + (class <> excluded.class), class = excluded.class, time = excluded.time`},
	} {
		if *p.stmt, err = s.conn.PrepareContext(ctx, p.text); err != nil {
			return err
		}
	}
	return nil
}

// close writes the WAL back, if nobody else has the database open.
func (s *store) close() error {
	for _, stmt := range []*sql.Stmt{s.addPrediction, s.addVectors, s.addPicture, s.findPrediction, s.addFeedback} {
		if stmt != nil {
			_ = stmt.Close()
		}
	}
	if s.conn != nil {
		_ = s.conn.Close()
	}
	return s.db.Close()
}

// transact makes do's writes one transaction. After an error nothing of it is there.
func (s *store) transact(do func(ctx context.Context) error) error {
	ctx := context.Background()
	if _, err := s.conn.ExecContext(ctx, "BEGIN IMMEDIATE"); err != nil {
		return err
	}
	err := do(ctx)
	if err == nil {
		_, err = s.conn.ExecContext(ctx, "COMMIT")
	}
	if err != nil {
		_, _ = s.conn.ExecContext(ctx, "ROLLBACK") // after some errors it is done already
		s.models.forget()
	}
	return err
}

// add inserts an answer, with its vectors if they are wanted.
func (s *store) add(ctx context.Context, a *monitor.Answer, vectors bool) error {
	m, err := s.model(ctx, a)
	if err != nil {
		return err
	}
	r := rowOf(a)
	result, err := s.addPrediction.ExecContext(ctx, a.Time.UnixMilli(), m.id, a.RequestID, text(a.List), r.class, r.confidence, r.entropy, r.top,
		count(a.Image.Width), count(a.Image.Height), count(a.Image.Bytes),
		number(a.Image.Brightness), number(a.Image.Contrast), number(a.Image.Saturation), number(a.Image.Sharpness),
		number(a.Image.Flatness), number(a.OOD), a.Shadow)
	if err != nil {
		return err
	}
	id, err := result.LastInsertId()
	if err != nil {
		return err
	}
	if vectors {
		var embedding any
		if a.Embedding != nil {
			embedding = monitor.AppendHalf(nil, a.Embedding)
		}
		if _, err := s.addVectors.ExecContext(ctx, id, monitor.AppendHalf(nil, a.Probabilities), embedding); err != nil {
			return err
		}
	}
	if a.Picture == nil {
		return nil
	}
	png, err := s.png.encode(a.Picture)
	if err != nil {
		return err
	}
	_, err = s.addPicture.ExecContext(ctx, id, png)
	return err
}

// label implements transaction.
func (s *store) label(ctx context.Context, now int64, calls []*feedbackCall) error {
	for _, c := range calls {
		c.verdicts = make([]monitor.Verdict, len(c.labels))
		for i := range c.labels {
			f, err := s.find(ctx, c.model, c.labels[i].RequestID)
			if err != nil {
				return err
			}
			v := c.judge(i, f)
			if v.Err != nil {
				continue
			}
			if _, err := s.addFeedback.ExecContext(ctx, f.id, v.Index, now); err != nil {
				return err
			}
		}
	}
	return nil
}

// find is the last answer to a request; nil for none.
func (s *store) find(ctx context.Context, model, requestID string) (*found, error) {
	var f found
	var m int64
	err := s.findPrediction.QueryRowContext(ctx, requestID, model).Scan(&f.id, &f.class, &m)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	f.model, err = s.modelByID(ctx, m)
	return &f, err
}

// forget implements transaction.
func (s *store) forget(ctx context.Context, model, requestID string) (int, error) {
	r, err := s.conn.ExecContext(ctx, `DELETE FROM predictions WHERE (request_id = ?1 OR list = ?1)
		AND (?2 = '' OR model IN (SELECT id FROM models WHERE name = ?2))`, requestID, model)
	if err != nil {
		return 0, err
	}
	n, err := r.RowsAffected()
	return int(n), err
}

// model finds the row of an answer's model, or makes it.
func (s *store) model(ctx context.Context, a *monitor.Answer) (*model, error) {
	key := keyOf(a)
	if m := s.models.byKey[key]; m != nil {
		return m, nil
	}
	labels, err := json.Marshal(a.Labels)
	if err != nil {
		return nil, err
	}
	var id int64
	err = s.conn.QueryRowContext(ctx, `INSERT INTO models (name, version, labels) VALUES (?1, ?2, ?3)
		ON CONFLICT DO UPDATE SET name = name RETURNING id`, a.Model, a.Version, string(labels)).Scan(&id)
	if err != nil {
		return nil, err
	}
	m := newModel(id, a.Model, a.Version, slices.Clone(a.Labels))
	s.models.add(key, m)
	return m, nil
}

// modelByID is the model of a row that is there, though another process may have made it.
func (s *store) modelByID(ctx context.Context, id int64) (*model, error) {
	if m := s.models.byID[id]; m != nil {
		return m, nil
	}
	var name, version, labels string
	if err := s.conn.QueryRowContext(ctx, "SELECT name, version, labels FROM models WHERE id = ?", id).Scan(&name, &version, &labels); err != nil {
		return nil, err
	}
	m, err := readModel(id, name, version, labels)
	if err != nil {
		return nil, err
	}
	s.models.byID[id] = m
	return m, nil
}

// kindOf says what an error of SQLite means.
func kindOf(err error) kind {
	e, ok := errors.AsType[*sqlite.Error](err)
	if !ok {
		return passing
	}
	switch e.Code() & 0xff {
	case sqliteCorrupt, sqliteNotADB:
		return damaged
	case sqliteError, sqliteTooBig, sqliteConstraint, sqliteMismatch, sqliteRange:
		return refused
	}
	return passing
}

// Primary result codes, https://www.sqlite.org/rescode.html.
const (
	sqliteError      = 1
	sqliteCorrupt    = 11
	sqliteTooBig     = 18
	sqliteConstraint = 19
	sqliteMismatch   = 20
	sqliteRange      = 25
	sqliteNotADB     = 26
)
