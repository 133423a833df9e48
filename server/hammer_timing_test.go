package server

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// hammer sends one request over and over, from several connections that are kept alive. It runs on the cores of the server that
// it measures, so it does as little as can be: the request's bytes are made once, and of a reply's head only the length is read.
type hammer struct {
	addr    string
	request []byte
}

func newHammer(addr, path, header string, body []byte) *hammer {
	head := fmt.Sprintf("POST %s HTTP/1.1\r\nHost: %s\r\nContent-Length: %d\r\n", path, addr, len(body))
	if header != "" {
		head += header + ": 0\r\n"
	}
	return &hammer{addr, append([]byte(head+"\r\n"), body...)}
}

var (
	okLine       = []byte("HTTP/1.1 200 ")
	endOfHead    = []byte("\r\n\r\n")
	lengthHeader = []byte("\r\nContent-Length: ")
)

// hammerConn is a connection of a hammer.
type hammerConn struct {
	net.Conn
	in *bufio.Reader
}

func (h *hammer) dial(b *testing.B) *hammerConn {
	nc, err := net.Dial("tcp", h.addr)
	if err != nil {
		b.Fatal(err)
	}
	return &hammerConn{nc, bufio.NewReader(nc)}
}

// post sends a request. head and body are good until the next.
func (c *hammerConn) post(request []byte) (head, body []byte, err error) {
	if _, err := c.Write(request); err != nil {
		return nil, nil, err
	}
	if _, err := c.in.Peek(1); err != nil {
		return nil, nil, err
	}
	reply, _ := c.in.Peek(c.in.Buffered())
	for !bytes.Contains(reply, endOfHead) {
		if reply, err = c.in.Peek(len(reply) + 1); err != nil {
			return nil, nil, err
		}
	}
	head = reply[:bytes.Index(reply, endOfHead)+len(endOfHead)]
	at := bytes.Index(head, lengthHeader)
	if at < 0 {
		return nil, nil, errors.New("a reply without a length")
	}
	digits := head[at+len(lengthHeader):]
	n, err := strconv.Atoi(string(digits[:bytes.IndexByte(digits, '\r')]))
	if err != nil {
		return nil, nil, err
	}
	h := len(head)
	if reply, err = c.in.Peek(h + n); err != nil {
		return nil, nil, err
	}
	_, err = c.in.Discard(h + n)
	return reply[:h], reply[h:], err
}

// rate returns the requests/s of 16 clients.
func (h *hammer) rate(b *testing.B, d time.Duration) float64 {
	const clients = 16
	var done atomic.Bool
	var n atomic.Int64
	var wg sync.WaitGroup
	start := time.Now()
	for range clients {
		c := h.dial(b)
		wg.Go(func() {
			defer c.Close()
			mine := int64(0)
			for ; !done.Load(); mine++ {
				if head, body, err := c.post(h.request); err != nil || !bytes.HasPrefix(head, okLine) {
					b.Errorf("%s%s %v", head, body, err)
					return
				}
			}
			n.Add(mine)
		})
	}
	time.Sleep(d)
	done.Store(true)
	wg.Wait()
	return float64(n.Load()) / time.Since(start).Seconds()
}
