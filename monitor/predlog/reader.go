package predlog

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"time"

	"github.com/torchlit/torchlit/monitor"
)

// Reader reads a log, also while others write to it. Many goroutines may use one. Whoever opens it closes it.
type Reader struct {
	dir string
	db  *sql.DB
}

// OpenReader opens the log in dir for reading.
func OpenReader(dir string) (*Reader, error) {
	if _, err := os.Stat(File(dir)); err != nil {
		return nil, fmt.Errorf("cannot read the prediction log in %q: %w; name the folder of --monitor-dir", dir, err)
	}
	db, err := sql.Open("sqlite", readDSN(File(dir)))
	if err != nil {
		return nil, fmt.Errorf("cannot read the prediction log in %q: %w", dir, err)
	}
	r := &Reader{dir, db}
	var id, version int
	if err := db.QueryRow("SELECT application_id, user_version FROM pragma_application_id(), pragma_user_version()").Scan(&id, &version); err != nil {
		_ = db.Close()
		return nil, fmt.Errorf("cannot read the prediction log in %q: %w", dir, err)
	}
	if id != applicationID || version != len(migrations) {
		_ = db.Close()
		return nil, fmt.Errorf("cannot read the prediction log in %q: %w; serve with --monitor brings an older one up to date", dir, errForeign)
	}
	return r, nil
}

// Close closes the log for this reader.
func (r *Reader) Close() error { return r.db.Close() }

// Filter chooses answers. The zero value of a field chooses all.
type Filter struct {
	Model, Version string
	Since, Until   time.Time // from Since on, before Until
	After          int64     // ids above this one: to go on where an earlier reading ended
	Labelled       bool      // only those whose true class is known
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
	query := `SELECT p.id, p.time, p.model, m.name, m.version, p.request_id, p.list, p.class, p.confidence, p.entropy,
			p.width, p.height, p.bytes, p.brightness, p.contrast, p.saturation, p.sharpness,
			coalesce(f.class, -1), v.probabilities, v.embedding, ` + picture + `
		FROM predictions p JOIN models m ON m.id = p.model LEFT JOIN vectors v ON v.prediction = p.id LEFT JOIN feedback f ON f.prediction = p.id
		WHERE p.id > ?1 AND (?2 = '' OR m.name = ?2) AND (?3 = '' OR m.version = ?3) AND p.time >= ?4 AND p.time < ?5
			AND (NOT ?6 OR f.class IS NOT NULL)
		ORDER BY p.id LIMIT ?7`
	since, until := int64(math.MinInt64), int64(math.MaxInt64)
	if !by.Since.IsZero() {
		since = by.Since.UnixMilli()
	}
	if !by.Until.IsZero() {
		until = by.Until.UnixMilli()
	}
	for {
		page, err := r.page(ctx, labels, query, by.After, by.Model, by.Version, since, until, by.Labelled, pageRows)
		if err != nil {
			return fmt.Errorf("cannot read the prediction log in %q: %w", r.dir, err)
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
	rows, err := r.db.QueryContext(ctx, query, args...)
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
	var brightness, contrast, saturation, sharpness sql.NullFloat64
	var probabilities, embedding []byte
	err := rows.Scan(&s.ID, &at, &model, &s.Model, &s.Version, &s.RequestID, &list, &s.Class, &s.Confidence, &s.Entropy,
		&width, &height, &bytes, &brightness, &contrast, &saturation, &sharpness, &s.TrueClass, &probabilities, &embedding, &s.PNG)
	if err != nil {
		return nil, 0, err
	}
	s.Time, s.List = time.UnixMilli(at).UTC(), list.String
	s.Image = monitor.Image{
		Width: int(width.Int64), Height: int(height.Int64), Bytes: int(bytes.Int64),
		Brightness: known(brightness), Contrast: known(contrast), Saturation: known(saturation), Sharpness: known(sharpness),
	}
	if probabilities != nil {
		s.Probabilities = ReadHalf(probabilities)
	}
	if embedding != nil {
		s.Embedding = ReadHalf(embedding)
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
	var text string
	if err := r.db.QueryRowContext(ctx, "SELECT labels FROM models WHERE id = ?", model).Scan(&text); err != nil {
		return nil, err
	}
	var l []string
	if err := json.Unmarshal([]byte(text), &l); err != nil {
		return nil, err
	}
	cached[model] = l
	return l, nil
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

// Summary counts what the log holds, by model and version, and tells the size of its files in bytes.
func (r *Reader) Summary(ctx context.Context) (models []ModelSummary, bytes int64, err error) {
	rows, err := r.db.QueryContext(ctx, `SELECT m.name, m.version, count(*), count(v.prediction), count(i.prediction), count(f.prediction),
			coalesce(sum(p.class = f.class), 0), avg(p.confidence), min(p.time), max(p.time)
		FROM predictions p JOIN models m ON m.id = p.model LEFT JOIN vectors v ON v.prediction = p.id
			LEFT JOIN pictures i ON i.prediction = p.id LEFT JOIN feedback f ON f.prediction = p.id
		GROUP BY m.name, m.version ORDER BY m.name, m.version`)
	if err != nil {
		return nil, 0, fmt.Errorf("cannot read the prediction log in %q: %w", r.dir, err)
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
	f := file{path: File(r.dir)}
	return models, f.bytes(), rows.Err()
}

// Check looks for damage in the whole database. It reads all of it.
func (r *Reader) Check(ctx context.Context) error {
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
