package predlog

import (
	"context"
	"fmt"
	"time"
)

// retain deletes what is too old, and the oldest of what is too much, a little at a time: a pass that deleted all at once would keep
// answers waiting. It returns when to come again.
func (w *writer) retain(now time.Time) time.Duration {
	if w.cfg.MaxAge == 0 && w.cfg.MaxBytes == 0 || now.Before(w.retry) {
		return keepEvery
	}
	n, more, err := w.db.retain(&w.clock, now, w.cfg.MaxAge, w.cfg.MaxBytes)
	w.deleted.Add(uint64(n))
	w.bytes.Store(w.db.bytes())
	if err != nil && w.db.kindOf(err) == damaged {
		w.failed(err, nil)
		return keepEvery
	}
	if err != nil {
		w.errors.Add(1)
		w.cfg.Report("cannot delete old answers from the prediction log; it is tried again in a minute", err)
		return keepEvery
	}
	if more {
		return keepPause
	}
	return keepEvery
}

// retain implements database.
func (f *file) retain(c *clock, now time.Time, age time.Duration, bytes int64) (deleted int, more bool, err error) {
	if f.store == nil {
		return 0, false, nil
	}
	ctx := context.Background()
	if age > 0 {
		f.removeAside(age)
		if deleted, more, err = f.expire(ctx, c, now, age); err != nil {
			return deleted, false, err
		}
	}
	if bytes > 0 && !more {
		n, shed, err := f.shed(ctx, bytes)
		deleted, more = deleted+n, shed
		if err != nil {
			return deleted, false, err
		}
	}
	if deleted > 0 || bytes > 0 && f.bytes() > bytes {
		err = f.shrink(ctx)
	}
	return deleted, more, err
}

// expire deletes answers and windows that are too old, if the clock can be trusted.
func (f *file) expire(ctx context.Context, c *clock, now time.Time, age time.Duration) (int, bool, error) {
	var newest int64
	if err := f.conn.QueryRowContext(ctx, "SELECT coalesce(max(time), 0) FROM predictions").Scan(&newest); err != nil {
		return 0, false, err
	}
	if !c.trusted(now, time.UnixMilli(newest), age) {
		return 0, false, nil
	}
	before := now.Add(-age).UnixMilli()
	if _, err := f.conn.ExecContext(ctx, "DELETE FROM windows WHERE until_time < ?", before); err != nil {
		return 0, false, err
	}
	return f.delete(ctx, "SELECT id FROM predictions WHERE time < ? ORDER BY time LIMIT ?", before, keepAtOnce)
}

// shed deletes the oldest answers when the files are too large. Nine tenths of the bound are then in use, so that it is not
// done for each answer.
func (f *file) shed(ctx context.Context, bytes int64) (int, bool, error) {
	used, err := f.used(ctx)
	if err != nil || used <= bytes-walLimit {
		return 0, false, err
	}
	var n int64
	if err := f.conn.QueryRowContext(ctx, "SELECT count(*) FROM predictions").Scan(&n); err != nil || n == 0 {
		return 0, false, err
	}
	over := used - (bytes-walLimit)*9/10
	most := min(max(n*over/used, 1), keepAtOnce)
	deleted, _, err := f.delete(ctx, "SELECT id FROM predictions ORDER BY id LIMIT ?", most)
	return deleted, deleted > 0, err
}

// used is the size of the pages that hold something, in bytes.
func (f *file) used(ctx context.Context) (int64, error) {
	var pages, free, size int64
	err := f.conn.QueryRowContext(ctx, `SELECT page_count, freelist_count, page_size
		FROM pragma_page_count(), pragma_freelist_count(), pragma_page_size()`).Scan(&pages, &free, &size)
	return (pages - free) * size, err
}

// delete deletes the answers that ids selects, at most as many as its last argument says; more is whether they were as many.
func (f *file) delete(ctx context.Context, ids string, args ...any) (deleted int, more bool, err error) {
	r, err := f.conn.ExecContext(ctx, "DELETE FROM predictions WHERE id IN ("+ids+")", args...)
	if err != nil {
		return 0, false, err
	}
	n, err := r.RowsAffected()
	return int(n), n == keepAtOnce, err
}

// shrink gives free pages back to the file system.
func (f *file) shrink(ctx context.Context) error {
	const pages = 4096 // at once
	if _, err := f.conn.ExecContext(ctx, fmt.Sprintf("PRAGMA incremental_vacuum(%d)", pages)); err != nil {
		return err
	}
	f.flushWAL()
	return nil
}

// flushWAL writes the WAL back and empties it, unless somebody reads at the moment: then the next one does it.
func (f *file) flushWAL() {
	_, _ = f.conn.ExecContext(context.Background(), "PRAGMA wal_checkpoint(TRUNCATE)")
}

// clock judges whether what the system's clock says can be deleted by.
//
// An age is a difference of two readings, often of two processes, and clocks are wrong now and then: set by hand, corrected after the
// start, wrong in a machine that has just woken. Set back, nothing is deleted too early: what then seems to come from the future is kept until its time has
// passed. Set forward, everything would be too old at once. So when the clock has run ahead of the time that has passed, or when it says at the first
// look that all answers are too old, an hour has to go by before anything is deleted; a clock that is put right in
// that hour deletes nothing.
type clock struct {
	last  time.Time // with its monotonic reading
	until time.Time // nothing is deleted before; by the monotonic reading
}

const (
	clockSlack = 5 * time.Minute // more than NTP slews in a minute, less than a wrong time zone
	clockGrace = time.Hour
)

// trusted reports whether ages may be told at now. newest is the time of the newest answer, as it was written.
func (c *clock) trusted(now, newest time.Time, age time.Duration) bool {
	if c.last.IsZero() {
		c.last = now
		if now.Sub(newest) > age && newest.UnixMilli() > 0 {
			c.until = now.Add(clockGrace)
		}
	}
	return c.judge(now.Round(0).Sub(c.last.Round(0)), now.Sub(c.last), now)
}

// judge is trusted for a clock that went on by wall while passed went by.
func (c *clock) judge(wall, passed time.Duration, now time.Time) bool {
	c.last = now
	if wall-passed > clockSlack {
		c.until = now.Add(clockGrace)
	}
	if passed-wall > clockSlack { // put right
		c.until = time.Time{}
	}
	return c.until.IsZero() || !now.Before(c.until)
}
