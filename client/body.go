package client

import (
	"bytes"
	"errors"
	"io"
	"mime/multipart"
	"strconv"
	"sync"
)

// payload is a request's body in pieces, which are sent one after the other and never copied together.
type payload struct {
	contentType string
	pieces      [][]byte
	size        int64
}

func (p *payload) add(piece []byte) {
	p.pieces = append(p.pieces, piece)
	p.size += int64(len(piece))
}

// oneImage is the body of one image: its bytes as they are.
func oneImage(image []byte) *payload {
	p := &payload{contentType: "application/octet-stream"}
	p.add(image)
	return p
}

// form is the body of several images: a form with a file for each.
func form(images [][]byte) *payload {
	var between bytes.Buffer
	w := multipart.NewWriter(&between)
	p := &payload{contentType: w.FormDataContentType()}
	for i, image := range images {
		if _, err := w.CreateFormFile("image", strconv.Itoa(i)); err != nil {
			panic("BUG: a buffer that cannot be written to: " + err.Error())
		}
		p.add(bytes.Clone(between.Bytes()))
		between.Reset()
		p.add(image)
	}
	_ = w.Close() // to a buffer
	p.add(bytes.Clone(between.Bytes()))
	return p
}

// lent is the memory of a call's images while the call lasts.
//
// net/http goes on reading a body when RoundTrip has returned, if the reply comes before the body is sent or the context ends. A
// caller cannot wait for that, and could not use its images again. So the bodies of a call read under a lock, and end with the call.
type lent struct {
	mu   sync.Mutex
	over bool
}

var errCallOver = errors.New("the call that the body belongs to is over")

func (l *lent) end() {
	l.mu.Lock()
	l.over = true
	l.mu.Unlock()
}

// reader reads p from its beginning. Each try has its own.
func (l *lent) reader(p *payload) io.ReadCloser {
	readers := make([]io.Reader, len(p.pieces))
	for i, piece := range p.pieces {
		readers[i] = bytes.NewReader(piece)
	}
	return &lentReader{l, io.MultiReader(readers...)}
}

type lentReader struct {
	lent *lent
	r    io.Reader
}

// Read implements io.Reader.
func (r *lentReader) Read(b []byte) (int, error) {
	r.lent.mu.Lock()
	defer r.lent.mu.Unlock()
	if r.lent.over {
		return 0, errCallOver
	}
	return r.r.Read(b)
}

// Close implements io.Closer.
func (r *lentReader) Close() error { return nil }
