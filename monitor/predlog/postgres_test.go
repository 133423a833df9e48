package predlog

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/torchlit/torchlit/internal/pgserver"
	"github.com/torchlit/torchlit/monitor"
)

// execute has the database of dsn do something, as somebody else.
func execute(t testing.TB, dsn, statement string) {
	t.Helper()
	c, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(context.Background())
	if _, err := c.Exec(t.Context(), statement); err != nil {
		t.Fatal(err)
	}
}

// TestReplicas: two servers write to one database at once. Each finds the other's answers, and a reader who goes on after the last id that he
// has seen misses none.
func TestReplicas(t *testing.T) {
	dsn := postgres.Get(t).Database(t)
	a, b := open(t, Config{DSN: dsn, Interval: time.Millisecond, Queue: 1 << 14}), open(t, Config{DSN: dsn, Interval: time.Millisecond, Queue: 1 << 14})
	r := reader(t, Config{DSN: dsn})
	const each = 1500
	write := func(l, other *Log, first int) error {
		for n := first; n < first+each; n++ {
			l.Record(answerTo(n))
			if n%50 != 0 {
				continue
			}
			id := answerTo(n).RequestID
			for _, to := range []*Log{l, other} { // the second brings the same label again, by way of the other server
				v, err := to.Feedback(t.Context(), "pets", []monitor.Label{{RequestID: id, Index: n % 3}})
				if err == nil {
					err = v[0].Err
				}
				if err != nil {
					return fmt.Errorf("%s: %w", id, err)
				}
			}
		}
		return nil
	}
	ended := make(chan error, 2)
	go func() { ended <- write(a, b, 0) }()
	go func() { ended <- write(b, a, 100_000) }()
	var seen []*Stored
	follow := func() {
		by := Filter{}
		if len(seen) > 0 {
			by.After = seen[len(seen)-1].ID
		}
		if err := r.Each(t.Context(), by, false, func(s *Stored) error { seen = append(seen, s); return nil }); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		for waiting := true; waiting; {
			select {
			case err := <-ended:
				if waiting = false; err != nil {
					t.Error(err)
				}
			default:
				follow()
			}
		}
	}
	mustClose(t, a)
	mustClose(t, b)
	follow()
	if len(seen) != 2*each {
		t.Errorf("a reader who followed saw %d answers of %d", len(seen), 2*each)
	}
	for _, s := range readAll(t, Config{DSN: dsn}) {
		if n, _ := strconv.Atoi(s.RequestID[1:]); n%50 == 0 && s.TrueClass != n%3 {
			t.Errorf("%s has the label %d", s.RequestID, s.TrueClass)
		}
	}
}

// TestServerCrashes: answers wait while the server is gone, labels are refused, and nothing that was acknowledged is lost or there twice.
func TestServerCrashes(t *testing.T) {
	s := pgserver.New(t)
	cfg := Config{DSN: s.Database(t), Interval: time.Millisecond, Vectors: 1}
	var r reports
	cfg.Report = r.add
	l := open(t, cfg)
	n := 0
	labelled := map[string]int{}
	work := func(times int) (refused int) {
		for range times {
			a := answerTo(n)
			l.Record(a)
			v, err := l.Feedback(t.Context(), "pets", []monitor.Label{{RequestID: a.RequestID, Index: n % 3}})
			switch {
			case errors.Is(err, monitor.ErrUnavailable):
				refused++
			case err != nil || v[0].Err != nil:
				t.Fatal(err, v)
			default:
				labelled[a.RequestID] = n % 3
			}
			n++
		}
		return refused
	}
	if refused := work(50); refused > 0 {
		t.Errorf("%d labels were refused by a server that is well", refused)
	}
	for range 3 {
		s.Stop()
		if refused := work(20); refused != 20 {
			t.Errorf("%d of 20 labels were refused while there was no server", refused)
		}
		s.Start(t)
		eventually(t, "the end of the failure", func() bool { return !l.Counts().Failing })
		work(20)
	}
	mustClose(t, l)
	c := l.Counts()
	if c.Records != uint64(n) || c.Errors == 0 || c.Queued != 0 || !r.has("written again") {
		t.Errorf("of %d answers the counts are %+v; the operator was told %q", n, c, r.lines)
	}
	all := readAll(t, cfg)
	if len(all) != n {
		t.Errorf("%d answers are there; want %d", len(all), n)
	}
	got := map[string]int{}
	for _, a := range all {
		if err := whole(a); err != nil {
			t.Error(err)
		}
		got[a.RequestID] = a.TrueClass
	}
	for id, class := range labelled {
		if got[id] != class {
			t.Errorf("the acknowledged label of %s is lost", id)
		}
	}
	for _, line := range r.lines {
		if strings.Contains(line, pgserver.Secret) {
			t.Errorf("a report has the password: %s", line)
		}
	}
}

// TestLostWhileIdle: a connection that is lost between two labels costs neither of them.
func TestLostWhileIdle(t *testing.T) {
	cfg := Config{DSN: postgres.Get(t).Database(t)}
	l := open(t, cfg)
	l.Record(answerTo(0))
	for _, name := range pets {
		label(t, l, "r0", name)
		execute(t, cfg.DSN, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()")
	}
	mustClose(t, l)
	if c := l.Counts(); c.Errors > 0 || c.Feedback != 3 {
		t.Errorf("counts are %+v", c)
	}
}

// TestServerHangs: while the server hangs nobody who records waits, whoever brings a label waits as long as he wants to, and Close as long as
// it is told.
func TestServerHangs(t *testing.T) {
	s := pgserver.New(t)
	cfg := Config{DSN: s.Database(t), Interval: time.Millisecond, Queue: 100}
	l := open(t, cfg)
	s.Pause(t)
	for n := range 1000 {
		l.Record(answerTo(n)) // would never return if it waited for the server
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := l.Feedback(ctx, "pets", []monitor.Label{{RequestID: "r0"}}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a label during the hang: %v", err)
	}
	if err := l.Close(ctx); !errors.Is(err, context.DeadlineExceeded) || strings.Contains(err.Error(), pgserver.Secret) {
		t.Errorf("close during the hang: %v", err)
	}
	s.Resume()
	mustClose(t, l)
	c := l.Counts()
	if lost := c.Dropped["queue_full"]; c.Records+lost != 1000 || lost == 0 || c.Records < 100 {
		t.Errorf("counts are %+v", c)
	}
	if n := len(readAll(t, cfg)); uint64(n) != c.Records {
		t.Errorf("%d answers are there; want %d", n, c.Records)
	}
}

// TestLostCommit: the connection breaks when the transaction is committed and nobody has heard of it. The answers are stored once.
func TestLostCommit(t *testing.T) {
	s := postgres.Get(t)
	direct := s.Database(t)
	p := newProxy(t, s.Socket())
	u, err := url.Parse(direct)
	if err != nil {
		t.Fatal(err)
	}
	u.RawQuery = url.Values{"host": {p.dir}}.Encode()
	l := open(t, Config{DSN: u.String(), Interval: time.Hour})
	for n := range 10 {
		l.Record(answerTo(n))
	}
	p.loseCommit()
	if _, err := l.Feedback(t.Context(), "pets", []monitor.Label{{RequestID: "r0", Name: "dog"}}); !errors.Is(err, monitor.ErrUnavailable) {
		t.Errorf("a label of which nobody knows: %v", err)
	}
	if !p.lost() {
		t.Fatal("no commit was lost: nothing was tested")
	}
	l.Record(answerTo(10))
	mustClose(t, l)
	if c := l.Counts(); c.Records != 11 || c.Errors != 1 || c.Queued != 0 {
		t.Errorf("counts are %+v", c)
	}
	all := readAll(t, Config{DSN: direct})
	if len(all) != 11 || all[0].TrueClass != 1 || all[10].RequestID != "r10" {
		t.Errorf("%d answers are there; want 11", len(all))
	}
}

// TestPostgresStart: what is wrong at the start is an error that says what to change, and never the password.
func TestPostgresStart(t *testing.T) {
	s := postgres.Get(t)
	f := func(dsn string, says ...string) {
		t.Helper()
		_, err := Open(Config{DSN: dsn})
		_, errReader := OpenReaderDSN(t.Context(), dsn)
		if err == nil || errReader == nil {
			t.Fatalf("got %v, %v", err, errReader)
		}
		for _, text := range says {
			if !strings.Contains(err.Error(), text) {
				t.Errorf("got %q; want %q in it", err, text)
			}
		}
		for _, e := range []error{err, errReader, VacuumDSN(t.Context(), dsn)} {
			if e == nil || strings.Contains(e.Error(), pgserver.Secret) {
				t.Errorf("got %v", e)
			}
		}
	}
	f("postgres://torchlit:"+pgserver.Secret+"@/log?host="+t.TempDir(), "postgres://torchlit@", "start the server", "--monitor-dsn")
	f("postgres://torchlit:"+pgserver.Secret+"@127.0.0.1:1/log", "postgres://torchlit@127.0.0.1:1/log", "start the server")
	f(strings.ReplaceAll(s.DSN("postgres"), pgserver.Secret, "another"), "password authentication failed")
	f("postgres://torchlit:"+pgserver.Secret+"@%%zz/log", "%XX")
	f("password="+pgserver.Secret+" port=abc", "cannot be read")
	f(s.DSN("nowhere"), `"nowhere" does not exist`)

	theirs := s.Database(t)
	execute(t, theirs, "CREATE SCHEMA torchlit; CREATE TABLE torchlit.recipes (id int)")
	f(theirs, "another program")
	later := s.Database(t)
	mustClose(t, open(t, Config{DSN: later}))
	execute(t, later, "UPDATE torchlit.migration SET version = 99")
	if _, err := Open(Config{DSN: later}); !errors.Is(err, errForeign) || !strings.Contains(err.Error(), "version 99") {
		t.Errorf("got %v", err)
	}
	if _, err := OpenReaderDSN(t.Context(), s.Database(t)); !errors.Is(err, errNoLog) {
		t.Errorf("of an empty database: %v", err)
	}
}

// TestSchemaOfAnother: a user who may make no schema is told so, and works in one that was made for him.
func TestSchemaOfAnother(t *testing.T) {
	owner := postgres.Get(t).Database(t)
	execute(t, owner, "CREATE ROLE guest LOGIN PASSWORD '"+pgserver.Secret+"'")
	guest := strings.Replace(owner, "torchlit:", "guest:", 1)
	if _, err := Open(Config{DSN: guest}); err == nil || !strings.Contains(err.Error(), "permission denied") || !strings.Contains(err.Error(), "right to make a schema") {
		t.Errorf("got %v", err)
	}
	execute(t, owner, "CREATE SCHEMA torchlit AUTHORIZATION guest")
	l := open(t, Config{DSN: guest})
	l.Record(answerTo(0))
	label(t, l, "r0", "dog")
	mustClose(t, l)
	if all := readAll(t, Config{DSN: guest}); len(all) != 1 {
		t.Errorf("%d answers", len(all))
	}
}

// TestPostgresSettings: what is promised of labels rests on the first, and that no server holds up the others on the rest.
func TestPostgresSettings(t *testing.T) {
	dsn := postgres.Get(t).Database(t)
	execute(t, dsn, "ALTER ROLE torchlit SET synchronous_commit = off")
	defer execute(t, dsn, "ALTER ROLE torchlit RESET synchronous_commit")
	d, err := openPostgres(&Config{DSN: dsn})
	if err != nil {
		t.Fatal(err)
	}
	defer d.close()
	for name, want := range map[string]string{"synchronous_commit": "on", "lock_timeout": "10s", "idle_in_transaction_session_timeout": "10s"} {
		var got string
		if err := d.conn.QueryRow(t.Context(), "SHOW "+name).Scan(&got); err != nil || got != want {
			t.Errorf("%s is %s, %v; want %s", name, got, err, want)
		}
	}
}

// TestMigrateAtOnce: many servers start at the same time on an empty database, and one makes the schema.
func TestMigrateAtOnce(t *testing.T) {
	dsn := postgres.Get(t).Database(t)
	var wg sync.WaitGroup
	for n := range 8 {
		wg.Go(func() {
			l, err := Open(Config{DSN: dsn})
			if err != nil {
				t.Error(err)
				return
			}
			l.Record(answerTo(n))
			if err := l.Close(context.Background()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if all := readAll(t, Config{DSN: dsn}); len(all) != 8 {
		t.Errorf("%d answers", len(all))
	}
}

// TestSchemaTakenAway: who drops the tables of a log in use gets a new log.
func TestSchemaTakenAway(t *testing.T) {
	cfg := Config{DSN: postgres.Get(t).Database(t), Interval: time.Millisecond}
	l := open(t, cfg)
	l.Record(answerTo(1))
	label(t, l, "r1", "cat")
	execute(t, cfg.DSN, "DROP SCHEMA torchlit CASCADE")
	l.Record(answerTo(2))
	eventually(t, "a new log", func() bool { return l.Counts().Records == 2 })
	label(t, l, "r2", "cat")
	mustClose(t, l)
	if all := readAll(t, cfg); len(all) != 1 || all[0].RequestID != "r2" {
		t.Errorf("%d answers", len(all))
	}
}

// TestWhatTextCannotHold: names with bytes that PostgreSQL's text has no place for are stored without them, and found as they came.
func TestWhatTextCannotHold(t *testing.T) {
	cfg := Config{DSN: postgres.Get(t).Database(t)}
	l := open(t, cfg)
	a := answerTo(0)
	a.RequestID, a.Model, a.Labels = "a\x00b\xff", "m\x00", []string{"x\x00", "y\xff", "z"}
	l.Record(a)
	v, err := l.Feedback(t.Context(), "m\x00", []monitor.Label{{RequestID: "a\x00b\xff", Name: "z"}})
	if err != nil || v[0].Err != nil {
		t.Fatal(err, v)
	}
	mustClose(t, l)
	if all := readAll(t, cfg); len(all) != 1 || all[0].Labels[0] != "x\x00" || all[0].Labels[all[0].TrueClass] != "z" {
		t.Errorf("got %+v", all)
	}
}

// TestRefused: what the server will never take is let go of and counted, and what comes after is stored.
func TestRefused(t *testing.T) {
	cfg := Config{DSN: postgres.Get(t).Database(t), Interval: time.Millisecond}
	var r reports
	cfg.Report = r.add
	l := open(t, cfg)
	a := answerTo(0)
	var long strings.Builder // more than an index takes, packed
	for n := range 5000 {
		fmt.Fprint(&long, n*n)
	}
	a.RequestID = long.String()
	l.Record(a)
	eventually(t, "the refusal", func() bool { return l.Counts().Dropped["refused"] == 1 })
	l.Record(answerTo(1))
	label(t, l, "r1", "cat")
	if c := l.Counts(); c.Records != 1 || c.Failing || !r.has("refused") {
		t.Errorf("counts are %+v; the operator was told %q", c, r.lines)
	}
}
