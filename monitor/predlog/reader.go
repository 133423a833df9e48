package predlog

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"os"
	"strings"
	"time"

	"github.com/torchlit/torchlit/monitor"
)

// Reader reads a log, also while others write to it. Many goroutines may use one. Whoever opens it closes it.
type Reader struct {
	place string
	db    *sql.DB
	pg    bool // PostgreSQL, else SQLite
}

// OpenReader opens the log in dir for reading.
func OpenReader(dir string) (*Reader, error) {
	r, err := openFileReader(dir)
	if err != nil {
		return nil, fmt.Errorf("cannot read the prediction log in %q: %w; name the folder of --monitor-dir", dir, err)
	}
	return r, nil
}

func openFileReader(dir string) (*Reader, error) {
	if _, err := os.Stat(File(dir)); err != nil {
		return nil, err
	}
	db, err := sql.Open("sqlite", readDSN(File(dir)))
	if err != nil {
		return nil, err
	}
	var id, version int
	err = db.QueryRow("SELECT application_id, user_version FROM pragma_application_id(), pragma_user_version()").Scan(&id, &version)
	if err == nil && (id != applicationID || version != len(migrations)) {
		err = fmt.Errorf("%w; serve with --monitor brings an older one up to date", errForeign)
	}
	if err != nil {
		_ = db.Close()
		return nil, err
	}
	return &Reader{place: dir, db: db}, nil
}

// OpenReader opens the log that l writes for reading. What is closed first does not matter.
func (l *Log) OpenReader(ctx context.Context) (*Reader, error) {
	if l.cfg.DSN != "" {
		return OpenReaderDSN(ctx, l.cfg.DSN)
	}
	return OpenReader(l.cfg.Dir)
}

// Place is what is read: the file, or the address of the database without its password.
func (r *Reader) Place() string {
	if r.pg {
		return r.place
	}
	return File(r.place)
}

// Close closes the log for this reader.
func (r *Reader) Close() error { return r.db.Close() }

func (r *Reader) failed(err error) error {
	return fmt.Errorf("cannot read the prediction log in %q: %w", r.place, err)
}

// query runs a query whose parameters are ?1, ?2, … in the order of args: SQLite's way, which is made PostgreSQL's.
func (r *Reader) query(ctx context.Context, text string, args ...any) (*sql.Rows, error) {
	if r.pg {
		text = strings.ReplaceAll(text, "?", "$")
	}
	return r.db.QueryContext(ctx, text, args...)
}

// row is query for one row.
func (r *Reader) row(ctx context.Context, text string, args ...any) *sql.Row {
	if r.pg {
		text = strings.ReplaceAll(text, "?", "$")
	}
	return r.db.QueryRowContext(ctx, text, args...)
}

// Filter chooses answers. The zero value of a field chooses all.
type Filter struct {
	Model, Version string
	Since, Until   time.Time // from Since on, before Until
	After          int64     // ids above this one: to go on where an earlier reading ended
	Labelled       bool      // only those whose true class is known
	Vectors        bool      // only those whose probabilities are kept
	Every          int64     // of every so many ids one: a part of the answers, evenly spread; 0 stands for 1
	Shadows        bool      // also what shadow versions would have said, which is left out by default; it has no labels
}

// between is the filter's time, in milliseconds.
func (f *Filter) between() (since, until int64) {
	since, until = math.MinInt64, math.MaxInt64
	if !f.Since.IsZero() {
		since = f.Since.UnixMilli()
	}
	if !f.Until.IsZero() {
		until = f.Until.UnixMilli()
	}
	return since, until
}

// begin has what is read by id begin where the filter's time does: else all that was logged before would be looked at. Ids and times go
// nearly together, but for clocks that were set.
func (r *Reader) begin(ctx context.Context, by *Filter) error {
	if by.Since.IsZero() {
		return nil
	}
	since, until := by.between()
	var first sql.NullInt64
	if err := r.row(ctx, "SELECT min(id) FROM predictions WHERE time >= ?1 AND time < ?2", since, until).Scan(&first); err != nil {
		return err
	}
	if first.Valid {
		by.After = max(by.After, first.Int64-1)
	}
	return nil
}

// Stored is an answer as it is in the log.
type Stored struct {
	monitor.Answer
	ID                  int64
	Class               int
	Confidence, Entropy float64 // of the likeliest class; of all, in nats
	TrueClass           int     // -1 where it is not known
	PNG                 []byte  // the picture; nil where it is not kept
}

// pageRows is how many answers are read at once. Between pages the log is let go of, so that its WAL can be written back.
const pageRows = 512

// Each calls f for each answer that the filter chooses, in the order in which they were stored, with what is kept of it; without pictures, unless they
// are asked for. It ends with f's first error. The answer is f's to keep.
func (r *Reader) Each(ctx context.Context, by Filter, pictures bool, f func(*Stored) error) error {
	labels := map[int64][]string{}
	picture := "NULL"
	if pictures {
		picture = "(SELECT png FROM pictures WHERE prediction = p.id)"
	}
	query := storedColumns + picture + storedFrom + `
		WHERE p.id > ?1 AND (?2 = '' OR m.name = ?2) AND (?3 = '' OR m.version = ?3) AND +p.time >= ?4 AND +p.time < ?5
			AND (NOT ?6 OR f.class IS NOT NULL) AND (?7 OR p.shadow = 0) AND (NOT ?8 OR v.prediction IS NOT NULL) AND p.id % ?9 = 0
		ORDER BY p.id LIMIT ?10`
	since, until := by.between()
	if err := r.begin(ctx, &by); err != nil {
		return r.failed(err)
	}
	for {
		page, err := r.page(ctx, labels, query, by.After, by.Model, by.Version, since, until, by.Labelled, by.Shadows, by.Vectors, max(1, by.Every), pageRows)
		if err != nil {
			return r.failed(err)
		}
		for _, s := range page {
			if err := f(s); err != nil {
				return err
			}
			by.After = s.ID
		}
		if len(page) < pageRows {
			return nil
		}
	}
}

func (r *Reader) page(ctx context.Context, labels map[int64][]string, query string, args ...any) ([]*Stored, error) {
	rows, err := r.query(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var page []*Stored
	var models []int64
	for rows.Next() {
		s, model, err := scan(rows)
		if err != nil {
			return nil, err
		}
		page, models = append(page, s), append(models, model)
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	for i, s := range page {
		if s.Labels, err = r.labels(ctx, labels, models[i]); err != nil {
			return nil, err
		}
	}
	return page, nil
}

func scan(rows *sql.Rows) (*Stored, int64, error) {
	var s Stored
	var at, model int64
	var list sql.NullString
	var width, height, bytes sql.NullInt64
	var brightness, contrast, saturation, sharpness, flatness, ood sql.NullFloat64
	var probabilities, embedding []byte
	err := rows.Scan(&s.ID, &at, &model, &s.Model, &s.Version, &s.RequestID, &list, &s.Class, &s.Confidence, &s.Entropy,
		&width, &height, &bytes, &brightness, &contrast, &saturation, &sharpness, &flatness, &ood, &s.Shadow, &s.TrueClass, &probabilities, &embedding, &s.PNG)
	if err != nil {
		return nil, 0, err
	}
	s.Time, s.List, s.OOD = time.UnixMilli(at).UTC(), list.String, known(ood)
	s.Image = monitor.Image{
		Width: int(width.Int64), Height: int(height.Int64), Bytes: int(bytes.Int64),
		Brightness: known(brightness), Contrast: known(contrast), Saturation: known(saturation), Sharpness: known(sharpness), Flatness: known(flatness),
	}
	if probabilities != nil {
		s.Probabilities = monitor.ReadHalf(probabilities)
	}
	if embedding != nil {
		s.Embedding = monitor.ReadHalf(embedding)
	}
	return &s, model, nil
}

func known(f sql.NullFloat64) float32 {
	if !f.Valid {
		return float32(math.NaN())
	}
	return float32(f.Float64)
}

func (r *Reader) labels(ctx context.Context, cached map[int64][]string, model int64) ([]string, error) {
	if l, ok := cached[model]; ok {
		return l, nil
	}
	rows, err := r.query(ctx, "SELECT labels FROM models WHERE id = ?1", model)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var text string
		if err := rows.Scan(&text); err != nil {
			return nil, err
		}
		m, err := readModel(model, "", "", text)
		if err != nil {
			return nil, err
		}
		cached[model] = m.labels
	}
	return cached[model], rows.Err()
}

// ModelSummary is what the log holds of one version of a model.
type ModelSummary struct {
	Model      string    `json:"model"`
	Version    string    `json:"version"`
	Answers    int64     `json:"answers"`
	Vectors    int64     `json:"vectors"`
	Pictures   int64     `json:"pictures"`
	Labelled   int64     `json:"labelled"` // answers whose true class is known
	Correct    int64     `json:"correct"`  // of those
	Confidence float64   `json:"mean_confidence"`
	First      time.Time `json:"first"`
	Last       time.Time `json:"last"`
}

// Summary counts what the log holds, by model and version and without shadows, and tells the size of its files in bytes.
func (r *Reader) Summary(ctx context.Context) (models []ModelSummary, bytes int64, err error) {
	rows, err := r.query(ctx, `SELECT m.name, m.version, count(*), count(v.prediction), count(i.prediction), count(f.prediction),
			count(*) FILTER (WHERE p.class = f.class), avg(p.confidence), min(p.time), max(p.time)
		FROM predictions p JOIN models m ON m.id = p.model LEFT JOIN vectors v ON v.prediction = p.id
			LEFT JOIN pictures i ON i.prediction = p.id LEFT JOIN feedback f ON f.prediction = p.id
		WHERE p.shadow = 0
		GROUP BY m.name, m.version ORDER BY m.name, m.version`)
	if err != nil {
		return nil, 0, r.failed(err)
	}
	defer rows.Close()
	for rows.Next() {
		var m ModelSummary
		var first, last int64
		if err := rows.Scan(&m.Model, &m.Version, &m.Answers, &m.Vectors, &m.Pictures, &m.Labelled, &m.Correct, &m.Confidence, &first, &last); err != nil {
			return nil, 0, err
		}
		m.First, m.Last = time.UnixMilli(first).UTC(), time.UnixMilli(last).UTC()
		models = append(models, m)
	}
	if err := rows.Err(); err != nil {
		return nil, 0, r.failed(err)
	}
	bytes, err = r.Bytes(ctx)
	return models, bytes, err
}

// Bytes is the size of the log's files or tables.
func (r *Reader) Bytes(ctx context.Context) (int64, error) {
	if r.pg {
		return pgReadSize(ctx, r.db)
	}
	f := file{path: File(r.place)}
	return f.bytes(), nil
}

// Check looks for damage in the whole database. It reads all of it.
func (r *Reader) Check(ctx context.Context) error {
	if r.pg {
		return pgCheck(ctx, r.db)
	}
	var word string
	if err := r.db.QueryRowContext(ctx, "PRAGMA integrity_check(1)").Scan(&word); err != nil {
		return err
	}
	if word != "ok" {
		return errors.New(word)
	}
	rows, err := r.db.QueryContext(ctx, "PRAGMA foreign_key_check")
	if err != nil {
		return err
	}
	defer rows.Close()
	if rows.Next() {
		return errors.New("something is stored of an answer that is not there")
	}
	return rows.Err()
}

// Vacuum writes the database of the log in dir anew, without the room that deleted answers left. It takes as much room again while it
// works, and writers wait for it.
func Vacuum(ctx context.Context, dir string) error {
	s, err := openStore(File(dir), func(dsn string) (*sql.DB, error) { return sql.Open("sqlite", dsn) })
	if err != nil {
		return fmt.Errorf("cannot vacuum the prediction log in %q: %w", dir, err)
	}
	_, err = s.conn.ExecContext(ctx, "VACUUM")
	(&file{store: s}).flushWAL()
	if cerr := s.close(); err == nil {
		err = cerr
	}
	if err != nil {
		return fmt.Errorf("cannot vacuum the prediction log in %q: %w", dir, err)
	}
	return nil
}
