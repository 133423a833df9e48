package predlog

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
)

// applicationID marks the file as ours: "TLpl". The command file(1) shows it.
const applicationID = 0x544c706c

// migrations make the schema: number n leads from user_version n to n+1. What is here is never changed; a change is a further one.
//
// An answer is a narrow row, so that a window of traffic is read quickly. What is large lies in tables of its own, under the answer's id, and goes
// with the answer. Times are milliseconds since 1970, UTC. Ids are never used again, so whoever reads the log piece by piece can
// go on after the last id that he has seen.
var migrations = []string{`
CREATE TABLE models (
	id      INTEGER PRIMARY KEY,
	name    TEXT NOT NULL,
	version TEXT NOT NULL,
	labels  TEXT NOT NULL, -- JSON: names of the classes by index
	UNIQUE (name, version, labels)
) STRICT;

CREATE TABLE predictions (
	id         INTEGER PRIMARY KEY AUTOINCREMENT,
	time       INTEGER NOT NULL,
	model      INTEGER NOT NULL REFERENCES models (id),
	request_id TEXT NOT NULL,
	list       TEXT,             -- the request's own id where it had several images
	class      INTEGER NOT NULL, -- the likeliest
	confidence REAL NOT NULL,    -- its probability
	entropy    REAL NOT NULL,    -- of all probabilities, in nats
	top        TEXT NOT NULL,    -- JSON: the likeliest classes with their probabilities
	width      INTEGER,          -- of the file, in pixels; NULL where the image came as a tensor
	height     INTEGER,
	bytes      INTEGER,
	brightness REAL,             -- of what the model saw; NULL where that is not known
	contrast   REAL,
	saturation REAL,
	sharpness  REAL
) STRICT;
CREATE INDEX predictions_model ON predictions (model, time);
CREATE INDEX predictions_time ON predictions (time);
CREATE INDEX predictions_request ON predictions (request_id);
CREATE INDEX predictions_list ON predictions (list) WHERE list IS NOT NULL;

CREATE TABLE vectors (
	prediction    INTEGER PRIMARY KEY REFERENCES predictions (id) ON DELETE CASCADE,
	probabilities BLOB NOT NULL, -- float16, little-endian
	embedding     BLOB           -- likewise; NULL where the model gives none
) STRICT;

CREATE TABLE pictures (
	prediction INTEGER PRIMARY KEY REFERENCES predictions (id) ON DELETE CASCADE,
	png        BLOB NOT NULL     -- as the model saw it
) STRICT;

CREATE TABLE feedback (
	prediction INTEGER PRIMARY KEY REFERENCES predictions (id) ON DELETE CASCADE,
	class      INTEGER NOT NULL, -- the true one
	time       INTEGER NOT NULL, -- when it came last
	changes    INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE VIEW answers AS
SELECT p.id, strftime('%Y-%m-%dT%H:%M:%fZ', p.time / 1000.0, 'unixepoch') AS time, m.name AS model, m.version, p.request_id,
	json_extract(m.labels, '$[' || p.class || ']') AS label, p.confidence, p.entropy,
	json_extract(m.labels, '$[' || f.class || ']') AS true_label, p.class = f.class AS correct,
	p.width, p.height, p.width * 1.0 / p.height AS aspect, p.bytes, p.brightness, p.contrast, p.saturation, p.sharpness
FROM predictions p JOIN models m ON m.id = p.model LEFT JOIN feedback f ON f.prediction = p.id;
`, `
ALTER TABLE predictions ADD COLUMN flatness REAL; -- beside sharpness
ALTER TABLE predictions ADD COLUMN ood REAL; -- how far the embedding lies from those of the reference; NULL where that is not known
ALTER TABLE predictions ADD COLUMN shadow INTEGER NOT NULL DEFAULT 0; -- 1: a shadow version said it, and nobody saw it

-- Windows are runs of answers that were tested for drift.
CREATE TABLE windows (
	id               INTEGER PRIMARY KEY AUTOINCREMENT,
	model            INTEGER NOT NULL REFERENCES models (id),
	from_time        INTEGER NOT NULL,
	until_time       INTEGER NOT NULL,
	first_prediction INTEGER NOT NULL, -- ids; the answers may be deleted since
	last_prediction  INTEGER NOT NULL,
	answers          INTEGER NOT NULL,
	result           TEXT NOT NULL,    -- JSON
	UNIQUE (model, first_prediction)
) STRICT;
CREATE INDEX windows_until ON windows (until_time);

DROP VIEW answers;
CREATE VIEW answers AS
SELECT p.id, strftime('%Y-%m-%dT%H:%M:%fZ', p.time / 1000.0, 'unixepoch') AS time, m.name AS model, m.version, p.request_id,
	json_extract(m.labels, '$[' || p.class || ']') AS label, p.confidence, p.entropy, p.ood,
	json_extract(m.labels, '$[' || f.class || ']') AS true_label, p.class = f.class AS correct,
	p.width, p.height, p.width * 1.0 / p.height AS aspect, p.bytes, p.brightness, p.contrast, p.saturation, p.sharpness, p.flatness
FROM predictions p JOIN models m ON m.id = p.model LEFT JOIN feedback f ON f.prediction = p.id
WHERE NOT p.shadow;
`}

// errForeign says that the file is somebody else's, or of a later release: it is left alone.
var errForeign = errors.New("it is not a log of this release")

// migrate makes an empty file a log, or brings an older one up to date.
func migrate(ctx context.Context, c *sql.Conn) error {
	var id, version, tables int
	for _, q := range []struct {
		text string
		into *int
	}{
		{"PRAGMA application_id", &id}, {"PRAGMA user_version", &version}, {"SELECT count(*) FROM sqlite_schema", &tables},
	} {
		if err := c.QueryRowContext(ctx, q.text).Scan(q.into); err != nil {
			return err
		}
	}
	if id != applicationID && (id != 0 || tables > 0) {
		return fmt.Errorf("%w: it is a database of another program; name another folder", errForeign)
	}
	if version > len(migrations) {
		return fmt.Errorf("%w: its schema is version %d, known are %d; use the release that wrote it, or name another folder", errForeign, version, len(migrations))
	}
	if version == len(migrations) {
		return nil
	}
	if _, err := c.ExecContext(ctx, "BEGIN IMMEDIATE"); err != nil {
		return err
	}
	// Another process may have done it in the meantime.
	err := c.QueryRowContext(ctx, "PRAGMA user_version").Scan(&version)
	for ; err == nil && version < len(migrations); version++ {
		_, err = c.ExecContext(ctx, migrations[version])
	}
	if err == nil {
		_, err = c.ExecContext(ctx, fmt.Sprintf("PRAGMA application_id = %d; PRAGMA user_version = %d; COMMIT", applicationID, len(migrations)))
	}
	if err != nil {
		_, _ = c.ExecContext(ctx, "ROLLBACK")
	}
	return err
}
