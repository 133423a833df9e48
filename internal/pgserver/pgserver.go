// Package pgserver gives tests a PostgreSQL server of their own, on a Unix socket in a temporary folder.
package pgserver

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/torchlit/torchlit/internal/process"
)

// Secret is the password of the server's only user: no output may have it.
const Secret = "s3cret-of-the-log"

const role = "torchlit"

// Server is a server that runs. It belongs to one goroutine.
type Server struct {
	bin, dir  string // of its programs; of its data and its socket
	owner     *syscall.Credential
	cmd       *exec.Cmd
	ended     chan struct{}
	databases atomic.Int32
	stopped   []int // processes that Pause has stopped
}

// Need returns where PostgreSQL's programs are. Where they are not the test is skipped, or fails if none may be.
func Need(t testing.TB) string {
	t.Helper()
	if bin := find(); bin != "" {
		return bin
	}
	const reason = "PostgreSQL's server is not installed (Debian and Ubuntu: apt-get install --no-install-recommends postgresql)"
	if os.Getenv("TORCHLIT_REQUIRE_ALL") != "" {
		t.Fatal(reason)
	}
	t.Skip(reason)
	return ""
}

func find() string {
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/initdb") // Debian has them in no PATH
	slices.Sort(found)
	if len(found) > 0 {
		return filepath.Dir(found[len(found)-1])
	}
	if initdb, err := exec.LookPath("initdb"); err == nil {
		return filepath.Dir(initdb)
	}
	return ""
}

// New starts a server that ends with the test.
func New(t testing.TB) *Server {
	t.Helper()
	s, err := open(Need(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.close)
	return s
}

// Shared is a server for the tests of a package, started by the first that asks. TestMain calls Stop when they have run.
type Shared struct {
	once   sync.Once
	server *Server
	err    error
}

// Get is the server. Nobody may stop it or make it hang.
func (s *Shared) Get(t testing.TB) *Server {
	t.Helper()
	bin := Need(t)
	s.once.Do(func() { s.server, s.err = open(bin) })
	if s.err != nil {
		t.Fatal(s.err)
	}
	return s.server
}

// Stop ends the server, if there is one.
func (s *Shared) Stop() {
	if s.server != nil {
		s.server.close()
	}
}

func open(bin string) (*Server, error) {
	dir, err := os.MkdirTemp("", "pg") // a test's own folder may be too long for the name of a socket
	if err != nil {
		return nil, err
	}
	s := &Server{bin: bin, dir: dir}
	if err = s.disown(); err == nil {
		err = s.initialize()
	}
	if err == nil {
		err = s.start()
	}
	if err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

func (s *Server) close() {
	s.Stop()
	_ = os.RemoveAll(s.dir)
}

// disown gives the folder to another user where this one is root, as whom PostgreSQL will not run.
func (s *Server) disown() error {
	if os.Getuid() != 0 {
		return nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		if u, err = user.Lookup("nobody"); err != nil {
			return err
		}
	}
	uid, err := strconv.Atoi(u.Uid)
	if err != nil {
		return err
	}
	gid, err := strconv.Atoi(u.Gid)
	if err != nil {
		return err
	}
	s.owner = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	return os.Chown(s.dir, uid, gid)
}

func (s *Server) command(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(s.bin, name), args...)
	cmd.Dir = s.dir
	cmd.SysProcAttr = process.OwnGroup()
	cmd.SysProcAttr.Credential = s.owner
	return cmd
}

func (s *Server) data() string { return filepath.Join(s.dir, "data") }

func (s *Server) initialize() error {
	password := filepath.Join(s.dir, "password")
	if err := os.WriteFile(password, []byte(Secret), 0o644); err != nil {
		return err
	}
	cmd := s.command("initdb", "-D", s.data(), "-U", role, "-A", "scram-sha-256", "--pwfile", password, "-E", "UTF8", "--locale", "C", "--no-sync")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("cannot make a PostgreSQL server in %q: %w\n%s", s.dir, err, out)
	}
	return nil
}

// Start starts a server that was stopped, and waits until it answers.
func (s *Server) Start(t testing.TB) {
	t.Helper()
	if err := s.start(); err != nil {
		t.Fatal(err)
	}
}

func (s *Server) start() error {
	log, err := os.OpenFile(filepath.Join(s.dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	cmd := s.command("postgres", "-D", s.data(), "-k", s.dir, "-c", "listen_addresses=", "-c", "shared_buffers=16MB", "-c", "max_connections=50")
	cmd.Stdout, cmd.Stderr = log, log
	started, ended := make(chan error), make(chan struct{})
	go func() {
		runtime.LockOSThread() // see process.OwnGroup
		defer close(ended)
		defer log.Close()
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait()
		}
	}()
	if err := <-started; err != nil {
		return err
	}
	s.cmd, s.ended = cmd, ended
	if err := s.answers(); err != nil {
		said, _ := os.ReadFile(log.Name())
		return fmt.Errorf("the PostgreSQL server does not answer: %w\n%s", err, said)
	}
	return nil
}

// answers waits until the server does.
func (s *Server) answers() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		c, err := pgx.Connect(ctx, s.DSN("postgres"))
		if err == nil {
			return c.Close(ctx)
		}
		select {
		case <-tick.C:
		case <-s.ended:
			return err
		case <-ctx.Done():
			return err
		}
	}
}

// Stop ends the server at once, as a crash would: what is committed is all that it has when it is started again.
func (s *Server) Stop() {
	if s.cmd == nil {
		return
	}
	s.Resume()
	_ = s.cmd.Process.Signal(syscall.SIGQUIT) // immediate shutdown
	<-s.ended
	s.cmd = nil
}

// Pause makes the server hang: its connections stay, and nothing answers.
func (s *Server) Pause(t testing.TB) {
	t.Helper()
	s.stopped = append(s.children(t), s.cmd.Process.Pid)
	for _, pid := range s.stopped {
		if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil && err != syscall.ESRCH {
			t.Fatal(err)
		}
	}
}

// Resume ends Pause.
func (s *Server) Resume() {
	for _, pid := range s.stopped {
		_ = syscall.Kill(pid, syscall.SIGCONT)
	}
	s.stopped = nil
}

// children are the server's processes, one for each connection among them.
func (s *Server) children(t testing.TB) (pids []int) {
	t.Helper()
	c, err := pgx.Connect(context.Background(), s.DSN("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(context.Background())
	rows, err := c.Query(context.Background(), "SELECT pid FROM pg_stat_activity WHERE pid <> pg_backend_pid()")
	if err != nil {
		t.Fatal(err)
	}
	if pids, err = pgx.CollectRows(rows, pgx.RowTo[int]); err != nil {
		t.Fatal(err)
	}
	return pids
}

// DSN is the address of a database, with the password.
func (s *Server) DSN(database string) string {
	u := url.URL{Scheme: "postgres", User: url.UserPassword(role, Secret), Path: "/" + database, RawQuery: url.Values{"host": {s.dir}}.Encode()}
	return u.String()
}

// Socket is the server's Unix socket.
func (s *Server) Socket() string { return filepath.Join(s.dir, ".s.PGSQL.5432") }

// Database makes an empty database and returns its address.
func (s *Server) Database(t testing.TB) string {
	t.Helper()
	name := "log" + strconv.Itoa(int(s.databases.Add(1)))
	c, err := pgx.Connect(context.Background(), s.DSN("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(context.Background())
	if _, err := c.Exec(context.Background(), "CREATE DATABASE "+name); err != nil {
		t.Fatal(err)
	}
	return s.DSN(name)
}
