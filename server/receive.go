package server

import (
	"errors"
	"io"
	"time"

	"github.com/valyala/bytebufferpool"
	"github.com/valyala/fasthttp"
)

// A request's body is read by the handler, when it has seen that it wants it.
//
// Left alone, fasthttp reads a body before any handler runs, into memory of as many bytes as Content-Length announces. Whoever may not
// ask would have his upload read to the end before he hears so, and a few thousand clients that announce the largest body and then send a byte
// a minute would have all of the server's memory set aside for them. So fasthttp is told to stream, with as little
// read ahead as it can do with, and receive takes the rest: memory grows as bytes arrive, is counted against a budget of all requests, and must keep a pace.

// receiveStep is by how much the memory of a body grows at least, and what is counted at once.
const receiveStep = 64 << 10

// receive reads the body of ctx's request, if it has one that was not read yet; then Request.Body returns it until the exchange is
// recycled. Its errors are for the client; after one the connection is closed behind the reply.
func (s *Server) receive(ctx *fasthttp.RequestCtx) error {
	ex := exchangeOf(ctx)
	stream := ctx.Request.BodyStream()
	if stream == nil {
		return nil
	}
	announced := ctx.Request.Header.ContentLength()
	err := s.admissible(announced)
	if err == nil {
		err = s.read(stream, ex, announced, connOf(ctx.Conn()))
	}
	ex.start = time.Now()
	if err != nil {
		ctx.SetConnectionClose()
		readOn(ctx)
		return err
	}
	ctx.Request.SetBodyRaw(ex.body.B)
	return nil
}

// readOn has ctx's connection, if it is closed behind the reply, read on a while first: what still comes of a body must not make the
// kernel reset the connection under the reply.
func readOn(ctx *fasthttp.RequestCtx) {
	if c := connOf(ctx.Conn()); c != nil {
		c.linger.Store(true)
	}
}

// admissible refuses a body by its announced size, -1 if there is none, before any of it is read.
func (s *Server) admissible(announced int) error {
	switch {
	case announced > s.cfg.MaxBodyBytes:
		return s.readError(fasthttp.ErrBodyTooLarge)
	case !s.bodies.Fits(int64(announced)):
		return errBodyMemory
	case !s.room(int64(max(announced, 0))):
		return errPressure
	}
	return nil
}

// read reads a body into ex.body.
func (s *Server) read(stream io.Reader, ex *exchange, announced int, c *conn) error {
	most := s.cfg.MaxBodyBytes
	if announced >= 0 {
		most = announced
	}
	if c != nil && (announced > smallBody || announced < 0) {
		c.reads.in(s.bodyTime(announced))
	}
	ex.body = bytebufferpool.Get()
	b := ex.body.B[:0]
	defer func() {
		ex.body.B = b
		ex.received = len(b)
	}()
	for {
		if len(b) == cap(b) {
			if len(b) > most { // one byte more than a body of unknown length may have
				return s.readError(fasthttp.ErrBodyTooLarge)
			}
			b = grown(b, most)
		}
		n, err := stream.Read(b[len(b):min(cap(b), len(b)+receiveStep)])
		b = b[:len(b)+n]
		if err := s.charge(ex, len(b)); err != nil {
			return err
		}
		switch {
		case len(b) > most:
			return s.readError(fasthttp.ErrBodyTooLarge)
		case errors.Is(err, io.EOF) && len(b) < announced:
			return s.readError(io.ErrUnexpectedEOF)
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return s.readError(err)
		}
	}
}

const (
	// smallBody is one that must come in the headers' time and counts with the memory of its connection.
	smallBody = 8 << 10

	// readAhead is how much of a body fasthttp reads before it calls the handler, at least.
	readAhead = 1
)

// grown is b with room for more: twice as much, but not more than a byte above most.
func grown(b []byte, most int) []byte {
	size := min(max(receiveStep, 2*cap(b)), most+1)
	return append(make([]byte, 0, size), b...)
}

// charge makes ex pay for n bytes of body, in steps; small bodies go free.
func (s *Server) charge(ex *exchange, n int) error {
	if n <= smallBody || int64(n) <= ex.charged {
		return nil
	}
	more := (int64(n) - ex.charged + receiveStep - 1) / receiveStep * receiveStep
	if !s.room(more) {
		return errPressure
	}
	if !s.bodies.take(more) {
		return errBodyMemory
	}
	ex.charged += more
	return nil
}

// hold counts that ctx's request holds n bytes in all, or, where it would need more than there is, everything.
func (s *Server) hold(ctx *fasthttp.RequestCtx, n int) error {
	return s.charge(exchangeOf(ctx), int(min(int64(n), s.bodies.limit)))
}

// release gives back what ex holds of a body. Nothing of it may be touched afterwards.
func (s *Server) release(ctx *fasthttp.RequestCtx, ex *exchange) {
	if ex.body != nil {
		ctx.Request.ResetBody()
		bytebufferpool.Put(ex.body)
		ex.body = nil
	}
	s.bodies.give(ex.charged)
	ex.charged = 0
}

// bodyTime is how long a body may take to come. A slow network is given its time, but a client that sends next to nothing holds a
// connection no longer than one that sends nothing.
func (s *Server) bodyTime(announced int) time.Duration {
	if announced < 0 || s.cfg.MinUploadRate < 0 {
		return s.cfg.ReadTimeout
	}
	return min(s.cfg.ReadTimeout, s.cfg.HeaderTimeout+time.Duration(float64(announced)/float64(s.cfg.MinUploadRate)*float64(time.Second)))
}
