package predlog

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
)

// OpenReaderDSN opens the log in PostgreSQL at dsn for reading; see Config.DSN.
func OpenReaderDSN(ctx context.Context, dsn string) (*Reader, error) {
	r, err := openPostgresReader(ctx, dsn)
	if err != nil {
		return nil, fmt.Errorf("cannot read the prediction log in %q: %w; name the database of --monitor-dsn", placeOf(dsn), err)
	}
	return r, nil
}

func openPostgresReader(ctx context.Context, dsn string) (*Reader, error) {
	c, err := pgConfig(dsn)
	if err != nil {
		return nil, err
	}
	c.RuntimeParams["application_name"] = "torchlit"
	c.RuntimeParams["search_path"] = pgSchema
	c.RuntimeParams["default_transaction_read_only"] = "on"
	conn, err := pgx.ConnectConfig(ctx, c)
	if err != nil {
		return nil, err
	}
	version, err := pgVersion(ctx, conn)
	_ = conn.Close(ctx)
	switch {
	case err != nil:
		return nil, err
	case version < 0:
		return nil, errNoLog
	case version != len(pgMigrations):
		return nil, fmt.Errorf("%w; serve with --monitor brings an older one up to date", errForeign)
	}
	db := stdlib.OpenDB(*c)
	db.SetMaxOpenConns(pgReaders)
	db.SetConnMaxIdleTime(time.Minute)
	return &Reader{place: placeOf(dsn), db: db, pg: true}, nil
}

// pgReaders is how many of a reader's calls are under way at once; more wait.
const pgReaders = 4

var errNoLog = errors.New("there is none; serve with --monitor makes one")

func pgReadSize(ctx context.Context, db *sql.DB) (bytes int64, err error) {
	err = db.QueryRowContext(ctx, pgSizeQuery, pgSchema).Scan(&bytes)
	return bytes, err
}

// pgTables are those that hold much.
var pgTables = []string{"models", "predictions", "vectors", "pictures", "feedback", "windows"}

// pgCheck reads every row: the server says so when it cannot. That no row lacks the answer that it is of is the server's promise.
func pgCheck(ctx context.Context, db *sql.DB) error {
	for _, table := range pgTables {
		var n int64
		if err := db.QueryRowContext(ctx, "SELECT count(md5(t::text)) FROM "+table+" t").Scan(&n); err != nil {
			return fmt.Errorf("cannot read the table %q: %w", table, err)
		}
	}
	return nil
}

// VacuumDSN is Vacuum for the log in PostgreSQL at dsn. Readers wait for it as well.
func VacuumDSN(ctx context.Context, dsn string) error {
	if err := pgVacuum(ctx, dsn); err != nil {
		return fmt.Errorf("cannot vacuum the prediction log in %q: %w", placeOf(dsn), err)
	}
	return nil
}

func pgVacuum(ctx context.Context, dsn string) error {
	c, err := pgConfig(dsn)
	if err != nil {
		return err
	}
	conn, err := pgx.ConnectConfig(ctx, c)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	switch version, err := pgVersion(ctx, conn); {
	case err != nil:
		return err
	case version < 0:
		return errNoLog
	}
	for _, table := range pgTables {
		if _, err := conn.Exec(ctx, "VACUUM (FULL, ANALYZE) "+pgSchema+"."+table); err != nil {
			return err
		}
	}
	return nil
}
