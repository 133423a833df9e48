package server

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"io"
	"math"
	"mime/multipart"
	"net"
	"net/http"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/valyala/fasthttp/fasthttputil"

	"github.com/torchlit/torchlit/batching"
	"github.com/torchlit/torchlit/vision"
)

// colours is a classifier without a model: its classes are red, green and blue, and a picture's probabilities are
// its channels' shares of its light.
var colours = []string{"red", "green", "blue"}

func byColour(_ context.Context, pixels []byte, _ batching.Priority) (batching.Result[[]float32], error) {
	return batching.Result[[]float32]{Value: colourShares(pixels), BatchSize: 1, Run: time.Millisecond}, nil
}

// colourShares takes 8×8 pixels in either form that a model takes.
func colourShares(pixels []byte) []float32 {
	shares, light := make([]float32, 3), float32(0)
	if area := 8 * 8; len(pixels) == 4*3*area {
		for i := range 3 * area {
			v := math.Float32frombits(binary.LittleEndian.Uint32(pixels[4*i:]))
			shares[i/area] += v
			light += v
		}
		pixels = nil
	}
	for i, b := range pixels {
		shares[i%3] += float32(b)
		light += float32(b)
	}
	for c := range shares {
		shares[c] /= max(light, 1)
	}
	return shares
}

// colourModel is byColour as a model that takes 8×8 pixels.
func colourModel(name, version string) Model {
	return Model{
		Name: name, Version: version, Labels: colours,
		Preprocess:  vision.Preprocess{Width: 8, Height: 8, CropPct: 1, Std: [3]float32{1, 1, 1}},
		Infer:       byColour,
		Description: Description{Architecture: "mean", Precision: "fp32", Device: "cpu", Accuracy: 1, AccuracyOn: "three colours"},
	}
}

// picture is a plain image of one colour.
func picture(w, h int, c color.Color) image.Image {
	img := image.NewRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			img.Set(x, y, c)
		}
	}
	return img
}

var (
	red  = color.RGBA{255, 0, 0, 255}
	blue = color.RGBA{0, 0, 255, 255}
)

func pngOf(img image.Image) []byte {
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		panic(err)
	}
	return b.Bytes()
}

func jpegOf(img image.Image) []byte {
	var b bytes.Buffer
	if err := jpeg.Encode(&b, img, nil); err != nil {
		panic(err)
	}
	return b.Bytes()
}

// harness is a server on an in-memory listener with a client for it.
type harness struct {
	*Server
	t      testing.TB
	client *http.Client
}

// open starts a server with cfg, of the colour model if it names none, and closes it with the test.
func open(t testing.TB, cfg Config) *harness {
	t.Helper()
	if cfg.Models == nil {
		cfg.Models = []Model{colourModel("colours", "1")}
	}
	s, err := Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ln := fasthttputil.NewInmemoryListener()
	served := make(chan error, 1)
	l, err := s.register(ln)
	if err != nil {
		t.Fatal(err)
	}
	go func() { served <- s.serve(l) }()
	tr := &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) { return ln.Dial() }}
	t.Cleanup(func() {
		tr.CloseIdleConnections()
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	return &harness{Server: s, t: t, client: &http.Client{Transport: tr, Timeout: time.Minute}}
}

// reply is what came back.
type reply struct {
	status int
	header http.Header
	body   []byte
}

func (h *harness) do(method, target, contentType string, body []byte) reply {
	h.t.Helper()
	r, err := h.try(method, target, contentType, body)
	if err != nil {
		h.t.Fatal(err)
	}
	return r
}

func (h *harness) try(method, target, contentType string, body []byte) (reply, error) {
	req, err := http.NewRequest(method, "http://torchlit"+target, bytes.NewReader(body))
	if err != nil {
		return reply{}, err
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	return h.send(req)
}

func (h *harness) send(req *http.Request) (reply, error) {
	resp, err := h.client.Do(req)
	if err != nil {
		return reply{}, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return reply{resp.StatusCode, resp.Header, b}, err
}

// answer is one image's answer, or error, as a client reads it.
type answer struct {
	RequestID   string `json:"request_id"`
	Model       string `json:"model"`
	Version     string `json:"version"`
	Predictions []struct {
		Label       string  `json:"label"`
		Index       int     `json:"index"`
		Probability float64 `json:"probability"`
	} `json:"predictions"`
	BatchSize int `json:"batch_size"`
	Timing    struct {
		Decode    *float64 `json:"decode"`
		Queue     *float64 `json:"queue"`
		Inference *float64 `json:"inference"`
		Total     *float64 `json:"total"`
	} `json:"timing_ms"`
	Error   string   `json:"error"`
	Code    string   `json:"code"`
	Results []answer `json:"results"`
}

func (r reply) answer(t testing.TB) answer {
	t.Helper()
	var a answer
	if err := json.Unmarshal(r.body, &a); err != nil {
		t.Fatalf("cannot read reply %q: %v", r.body, err)
	}
	return a
}

// form makes a multipart body of fields and files.
func form(fields map[string]string, files ...[]byte) (contentType string, body []byte) {
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for k, v := range fields {
		_ = w.WriteField(k, v)
	}
	for i, f := range files {
		p, _ := w.CreateFormFile("image", "picture"+strconv.Itoa(i)+".png")
		_, _ = p.Write(f)
	}
	_ = w.Close()
	return w.FormDataContentType(), b.Bytes()
}

// gate is a classifier that waits until it is let go on or its context ends.
type gate struct {
	entered chan struct{}
	pass    chan struct{}
	calls   atomic.Int64
}

func newGate() *gate { return &gate{entered: make(chan struct{}, 1024), pass: make(chan struct{})} }

func (g *gate) classify(ctx context.Context, pixels []byte, p batching.Priority) (batching.Result[[]float32], error) {
	g.calls.Add(1)
	g.entered <- struct{}{}
	select {
	case <-g.pass:
		return byColour(ctx, pixels, p)
	case <-ctx.Done():
		return batching.Result[[]float32]{}, ctx.Err()
	}
}

// fakeConn is a connection that nobody reads.
type fakeConn struct{ net.Conn }

func (fakeConn) RemoteAddr() net.Addr        { return &net.TCPAddr{} }
func (fakeConn) LocalAddr() net.Addr         { return &net.TCPAddr{} }
func (fakeConn) Read([]byte) (int, error)    { return 0, io.EOF }
func (fakeConn) Write(b []byte) (int, error) { return len(b), nil }

// connsOf makes a set of at most so many connections, which have a minute for everything.
func connsOf(most int) *connSet {
	cfg := Config{MaxConns: most, ReadTimeout: time.Minute, HeaderTimeout: time.Minute, IdleTimeout: time.Minute}
	cfg.setDefaults()
	return newConnSet(&cfg)
}

// plain adds nc to s, which has room.
func plain(s *connSet, nc net.Conn) *conn {
	c, err := s.add(nc)
	if err != nil {
		panic(err)
	}
	return c
}
