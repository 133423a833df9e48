package predlog

import (
	"context"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/torchlit/torchlit/monitor"
)

// agedPostgres is aged in PostgreSQL.
func agedPostgres(t *testing.T, hours ...int) *pgDatabase {
	t.Helper()
	cfg := Config{DSN: postgres.Get(t).Database(t)}
	cfg.setDefaults()
	d, err := openPostgres(&cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.close() })
	err = d.write(agedAnswers(hours...), func(string) bool { return true }, nil)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func (d *pgDatabase) left(t *testing.T) (n int) {
	t.Helper()
	if err := d.conn.QueryRow(t.Context(), "SELECT count(*) FROM predictions").Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestPostgresAge(t *testing.T) {
	d := agedPostgres(t, 200, 24, 169, 167, 0, -24)
	err := d.transact(0, func(ctx context.Context, tx *pgTransaction) error {
		for _, hours := range []time.Duration{-200, -1} {
			w := windowFrom(int64(300 + hours))
			w.From, w.Until = longAgo.Add(hours*time.Hour-time.Hour), longAgo.Add(hours*time.Hour)
			if _, err := tx.addWindow(ctx, &w); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	other, err := pgx.Connect(t.Context(), d.cfg.DSN)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close(context.Background())
	if _, err := other.Exec(t.Context(), "SELECT pg_advisory_lock($1)", int64(pgLockRetain)); err != nil {
		t.Fatal(err)
	}
	var c clock
	if n, more, err := d.retain(&c, longAgo, week, 0); n != 0 || more || err != nil {
		t.Errorf("deleted %d, more %v, %v, while another server was at it", n, more, err)
	}
	if _, err := other.Exec(t.Context(), "SELECT pg_advisory_unlock($1)", int64(pgLockRetain)); err != nil {
		t.Fatal(err)
	}
	if n, more, err := d.retain(&c, longAgo, week, 0); n != 2 || more || err != nil {
		t.Errorf("deleted %d, more %v, %v; want the 2 that are older than a week", n, more, err)
	}
	if n := d.left(t); n != 4 {
		t.Errorf("%d are left", n)
	}
	var windows int
	if err := d.conn.QueryRow(t.Context(), "SELECT count(*) FROM windows").Scan(&windows); err != nil || windows != 1 {
		t.Errorf("%d windows are left, %v; want 1", windows, err)
	}
}

// TestOneWrongClock: a server whose clock is years ahead, and has been since its start, deletes nothing that is not too old by the database's.
func TestOneWrongClock(t *testing.T) {
	d := agedPostgres(t)
	err := d.write(agedAnswers(int(-time.Since(longAgo).Hours())), func(string) bool { return true }, nil) // of now
	if err != nil {
		t.Fatal(err)
	}
	var c clock
	c.last, c.until = time.Now().Add(1000*week), time.Time{} // it trusts itself
	if n, _, err := d.retain(&c, time.Now().Add(1000*week), week, 0); n != 0 || err != nil {
		t.Errorf("deleted %d, %v", n, err)
	}
}

// TestPostgresBytes: the oldest answers go when all take too much, and not for ever, though the tables do not shrink.
func TestPostgresBytes(t *testing.T) {
	for what, shape := range map[string]struct{ n, embedding, picture int }{
		"small":    {40000, 64, 0},
		"vectors":  {13000, 512, 0},
		"apart":    {6000, 1024, 0},
		"pictures": {800, 64, 90},
	} {
		t.Run(what, func(t *testing.T) { testPostgresBytes(t, shape.n, shape.embedding, shape.picture) })
	}
}

func testPostgresBytes(t *testing.T, n, embedding, picture int) {
	cfg := Config{DSN: postgres.Get(t).Database(t), Interval: time.Millisecond, Queue: 1 << 16, Vectors: 1}
	l := open(t, cfg)
	random := rand.NewChaCha8([32]byte{1})
	for i := range n {
		a := answerTo(i)
		a.Embedding = make([]float32, embedding)
		if picture > 0 {
			a.Picture = &monitor.Picture{Width: picture, Height: picture, Pixels: make([]byte, 3*picture*picture)}
			_, _ = random.Read(a.Picture.Pixels)
		}
		l.Record(a)
		if i%500 == 499 {
			label(t, l, a.RequestID, pets[0])
		}
	}
	mustClose(t, l)
	d, err := openPostgres(&cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer d.close()
	before := d.bytes()
	if before < MinBytes {
		t.Fatalf("%d answers take %d bytes: nothing is tested", n, before)
	}
	var each float64
	err = pgx.BeginFunc(t.Context(), d.conn, func(tx pgx.Tx) (err error) {
		_, each, err = pgUsed(t.Context(), tx)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if real := float64(before) / float64(n); each < real*0.85 || each > real*1.2 {
		t.Errorf("an answer is estimated at %.0f bytes; it takes %.0f", each, real)
	}
	var c clock
	passes := 0
	for more := true; more; passes++ {
		if _, more, err = d.retain(&c, time.Now(), 0, MinBytes); err != nil || passes > 100 {
			t.Fatal(passes, err)
		}
	}
	left := d.left(t)
	if left == 0 || left == n {
		t.Errorf("%d answers are left of %d", left, n)
	}
	if n, more, err := d.retain(&c, time.Now(), 0, MinBytes); n != 0 || more || err != nil {
		t.Errorf("deleted %d more, %v, though there is room within the tables", n, err)
	}
	all := readAll(t, cfg)
	for i, s := range all {
		if want := answerTo(n - len(all) + i).RequestID; s.RequestID != want {
			t.Fatalf("%s is left in place %d; want %s", s.RequestID, i, want)
		}
	}
	if err := VacuumDSN(t.Context(), cfg.DSN); err != nil {
		t.Fatal(err)
	}
	after, err := pgSize(t.Context(), d.conn)
	if err != nil || after > MinBytes || after < MinBytes*6/10 {
		t.Errorf("after a vacuum the tables take %d bytes, %v; the bound is %d", after, err, MinBytes)
	}
	t.Logf("%d answers in %.1f MiB, %.0f bytes each, estimated %.0f; %d left, %.1f MiB after a vacuum", n, float64(before)/(1<<20), float64(before)/float64(n), each, left, float64(after)/(1<<20))
}

// TestDeletedWhileWritten: retention deletes the oldest while answers and labels come, by way of two servers, and neither stands in the other's way.
func TestDeletedWhileWritten(t *testing.T) {
	cfg := Config{DSN: postgres.Get(t).Database(t), Interval: time.Millisecond}
	l := open(t, cfg)
	const old, fresh = 3*keepAtOnce + 7, 300
	for i := range old + 1 {
		a := answerTo(i)
		if i < old { // the last says that the clock is right
			a.Time = time.Now().Add(-2 * time.Hour)
		}
		l.Record(a)
	}
	mustClose(t, l)
	cfg.MaxAge = time.Hour
	a, b := open(t, cfg), open(t, cfg)
	for i := range fresh {
		for j, l := range []*Log{a, b} {
			n := 10000*(j+1) + i
			l.Record(answerTo(n))
			label(t, l, answerTo(n).RequestID, pets[n%3])
		}
	}
	eventually(t, "deletions", func() bool { return a.Counts().Deleted+b.Counts().Deleted == old })
	for _, l := range []*Log{a, b} {
		mustClose(t, l)
		if c := l.Counts(); c.Errors > 0 {
			t.Errorf("counts are %+v", c)
		}
	}
	if all := readAll(t, cfg); len(all) != 2*fresh+1 {
		t.Errorf("%d answers are left; want %d", len(all), 2*fresh+1)
	}
}
