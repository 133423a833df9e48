package predlog

import "context"

// storedColumns and storedFrom are a query for what scan reads; between them stands the picture.
//
// The plus signs keep the database from its indices of models and times: what is read page by page is read by id, and by another
// index each page would find all answers of that time and sort them.
const (
	storedColumns = `SELECT p.id, p.time, p.model, m.name, m.version, p.request_id, p.list, p.class, p.confidence, p.entropy,
			p.width, p.height, p.bytes, p.brightness, p.contrast, p.saturation, p.sharpness, p.flatness, p.ood, p.shadow,
			coalesce(f.class, -1), v.probabilities, v.embedding, `
	storedFrom = `
		FROM predictions p JOIN models m ON m.id = +p.model LEFT JOIN vectors v ON v.prediction = p.id LEFT JOIN feedback f ON f.prediction = p.id`
)

// Pictures are the newest answers of the filter's model and version whose pictures are kept, with those, newest first. Nothing else of
// the filter counts.
func (r *Reader) Pictures(ctx context.Context, by Filter, newest int) ([]*Stored, error) {
	page, err := r.page(ctx, map[int64][]string{}, storedColumns+"i.png"+storedFrom+`
		JOIN pictures i ON i.prediction = p.id
		WHERE p.shadow = 0 AND (?1 = '' OR m.name = ?1) AND (?2 = '' OR m.version = ?2)
		ORDER BY i.prediction DESC LIMIT ?3`, by.Model, by.Version, newest)
	if err != nil {
		return nil, r.failed(err)
	}
	return page, nil
}
