package soak

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

// patience is how long the load waits for anything.
const patience = 60 * time.Second

// wire is an HTTP/1.1 connection that is written to byte by byte: the load sends what no HTTP library would, and costs little.
type wire struct {
	s    *server
	conn net.Conn
	in   *bufio.Reader
	body bytes.Buffer
}

// reply is valid until the wire's next one.
type reply struct {
	status int
	header http.Header
	body   []byte
}

// open connects, unless it is connected.
func (w *wire) open() error {
	if w.conn != nil {
		return nil
	}
	conn, err := w.s.dial()
	if err != nil {
		return err
	}
	w.conn = conn
	if w.in == nil {
		w.in = bufio.NewReaderSize(nil, 16<<10)
	}
	w.in.Reset(conn)
	return nil
}

func (w *wire) close() {
	if w.conn != nil {
		w.conn.Close()
		w.conn = nil
	}
}

// send writes a request. On an error the connection is closed.
func (w *wire) send(data []byte) error {
	if err := w.open(); err != nil {
		return err
	}
	w.conn.SetDeadline(time.Now().Add(patience))
	if _, err := w.conn.Write(data); err != nil {
		w.close()
		return err
	}
	return nil
}

// receive reads a reply, to a request of that method. It closes the connection when the server says that it will.
func (w *wire) receive(method string) (reply, error) {
	resp, err := http.ReadResponse(w.in, &http.Request{Method: method})
	if err != nil {
		w.close()
		return reply{}, fmt.Errorf("no reply: %w", err)
	}
	w.body.Reset()
	if _, err := w.body.ReadFrom(resp.Body); err != nil {
		w.close()
		return reply{}, fmt.Errorf("a reply of status %d was cut off: %w", resp.StatusCode, err)
	}
	if resp.Close {
		w.close()
	}
	return reply{resp.StatusCode, resp.Header, w.body.Bytes()}, nil
}

// ask sends a request and reads the reply.
func (w *wire) ask(method string, data []byte) (reply, error) {
	if err := w.send(data); err != nil {
		return reply{}, err
	}
	return w.receive(method)
}

// slowly writes data in so many pieces, with a pause after each.
func (w *wire) slowly(data []byte, pieces int, pause time.Duration) error {
	for i := range pieces {
		if err := w.send(data[i*len(data)/pieces : (i+1)*len(data)/pieces]); err != nil {
			return err
		}
		time.Sleep(pause)
	}
	return nil
}

// trickle reads from a connection a few bytes at a time.
type trickle struct {
	io.Reader
	pause time.Duration
}

func (r trickle) Read(p []byte) (int, error) {
	time.Sleep(r.pause)
	return r.Reader.Read(p[:min(len(p), 512)])
}

// post makes a request with a body; headers are whole lines.
func post(path, contentType string, body []byte, headers ...string) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "POST %s HTTP/1.1\r\nHost: soak\r\nContent-Type: %s\r\nContent-Length: %d\r\n", path, contentType, len(body))
	for _, h := range headers {
		fmt.Fprintf(&b, "%s\r\n", h)
	}
	b.WriteString("\r\n")
	b.Write(body)
	return b.Bytes()
}

// bare makes a request without a body.
func bare(method, path string, headers ...string) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nHost: soak\r\n", method, path)
	for _, h := range headers {
		fmt.Fprintf(&b, "%s\r\n", h)
	}
	b.WriteString("\r\n")
	return b.Bytes()
}
