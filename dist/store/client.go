package store

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"
)

// Client is a connection to a store. Its methods may be called by any goroutine; they
// run one at a time, and a long Wait makes the others wait.
type Client struct {
	addr string
	mu   sync.Mutex
	host string   // this machine's address
	conn net.Conn // nil after an error: the next request dials again
	wire *wire
}

// Dial connects to the store at host:port. It tries again until ctx ends, as the
// process that hosts the store may start later.
func Dial(ctx context.Context, addr string) (*Client, error) {
	c := &Client{addr: addr}
	for pause := 20 * time.Millisecond; ; pause = min(2*pause, time.Second) {
		err := c.connect(ctx)
		if err == nil {
			return c, nil
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("cannot reach the store of the ranks at %s (MASTER_ADDR:MASTER_PORT): %w; start rank 0, and see that its port can be reached from here", addr, err)
		case <-time.After(pause):
		}
	}
}

// connect dials and introduces itself. The reply to the ping proves that the other
// side is a store.
func (c *Client) connect(ctx context.Context) error {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", c.addr)
	if err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { conn.SetDeadline(time.Now()) })
	defer stop()
	conn.SetDeadline(time.Now().Add(10 * time.Second))
	w := newWire(conn)
	w.writeByte(queryValidate)
	w.writeUint32(magic)
	const nonce = 0x746c6974
	w.writeByte(queryPing)
	w.writeUint32(nonce)
	w.flush()
	if got := w.readUint32(); w.err == nil && got != nonce {
		w.fail(errors.New("what answers there is no store"))
	}
	if w.err != nil {
		conn.Close()
		return w.err
	}
	conn.SetDeadline(time.Time{})
	c.conn, c.wire = conn, w
	c.host = conn.LocalAddr().(*net.TCPAddr).IP.String()
	return nil
}

// LocalHost is the address of this machine as the store sees it.
func (c *Client) LocalHost() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.host
}

// Close ends the connection.
func (c *Client) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.conn == nil {
		return nil
	}
	err := c.conn.Close()
	c.conn = nil
	return err
}

// do runs a request. When ctx ends meanwhile, the connection is given up: the reply
// may still come, and would be taken for that to another request.
func (c *Client) do(ctx context.Context, what string, request func(w *wire)) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.conn == nil {
		if err := c.connect(ctx); err != nil {
			return fmt.Errorf("cannot %s: the store at %s: %w", what, c.addr, err)
		}
	}
	conn := c.conn
	stop := context.AfterFunc(ctx, func() { conn.SetDeadline(time.Now()) })
	request(c.wire)
	if !stop() {
		conn.SetDeadline(time.Time{})
	}
	if err := c.wire.err; err != nil {
		conn.Close()
		c.conn = nil
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		return fmt.Errorf("cannot %s: the store at %s: %w", what, c.addr, err)
	}
	return nil
}

// Set stores a value.
func (c *Client) Set(ctx context.Context, key string, value []byte) error {
	return c.do(ctx, "set "+quote(key), func(w *wire) {
		w.writeByte(querySet)
		w.writeBytes([]byte(keyPrefix + key))
		w.writeBytes(value)
		w.flush()
	})
}

// Get waits until the key is there, or ctx ends, and returns its value.
func (c *Client) Get(ctx context.Context, key string) ([]byte, error) {
	if err := c.Wait(ctx, key); err != nil {
		return nil, err
	}
	var value []byte
	err := c.do(ctx, "get "+quote(key), func(w *wire) {
		w.writeByte(queryGet)
		w.writeBytes([]byte(keyPrefix + key))
		w.flush()
		value = w.readBytes()
	})
	return value, err
}

// SetOnce stores a value unless the key has one, and returns the one that it has.
func (c *Client) SetOnce(ctx context.Context, key string, value []byte) ([]byte, error) {
	var now []byte
	err := c.do(ctx, "set "+quote(key), func(w *wire) {
		w.writeByte(queryCompareSet)
		w.writeBytes([]byte(keyPrefix + key))
		w.writeBytes(nil)
		w.writeBytes(value)
		w.flush()
		now = w.readBytes()
	})
	return now, err
}

// Add adds n to a number, which begins with 0, and returns the sum.
func (c *Client) Add(ctx context.Context, key string, n int64) (int64, error) {
	var sum int64
	err := c.do(ctx, "add to "+quote(key), func(w *wire) {
		w.writeByte(queryAdd)
		w.writeBytes([]byte(keyPrefix + key))
		w.writeUint64(uint64(n))
		w.flush()
		sum = int64(w.readUint64())
	})
	return sum, err
}

// Has tells whether all the keys are there.
func (c *Client) Has(ctx context.Context, keys ...string) (bool, error) {
	there := false
	err := c.do(ctx, "check "+quote(keys...), func(w *wire) {
		w.writeByte(queryCheck)
		w.writeKeys(prefixed(keys))
		w.flush()
		there = w.readByte() == replyReady
	})
	return there, err
}

// Wait waits until all the keys are there, or ctx ends.
func (c *Client) Wait(ctx context.Context, keys ...string) error {
	return c.do(ctx, "wait for "+quote(keys...), func(w *wire) {
		w.writeByte(queryWait)
		w.writeKeys(prefixed(keys))
		w.flush()
		if w.readByte() != replyDone && w.err == nil {
			w.fail(errors.New("the wait was canceled"))
		}
	})
}

func prefixed(keys []string) []string {
	list := make([]string, len(keys))
	for i, k := range keys {
		list[i] = keyPrefix + k
	}
	return list
}

func quote(keys ...string) string { return `"` + strings.Join(keys, `", "`) + `"` }
