package pgserver

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// TestServer: a server keeps what is committed over a crash, and one that hangs answers again afterwards.
func TestServer(t *testing.T) {
	s := New(t)
	dsn := s.Database(t)
	ask := func(wait time.Duration, query string) (n int, err error) {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), wait)
		defer cancel()
		c, err := pgx.Connect(ctx, dsn)
		if err != nil {
			return 0, err
		}
		defer c.Close(ctx)
		err = c.QueryRow(ctx, query).Scan(&n)
		return n, err
	}
	if _, err := ask(time.Minute, "CREATE TABLE t AS SELECT 7 AS n"); err != nil && !errors.Is(err, pgx.ErrNoRows) {
		t.Fatal(err)
	}
	s.Stop()
	if _, err := ask(time.Minute, "SELECT n FROM t"); err == nil {
		t.Error("a server that was stopped answers")
	}
	s.Start(t)
	if n, err := ask(time.Minute, "SELECT n FROM t"); n != 7 || err != nil {
		t.Errorf("after a crash: %d, %v", n, err)
	}
	s.Pause(t)
	if _, err := ask(50*time.Millisecond, "SELECT n FROM t"); err == nil {
		t.Error("a server that hangs answers")
	}
	s.Resume()
	if n, err := ask(time.Minute, "SELECT n FROM t"); n != 7 || err != nil {
		t.Errorf("after a hang: %d, %v", n, err)
	}
}
