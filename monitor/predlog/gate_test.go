package predlog

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"sync"

	"modernc.org/sqlite"
)

// gate is SQLite on a disk that hangs while the gate is shut: every statement waits.
type gate struct {
	mu      sync.Mutex
	pass    chan struct{} // closed while the gate is open
	waiting int
}

func newGate() *gate {
	g := &gate{}
	g.pass = make(chan struct{})
	close(g.pass)
	return g
}

func (g *gate) shut() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.pass = make(chan struct{})
}

func (g *gate) open_() {
	g.mu.Lock()
	defer g.mu.Unlock()
	close(g.pass)
}

func (g *gate) waits() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.waiting > 0
}

func (g *gate) wait() {
	g.mu.Lock()
	pass := g.pass
	g.waiting++
	g.mu.Unlock()
	<-pass
	g.mu.Lock()
	g.waiting--
	g.mu.Unlock()
}

// open is for Config.open.
func (g *gate) open(dsn string) (*sql.DB, error) { return sql.OpenDB(&gated{g, dsn}), nil }

type gated struct {
	gate *gate
	dsn  string
}

func (c *gated) Driver() driver.Driver { return &sqlite.Driver{} }

func (c *gated) Connect(context.Context) (driver.Conn, error) {
	conn, err := (&sqlite.Driver{}).Open(c.dsn)
	if err != nil {
		return nil, err
	}
	return &gatedConn{conn, c.gate}, nil
}

type gatedConn struct {
	driver.Conn
	gate *gate
}

func (c *gatedConn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	c.gate.wait()
	return c.Conn.(driver.ExecerContext).ExecContext(ctx, query, args)
}

func (c *gatedConn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	return c.Conn.(driver.QueryerContext).QueryContext(ctx, query, args)
}

func (c *gatedConn) PrepareContext(ctx context.Context, query string) (driver.Stmt, error) {
	return c.Conn.(driver.ConnPrepareContext).PrepareContext(ctx, query)
}
