package soak

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

// odd are the kinds whose clients behave as few do: they leave, are slow, or send more than one request at once.
func (m *maker) odd() []kind {
	draw := func(c *client) (*picture, target) {
		return c.load.pictures[c.rnd.IntN(len(c.load.pictures))], targets[c.rnd.IntN(len(targets))]
	}
	return []kind{
		{name: "leaves", weight: 20, do: func(c *client) (int, error) { return leaves(c, draw) }},
		{name: "pipelined", weight: 10, do: func(c *client) (int, error) { return pipelined(c, draw) }},
		{name: "half-closed", weight: 10, do: func(c *client) (int, error) { return halfClosed(c, draw) }},
		{name: "asks before it sends", weight: 10, do: func(c *client) (int, error) { return expects(c, draw) }},
		{name: "chunked", weight: 10, do: func(c *client) (int, error) { return chunked(c, draw) }},
		{name: "connection of its own", weight: 20, do: func(c *client) (int, error) { return closes(c, draw) }},
		{name: "sends slowly", weight: 4, apart: true, do: func(c *client) (int, error) { return sendsSlowly(c, draw) }},
		{name: "reads slowly", weight: 4, apart: true, do: readsSlowly},
		{name: "sends half and leaves", weight: 4, apart: true, do: func(c *client) (int, error) { return sendsHalf(c, draw) }},
	}
}

type drawing func(*client) (*picture, target)

// leaves sends a request and closes the connection before, while or after it is answered.
func leaves(c *client, draw drawing) (int, error) {
	p, to := draw(c)
	w := wire{s: c.s}
	defer w.close()
	if err := w.send(post(to.path, p.kind, p.data)); err != nil {
		return 0, err
	}
	time.Sleep(c.moment())
	if c.rnd.IntN(2) == 0 {
		w.conn.(*net.TCPConn).SetLinger(0) // a reset instead of an end
	}
	return 0, nil
}

// pipelined sends three requests at once, whose replies come in their order.
func pipelined(c *client, draw drawing) (int, error) {
	var data []byte
	var pictures []*picture
	var tos []target
	for i := range 3 {
		p, to := draw(c)
		pictures, tos = append(pictures, p), append(tos, to)
		data = append(data, post(to.path, p.kind, p.data, fmt.Sprintf("X-Request-Id: pipelined-%d", i))...)
	}
	if err := c.send(data); err != nil {
		return 0, err
	}
	for i, p := range pictures {
		r, err := c.receive(http.MethodPost)
		if err != nil {
			return 0, fmt.Errorf("reply %d: %w", i, err)
		}
		if err := checkSingle(r, p, tos[i], 5); err != nil {
			c.close()
			return r.status, fmt.Errorf("reply %d: %w", i, err)
		}
		if id := r.header.Get("X-Request-Id"); id != fmt.Sprintf("pipelined-%d", i) {
			return r.status, fmt.Errorf("reply %d is of %q", i, id)
		}
	}
	return 200, nil
}

// halfClosed closes its side behind the request, as a client may that sends no other, and reads the reply. The server cannot tell such a
// client from one that has gone, and says so: the request may also end as that of a client who left.
func halfClosed(c *client, draw drawing) (int, error) {
	p, to := draw(c)
	w := wire{s: c.s}
	defer w.close()
	if err := w.send(post(to.path, p.kind, p.data)); err != nil {
		return 0, err
	}
	if err := w.conn.(*net.TCPConn).CloseWrite(); err != nil {
		return 0, err
	}
	r, err := w.receive(http.MethodPost)
	if err != nil {
		return 0, err
	}
	if r.status == 499 {
		return 499, checkError(r, 499, "client_gone")
	}
	return r.status, checkSingle(r, p, to, 5)
}

// expects sends the head, waits for 100, and sends the body.
func expects(c *client, draw drawing) (int, error) {
	p, to := draw(c)
	w := wire{s: c.s}
	defer w.close()
	data := post(to.path, p.kind, p.data, "Expect: 100-continue")
	head := data[:bytes.Index(data, []byte("\r\n\r\n"))+4]
	if err := w.send(head); err != nil {
		return 0, err
	}
	r, err := w.receive(http.MethodPost)
	if err != nil || r.status != 100 {
		return r.status, fmt.Errorf("got status %d, error %v; want 100", r.status, err)
	}
	if r, err = w.ask(http.MethodPost, data[len(head):]); err != nil {
		return 0, err
	}
	return r.status, checkSingle(r, p, to, 5)
}

// chunked sends a body of no announced length.
func chunked(c *client, draw drawing) (int, error) {
	p, to := draw(c)
	var data bytes.Buffer
	fmt.Fprintf(&data, "POST %s HTTP/1.1\r\nHost: soak\r\nContent-Type: %s\r\nTransfer-Encoding: chunked\r\n\r\n", to.path, p.kind)
	for rest := p.data; len(rest) > 0; {
		n := min(len(rest), 1+c.rnd.IntN(4000))
		fmt.Fprintf(&data, "%x\r\n%s\r\n", n, rest[:n])
		rest = rest[n:]
	}
	data.WriteString("0\r\n\r\n")
	r, err := c.ask(http.MethodPost, data.Bytes())
	if err != nil {
		return 0, err
	}
	return r.status, checkSingle(r, p, to, 5)
}

// closes opens a connection for one request, in HTTP/1.0 or 1.1.
func closes(c *client, draw drawing) (int, error) {
	p, to := draw(c)
	w := wire{s: c.s}
	defer w.close()
	data := post(to.path, p.kind, p.data, "Connection: close")
	if c.rnd.IntN(2) == 0 {
		data = bytes.Replace(post(to.path, p.kind, p.data), []byte("HTTP/1.1"), []byte("HTTP/1.0"), 1)
	}
	r, err := w.ask(http.MethodPost, data)
	if err != nil {
		return 0, err
	}
	if w.conn != nil {
		return r.status, fmt.Errorf("the server keeps a connection that was to be closed")
	}
	return r.status, checkSingle(r, p, to, 5)
}

// sendsSlowly needs a second or so for its request.
func sendsSlowly(c *client, draw drawing) (int, error) {
	p, to := draw(c)
	if err := c.slowly(post(to.path, p.kind, p.data), 4+c.rnd.IntN(8), 100*time.Millisecond); err != nil {
		return 0, err
	}
	r, err := c.receive(http.MethodPost)
	if err != nil {
		return 0, err
	}
	return r.status, checkSingle(r, p, to, 5)
}

// readsSlowly reads a long page a few bytes at a time.
func readsSlowly(c *client) (int, error) {
	if err := c.send(bare("GET", "/openapi.json")); err != nil {
		return 0, err
	}
	c.in.Reset(trickle{c.conn, 10 * time.Millisecond})
	r, err := c.receive(http.MethodGet)
	if err != nil {
		return 0, err
	}
	return r.status, wantStatus(200)(r)
}

// sendsHalf never sends the rest.
func sendsHalf(c *client, draw drawing) (int, error) {
	p, to := draw(c)
	data := post(to.path, p.kind, p.data)
	if err := c.send(data[:len(data)/2]); err != nil {
		return 0, err
	}
	time.Sleep(time.Duration(c.rnd.IntN(1500)) * time.Millisecond)
	c.conn.(*net.TCPConn).CloseWrite()
	_, err := io.Copy(io.Discard, c.conn)
	_ = err // a reset is as good as an end
	return 0, nil
}
