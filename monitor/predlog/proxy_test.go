package predlog

import (
	"bytes"
	"net"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
)

// proxy is a Unix socket before that of a server. It can lose the answer to a COMMIT.
type proxy struct {
	dir    string
	server string
	ln     net.Listener
	losing atomic.Bool
	gone   atomic.Bool
	wg     sync.WaitGroup
}

func newProxy(t *testing.T, server string) *proxy {
	t.Helper()
	dir, err := os.MkdirTemp("", "pg")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{dir: dir, server: server}
	if p.ln, err = net.Listen("unix", filepath.Join(dir, filepath.Base(server))); err != nil {
		t.Fatal(err)
	}
	p.wg.Go(p.accept)
	t.Cleanup(func() {
		_ = p.ln.Close()
		p.wg.Wait()
		_ = os.RemoveAll(dir)
	})
	return p
}

// loseCommit breaks the next connection that commits, when the server has answered.
func (p *proxy) loseCommit() { p.losing.Store(true) }
func (p *proxy) lost() bool  { return p.gone.Load() }

func (p *proxy) accept() {
	for {
		client, err := p.ln.Accept()
		if err != nil {
			return
		}
		p.wg.Go(func() { p.pass(client) })
	}
}

func (p *proxy) pass(client net.Conn) {
	server, err := net.Dial("unix", p.server)
	if err != nil {
		_ = client.Close()
		return
	}
	var swallow atomic.Bool
	p.wg.Go(func() { // what the client says
		defer server.Close()
		buf := make([]byte, 1<<16)
		for {
			n, err := client.Read(buf)
			if bytes.Contains(bytes.ToLower(buf[:n]), []byte("commit\x00")) && p.losing.Swap(false) {
				swallow.Store(true)
			}
			if _, werr := server.Write(buf[:n]); err != nil || werr != nil {
				return
			}
		}
	})
	defer client.Close()
	buf := make([]byte, 1<<16)
	for {
		n, err := server.Read(buf)
		if swallow.Load() { // the server has done it
			p.gone.Store(true)
			return
		}
		if _, werr := client.Write(buf[:n]); err != nil || werr != nil {
			return
		}
	}
}
