package predlog

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
)

// retain implements database. Of several servers one does it at a time.
//
// An age is judged by this machine's clock and the server's, whichever is behind: one server of many whose clock is wrong would
// delete what the others keep.
func (d *pgDatabase) retain(c *clock, now time.Time, age time.Duration, bytes int64) (deleted int, more bool, err error) {
	if d.conn == nil || d.conn.IsClosed() {
		return 0, false, nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), pgWriteTimeout)
	defer cancel()
	defer func() {
		if err != nil {
			d.drop()
		}
	}()
	if d.size, err = pgSize(ctx, d.conn); err != nil {
		return 0, false, err
	}
	err = pgx.BeginFunc(ctx, d.conn, func(tx pgx.Tx) error {
		var first bool
		if err := tx.QueryRow(ctx, "SELECT pg_try_advisory_xact_lock($1)", int64(pgLockRetain)).Scan(&first); err != nil || !first {
			return err
		}
		if age > 0 {
			if deleted, more, err = pgExpire(ctx, tx, c, now, age); err != nil {
				return err
			}
		}
		if bytes > 0 && !more && d.size > bytes/10*9 {
			n, shed, err := pgShed(ctx, tx, bytes)
			deleted, more = deleted+n, shed
			return err
		}
		return nil
	})
	if err != nil {
		deleted = 0
	}
	return deleted, more, err
}

// pgExpire deletes answers and windows that are too old, if the clocks can be trusted.
func pgExpire(ctx context.Context, tx pgx.Tx, c *clock, now time.Time, age time.Duration) (int, bool, error) {
	var newest, server int64
	err := tx.QueryRow(ctx, "SELECT coalesce(max(time), 0), (extract(epoch FROM clock_timestamp()) * 1000)::bigint FROM predictions").Scan(&newest, &server)
	if err != nil || !c.trusted(now, time.UnixMilli(newest), age) {
		return 0, false, err
	}
	before := min(now.UnixMilli(), server) - age.Milliseconds()
	if _, err := tx.Exec(ctx, "DELETE FROM windows WHERE until_time < $1", before); err != nil {
		return 0, false, err
	}
	return pgDelete(ctx, tx, "SELECT id FROM predictions WHERE time < $1 ORDER BY time LIMIT $2", before, keepAtOnce)
}

// pgDelete deletes the answers that ids selects, at most as many as its last argument says; more is whether they were as many.
func pgDelete(ctx context.Context, tx pgx.Tx, ids string, args ...any) (deleted int, more bool, err error) {
	if _, err := tx.Exec(ctx, "SELECT pg_advisory_xact_lock($1)", int64(pgLockWrite)); err != nil {
		return 0, false, err
	}
	tag, err := tx.Exec(ctx, "DELETE FROM predictions WHERE id IN ("+ids+")", args...)
	return int(tag.RowsAffected()), tag.RowsAffected() == keepAtOnce, err
}

// pgSize is what the log's tables take, with their indexes and what is stored apart.
func pgSize(ctx context.Context, c queryRow) (bytes int64, err error) {
	err = c.QueryRow(ctx, pgSizeQuery, pgSchema).Scan(&bytes)
	return bytes, err
}

const pgSizeQuery = `SELECT coalesce(sum(pg_total_relation_size(c.oid)), 0)::bigint
	FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1 AND c.relkind = 'r'`

// pgShed deletes the oldest answers when there are too many. The tables' size does not tell: the room of deleted rows stays theirs, to be used
// again. So what an answer takes is estimated by a sample, and when all of them take more than nine tenths of the bound the oldest go
// until it is eight.
func pgShed(ctx context.Context, tx pgx.Tx, bytes int64) (int, bool, error) {
	n, each, err := pgUsed(ctx, tx)
	if err != nil || each == 0 || int64(float64(n)*each) <= bytes/10*9 {
		return 0, false, err
	}
	most := min(max(n-int64(float64(bytes/10*8)/each), 1), keepAtOnce)
	deleted, _, err := pgDelete(ctx, tx, "SELECT id FROM predictions ORDER BY id LIMIT $1", most)
	return deleted, deleted > 0, err
}

// pgUsed is how many answers there are, and how many bytes one takes on average, with its part of the indexes. A row has a header, in each
// index it has an entry, and pages are not quite full; what takes more than 2 kB lies apart in pieces, of which the last wastes some 700
// bytes. TestPostgresBytes compares the sum with what the tables take.
func pgUsed(ctx context.Context, tx pgx.Tx) (n int64, each float64, err error) {
	if err := tx.QueryRow(ctx, "SELECT count(*) FROM predictions").Scan(&n); err != nil || n == 0 {
		return 0, 0, err
	}
	const sample = 1000
	err = tx.QueryRow(ctx, `SELECT coalesce(avg(row + vectors + picture + label), 0)::float8 FROM (
			SELECT pg_column_size(p.*) + 8 + (4 * 20 + length(p.request_id) + coalesce(20 + length(p.list), 0)) * 1.2 AS row,
				coalesce(60 + v.bytes * 1.05 + CASE WHEN v.bytes > 2000 THEN 700 ELSE 0 END, 0) AS vectors,
				coalesce(60 + pg_column_size(i.png) * 1.05 + CASE WHEN pg_column_size(i.png) > 2000 THEN 700 ELSE 0 END, 0) AS picture,
				CASE WHEN f.prediction IS NULL THEN 0 ELSE 96 END AS label
			FROM (SELECT * FROM predictions WHERE id % greatest($1::bigint / $2::bigint, 1) = 0 ORDER BY id DESC LIMIT $2) p
				LEFT JOIN (SELECT prediction, pg_column_size(probabilities) + coalesce(pg_column_size(embedding), 0) AS bytes FROM vectors) v
					ON v.prediction = p.id
				LEFT JOIN pictures i ON i.prediction = p.id LEFT JOIN feedback f ON f.prediction = p.id) AS answers`,
		n, int64(sample)).Scan(&each)
	return n, each, err
}
