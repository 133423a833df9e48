package predlog

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/torchlit/torchlit/monitor"
)

// pgDatabase is a log in PostgreSQL.
//
// One transaction of all servers writes at a time: each takes an advisory lock first. That is what SQLite does by itself, and what the
// log's readers rest on: ids become visible in their order, so whoever has seen one has seen all below it. Without the lock a slow
// transaction's answers would come to light behind the back of a reader who has gone on. It also keeps labels and deletions from locking
// each other out. The lock is held for a few round trips, and the server takes it back from whoever leaves it idle.
//
// A COMMIT whose answer is lost has perhaps been done. So the transaction's id is kept, and before the answers are written once more
// the server is asked what became of it.
type pgDatabase struct {
	cfg    *Config
	conn   *pgx.Conn // nil while there is none
	models models
	png    pictures
	size   int64 // of its tables at the last look

	unsure struct {
		transaction int64 // its id; 0 for none
		answers     int
	}
}

const (
	pgConnectTimeout = 10 * time.Second
	pgWriteTimeout   = 30 * time.Second // for a transaction
	pgCloseTimeout   = 2 * time.Second
)

// pgSettings hold for each of the writer's connections. What is acknowledged is on the server's disk (synchronous_commit), whatever its own default is. The
// bounds are for what would hold up the other servers: an idle transaction is one whose client has gone.
var pgSettings = map[string]string{
	"application_name": "torchlit", "search_path": pgSchema, "synchronous_commit": "on",
	"lock_timeout": "10s", "statement_timeout": "30s", "idle_in_transaction_session_timeout": "10s",
}

// pgConfig reads a DSN. Its error does not repeat it.
func pgConfig(dsn string) (*pgx.ConnConfig, error) {
	c, err := pgx.ParseConfig(dsn)
	if err != nil {
		return nil, errors.New("its DSN cannot be read; write postgres://user:password@host:port/database, with what URLs reserve as %XX")
	}
	if c.ConnectTimeout == 0 {
		c.ConnectTimeout = pgConnectTimeout
	}
	return c, nil
}

// placeOf is a DSN without what is secret.
func placeOf(dsn string) string {
	c, err := pgConfig(dsn)
	if err != nil {
		return "postgres://"
	}
	u := url.URL{Scheme: "postgres", User: url.User(c.User), Host: net.JoinHostPort(c.Host, strconv.Itoa(int(c.Port))), Path: "/" + c.Database}
	if strings.HasPrefix(c.Host, "/") { // the folder of a Unix socket
		u.Host = ""
		u.RawQuery = url.Values{"host": {c.Host}, "port": {strconv.Itoa(int(c.Port))}}.Encode()
	}
	return u.String()
}

// openPostgres opens the log at cfg.DSN.
func openPostgres(cfg *Config) (*pgDatabase, error) {
	d := &pgDatabase{cfg: cfg, models: newModels()}
	if _, err := d.ready(nil); err != nil {
		_ = d.close()
		if errors.Is(err, errForeign) {
			return nil, err
		}
		return nil, fmt.Errorf("%w; %s", err, d.advice())
	}
	return d, nil
}

func (d *pgDatabase) place() string { return placeOf(d.cfg.DSN) }
func (d *pgDatabase) advice() string {
	return "start the server, let this user in, give it the right to make a schema, or name another with --monitor-dsn"
}

// ready implements database.
func (d *pgDatabase) ready(error) (stored int, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), pgWriteTimeout)
	defer cancel()
	if d.conn != nil && d.conn.IsClosed() {
		d.drop()
	}
	if d.conn == nil {
		if err := d.connect(ctx); err != nil {
			return 0, err
		}
	}
	return d.settle(ctx)
}

func (d *pgDatabase) connect(ctx context.Context) error {
	c, err := pgConfig(d.cfg.DSN)
	if err != nil {
		return err
	}
	for name, value := range pgSettings {
		c.RuntimeParams[name] = value
	}
	if d.conn, err = pgx.ConnectConfig(ctx, c); err != nil {
		d.conn = nil
		return err
	}
	if err = pgMigrate(ctx, d.conn); err == nil {
		err = d.prepare(ctx)
	}
	if err == nil {
		d.size, err = pgSize(ctx, d.conn)
	}
	if err != nil {
		d.drop()
	}
	return err
}

// settle asks what became of a transaction whose end nobody heard of.
func (d *pgDatabase) settle(ctx context.Context) (stored int, err error) {
	if d.unsure.transaction == 0 {
		return 0, nil
	}
	var status *string
	err = d.conn.QueryRow(ctx, "SELECT txid_status($1)", d.unsure.transaction).Scan(&status)
	if e, ok := errors.AsType[*pgconn.PgError](err); ok && e.Code == "22023" { // it is another server, which has not come so far yet
		err = nil
	}
	if err != nil {
		d.drop()
		return 0, err
	}
	switch {
	case status == nil || *status == "aborted": // none is also for one so old that the server has forgotten it
	case *status == "committed":
		stored = d.unsure.answers
	default:
		return 0, errors.New("the server is still at an earlier transaction")
	}
	d.unsure.transaction = 0
	return stored, nil
}

// drop closes the connection. The server may be gone, so it is not waited for.
func (d *pgDatabase) drop() {
	if d.conn == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), pgCloseTimeout)
	defer cancel()
	_ = d.conn.Close(ctx)
	d.conn = nil
	d.models.forget()
}

// transact makes do's writes one transaction, the only one of its kind at the time. answers is how many it stores.
func (d *pgDatabase) transact(answers int, do func(ctx context.Context, t *pgTransaction) error) error {
	ctx, cancel := context.WithTimeout(context.Background(), pgWriteTimeout)
	defer cancel()
	id, err := d.begin(ctx)
	if err != nil && d.conn.IsClosed() { // it was lost while nothing happened, as by a restart
		d.drop()
		if err = d.connect(ctx); err == nil {
			id, err = d.begin(ctx)
		}
	}
	if err != nil {
		d.drop()
		return err
	}
	if err := do(ctx, &pgTransaction{d.conn, d}); err != nil {
		d.models.forget()
		if d.kindOf(err) != refused {
			d.drop()
		} else if _, err := d.conn.Exec(ctx, "rollback"); err != nil {
			d.drop()
		}
		return err
	}
	tag, err := d.conn.Exec(ctx, "commit")
	if err != nil {
		if _, answered := errors.AsType[*pgconn.PgError](err); !answered {
			d.unsure.transaction, d.unsure.answers = id, answers
		}
		d.drop()
		return err
	}
	if tag.String() != "COMMIT" { // the server's word for what has failed before
		d.drop()
		return pgx.ErrTxCommitRollback
	}
	return nil
}

// begin begins a transaction that has the lock, in one round trip, and returns its id.
func (d *pgDatabase) begin(ctx context.Context) (id int64, err error) {
	results, err := d.conn.PgConn().Exec(ctx, "begin; SELECT txid_current() FROM pg_advisory_xact_lock("+strconv.FormatInt(pgLockWrite, 10)+")").ReadAll()
	if err != nil {
		return 0, err
	}
	if len(results) != 2 || len(results[1].Rows) != 1 {
		return 0, errors.New("the server did not say which transaction it has begun")
	}
	return strconv.ParseInt(string(results[1].Rows[0][0]), 10, 64)
}

// write implements database.
func (d *pgDatabase) write(answers []monitor.Answer, vectors func(string) bool, calls []call) error {
	rows, err := d.rows(answers, vectors)
	if err != nil {
		return err
	}
	return d.transact(len(answers), func(ctx context.Context, t *pgTransaction) error {
		if err := t.add(ctx, rows); err != nil {
			return err
		}
		return doCalls(ctx, t, calls)
	})
}

// kindOf implements database. Refused is what the server will say each time of the same rows. A model that somebody has deleted is not: it is
// made again.
func (d *pgDatabase) kindOf(err error) kind {
	e, ok := errors.AsType[*pgconn.PgError](err)
	if _, connecting := errors.AsType[*pgconn.ConnectError](err); !ok || connecting || len(e.Code) != 5 || e.Code == "23503" { // foreign_key_violation
		return passing
	}
	switch e.Code[:2] {
	case "22", "23", "54": // data exceptions, constraints, limits: https://www.postgresql.org/docs/current/errcodes-appendix.html
		return refused
	}
	return passing
}

// replace implements database. Damage is the affair of whoever runs the server.
func (d *pgDatabase) replace(why error) error { return why }

// forgotten implements database. The server uses the room of deleted rows again when it has vacuumed.
func (d *pgDatabase) forgotten() {}

func (d *pgDatabase) bytes() int64 { return d.size }

// crowded implements database: the size is asked for at each look at ages.
func (d *pgDatabase) crowded(int64) bool { return false }

func (d *pgDatabase) close() error {
	d.drop()
	return nil
}
