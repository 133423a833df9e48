package predlog

import (
	"context"
	"database/sql"
	"errors"
)

// Comparison is what two versions of a model made of the same images, one of them as the other's shadow. Classes are compared by name: the versions
// may have them in another order.
type Comparison struct {
	Model     string `json:"model"`
	Version   string `json:"version"`
	Other     string `json:"other"`
	Images    int64  `json:"images"`       // that both answered
	Agreed    int64  `json:"agreed"`       // of those: both found the same class likeliest
	Labelled  int64  `json:"labelled"`     // of Images: the true class is known. They are the sum of the following
	Both      int64  `json:"both_right"`   //
	OnlyOne   int64  `json:"only_version"` // Version was right and Other was not
	OnlyOther int64  `json:"only_other"`
	Neither   int64  `json:"neither_right"`
}

// Compare compares two versions of by.Model on the images that both answered, one of them as a shadow, whichever it was at the time.
// by.Version, Labelled and Shadows do not count. Of several answers to one request id it takes each version's last.
func (r *Reader) Compare(ctx context.Context, by Filter, version, other string) (Comparison, error) {
	c := Comparison{Model: by.Model, Version: version, Other: other}
	if by.Model == "" || version == other {
		return c, errors.New("cannot compare versions: name a model, and two versions of it")
	}
	const last = `SELECT p.request_id, max(p.id) AS id FROM predictions p JOIN models m ON m.id = p.model
		WHERE m.name = ?1 AND p.time >= ?4 AND p.time < ?5 AND p.id > ?6 AND m.version = `
	since, until := by.between()
	rows, err := r.query(ctx, `WITH one AS (`+last+`?2 GROUP BY p.request_id), two AS (`+last+`?3 GROUP BY p.request_id)
		SELECT a.model, a.class, b.model, b.class, CASE WHEN f.prediction IS NULL THEN b.model ELSE a.model END, coalesce(f.class, g.class, -1), count(*)
		FROM one JOIN two ON two.request_id = one.request_id JOIN predictions a ON a.id = one.id JOIN predictions b ON b.id = two.id
			LEFT JOIN feedback f ON f.prediction = a.id LEFT JOIN feedback g ON g.prediction = b.id
		WHERE a.shadow <> b.shadow
		GROUP BY 1, 2, 3, 4, 5, 6`, by.Model, version, other, since, until, by.After)
	if err != nil {
		return c, r.failed(err)
	}
	pairs, err := readPairs(rows)
	if err != nil {
		return c, r.failed(err)
	}
	labels := map[int64][]string{}
	for _, p := range pairs {
		if err := r.count(ctx, labels, p, &c); err != nil {
			return c, r.failed(err)
		}
	}
	return c, nil
}

// pair is how often two versions answered so, and what was true.
type pair struct {
	models, classes [3]int64 // of the one, of the other, and of the label; class -1 for none
	n               int64
}

func readPairs(rows *sql.Rows) (pairs []pair, err error) {
	defer rows.Close()
	for rows.Next() {
		var p pair
		if err := rows.Scan(&p.models[0], &p.classes[0], &p.models[1], &p.classes[1], &p.models[2], &p.classes[2], &p.n); err != nil {
			return nil, err
		}
		pairs = append(pairs, p)
	}
	return pairs, rows.Err()
}

func (r *Reader) count(ctx context.Context, labels map[int64][]string, p pair, c *Comparison) error {
	var names [3]string
	for i, class := range p.classes {
		if class < 0 {
			continue
		}
		l, err := r.labels(ctx, labels, p.models[i])
		if err != nil {
			return err
		}
		names[i] = l[class]
	}
	c.Images += p.n
	if names[0] == names[1] {
		c.Agreed += p.n
	}
	if p.classes[2] < 0 {
		return nil
	}
	c.Labelled += p.n
	switch one, two := names[0] == names[2], names[1] == names[2]; {
	case one && two:
		c.Both += p.n
	case one:
		c.OnlyOne += p.n
	case two:
		c.OnlyOther += p.n
	default:
		c.Neither += p.n
	}
	return nil
}
