package bench

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"io"
	"log"
	"mime"
	"mime/multipart"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var twoImages = Images{Files: [][]byte{[]byte("\xff\xd8\xffone"), []byte("\xff\xd8\xffthe other")}, About: "two"}

// fake serves handler, counts what comes, and returns options that reach it.
func fake(t testing.TB, handler http.HandlerFunc) (Options, *atomic.Int64) {
	var n atomic.Int64
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n.Add(1)
		handler(w, r)
	}))
	t.Cleanup(s.Close)
	return Options{URL: s.URL, Images: twoImages, Timeout: 5 * time.Second}, &n
}

// sendEach opens the target and sends n requests.
func sendEach(t *testing.T, o Options, n int) (replies []Reply, info Info) {
	t.Helper()
	target, err := Open(context.Background(), o)
	require.NoError(t, err)
	defer target.Close()
	sender := target.Sender()
	for i := range n {
		replies = append(replies, sender.Send(uint64(i), time.Now()))
	}
	return replies, target.Info()
}

func body(t *testing.T, r *http.Request) []byte {
	b, err := io.ReadAll(r.Body)
	assert.NoError(t, err)
	return b
}

func TestV1SendsImages(t *testing.T) {
	var bodies []string
	o, _ := fake(t, func(w http.ResponseWriter, r *http.Request) {
		assert.Equal(t, "POST", r.Method)
		path, query, _ := strings.Cut(r.RequestURI, "?timeout_ms=")
		assert.Equal(t, "/behind/v1/models/a%2Fb/classify", path)
		left, err := strconv.Atoi(query)
		assert.NoError(t, err)
		assert.LessOrEqual(t, left, 250)
		assert.Positive(t, left)
		assert.Equal(t, "secret", r.Header.Get("X-Api-Key"))
		bodies = append(bodies, string(body(t, r)))
		w.Header().Set("Server", "fake")
		io.WriteString(w, `{}`)
	})
	o.URL += "/behind/"
	o.Model, o.Deadline, o.Header = "a/b", 250*time.Millisecond, []string{"X-Api-Key: secret"}
	replies, info := sendEach(t, o, 3)
	assert.Equal(t, []string{"\xff\xd8\xffone", "\xff\xd8\xffthe other", "\xff\xd8\xffone"}, bodies)
	assert.Equal(t, []Reply{{Images: 1}, {Images: 1}, {Images: 1}}, replies)
	assert.Equal(t, "fake", info.Server)
	assert.Equal(t, 2, info.Requests)
}

// What is told to the server is what is left of the deadline: requests that are sent late have less.
func TestV1TellsWhatIsLeft(t *testing.T) {
	var told string
	o, _ := fake(t, func(w http.ResponseWriter, r *http.Request) { told = r.URL.Query().Get("timeout_ms") })
	o.Deadline = time.Hour
	target, err := Open(context.Background(), o)
	require.NoError(t, err)
	defer target.Close()
	sender := target.Sender()
	f := func(late time.Duration, low, high int) {
		t.Helper()
		assert.Equal(t, Answered, sender.Send(0, time.Now().Add(-late)).Outcome)
		left, err := strconv.Atoi(told)
		require.NoError(t, err)
		assert.GreaterOrEqual(t, left, low)
		assert.LessOrEqual(t, left, high)
	}
	f(0, 3_000_000, 3_600_000)
	f(30*time.Minute, 1_200_000, 1_800_000)
	f(2*time.Hour, 1, 1)
}

func TestV1SendsForms(t *testing.T) {
	answer := `{"results":[{},{},{}]}`
	o, _ := fake(t, func(w http.ResponseWriter, r *http.Request) {
		assert.Equal(t, "/v1/classify", r.RequestURI)
		_, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
		assert.NoError(t, err)
		form, err := multipart.NewReader(r.Body, params["boundary"]).ReadForm(1 << 20)
		if assert.NoError(t, err) && assert.Len(t, form.File["image"], 3) {
			f, err := form.File["image"][2].Open()
			assert.NoError(t, err)
			data, _ := io.ReadAll(f)
			assert.Equal(t, twoImages.Files[0], data)
		}
		io.WriteString(w, answer)
	})
	o.Batch = 3
	replies, _ := sendEach(t, o, 1)
	assert.Equal(t, []Reply{{Images: 3}}, replies)
	answer = `{"results":[{},{"error":"The server is busy.","code":"queue_full"},{}]}`
	replies, _ = sendEach(t, o, 1)
	assert.Equal(t, []Reply{{Outcome: Failed, Kind: "partial", Images: 2}}, replies)
}

func TestLitServe(t *testing.T) {
	f := func(want any, path string, change func(*Options)) {
		t.Helper()
		o, _ := fake(t, func(w http.ResponseWriter, r *http.Request) {
			assert.Equal(t, path, r.RequestURI)
			assert.Equal(t, "application/json", r.Header.Get("Content-Type"))
			var got any
			assert.NoError(t, json.Unmarshal(body(t, r), &got))
			assert.Equal(t, want, got)
			io.WriteString(w, `{"output": 3}`)
		})
		o.Protocol = LitServe
		change(&o)
		replies, _ := sendEach(t, o, 1)
		assert.Equal(t, []Reply{{Images: max(o.Batch, 1)}}, replies)
	}
	one, two := base64.StdEncoding.EncodeToString(twoImages.Files[0]), base64.StdEncoding.EncodeToString(twoImages.Files[1])
	f(map[string]any{"image": one}, "/predict", func(o *Options) {})
	f(map[string]any{"image_bytes": one}, "/predict", func(o *Options) { o.Field = "image_bytes" })
	f(map[string]any{"image": []any{one, two}}, "/api/v3/label?a=b", func(o *Options) { o.Batch = 2; o.URL += "/api/v3/label?a=b" })
	f(map[string]any{"input": map[string]any{"data": one}, "top": 1.0}, "/predict", func(o *Options) {
		o.Template = `{"input": {"data": {{image}}}, "top": 1}`
	})
}

func TestStatuses(t *testing.T) {
	status := 0
	o, _ := fake(t, func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(status) })
	f := func(code int, want Reply) {
		t.Helper()
		status = code
		replies, _ := sendEach(t, o, 1)
		assert.Equal(t, want, replies[0])
	}
	f(200, Reply{Outcome: Answered, Images: 1})
	f(429, Reply{Outcome: Refused})
	f(503, Reply{Outcome: Refused})
	f(504, Reply{Outcome: Expired})
	f(415, Reply{Outcome: Failed, Kind: "http_415"})
	f(500, Reply{Outcome: Failed, Kind: "http_500"})
}

func TestConnectionFailures(t *testing.T) {
	o, n := fake(t, func(w http.ResponseWriter, r *http.Request) {
		c, _, err := http.NewResponseController(w).Hijack()
		assert.NoError(t, err)
		c.Close()
	})
	replies, _ := sendEach(t, o, 2)
	assert.Equal(t, []Reply{{Outcome: Failed, Kind: "connection_closed"}, {Outcome: Failed, Kind: "connection_closed"}}, replies)
	assert.EqualValues(t, 2, n.Load(), "a request that failed is not sent again")

	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	listener.Close()
	replies, _ = sendEach(t, Options{URL: listener.Addr().String(), Images: twoImages}, 1)
	assert.Equal(t, []Reply{{Outcome: Failed, Kind: "connection_refused"}}, replies)

	release := make(chan struct{})
	o, _ = fake(t, func(w http.ResponseWriter, r *http.Request) { <-release })
	defer close(release)
	o.Timeout = 20 * time.Millisecond
	replies, _ = sendEach(t, o, 1)
	assert.Equal(t, []Reply{{Outcome: Failed, Kind: "timeout"}}, replies)
}

func TestTLS(t *testing.T) {
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "{}") }))
	defer s.Close()
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	o := Options{URL: s.URL, Images: twoImages, Insecure: true}
	replies, _ := sendEach(t, o, 2)
	assert.Equal(t, []Reply{{Images: 1}, {Images: 1}}, replies)
	o.Insecure = false
	replies, _ = sendEach(t, o, 1)
	assert.Equal(t, []Reply{{Outcome: Failed, Kind: "certificate"}}, replies)
	o.CA = filepath.Join(t.TempDir(), "ca.pem")
	require.NoError(t, os.WriteFile(o.CA, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}), 0o644))
	replies, _ = sendEach(t, o, 1)
	assert.Equal(t, []Reply{{Images: 1}}, replies)
	require.NoError(t, os.WriteFile(o.CA, []byte("no certificate"), 0o644))
	_, err := Open(t.Context(), o)
	assert.ErrorContains(t, err, "no PEM certificate")
}

// Abort ends what waits for an answer.
func TestAbort(t *testing.T) {
	release := make(chan struct{})
	arrived := make(chan struct{})
	o, _ := fake(t, func(w http.ResponseWriter, r *http.Request) { close(arrived); <-release })
	defer close(release)
	target, err := Open(context.Background(), o)
	require.NoError(t, err)
	defer target.Close()
	reply := make(chan Reply)
	go func() { reply <- target.Sender().Send(0, time.Now()) }()
	<-arrived
	target.Abort()
	assert.Equal(t, Failed, (<-reply).Outcome)
	assert.Equal(t, Failed, target.Sender().Send(0, time.Now()).Outcome, "and nothing begins any more")
}

func TestBadOptions(t *testing.T) {
	f := func(says string, o Options) {
		t.Helper()
		if o.Images.Files == nil {
			o.Images = twoImages
		}
		_, err := Open(context.Background(), o)
		assert.ErrorContains(t, err, says)
	}
	f("address is missing", Options{})
	f(`cannot use the address "ftp://x"`, Options{URL: "ftp://x"})
	f("cannot read the address", Options{URL: "http://[::1"})
	f(`protocol "v3" is not known`, Options{URL: "x", Protocol: "v3"})
	f(`input "video" is not known`, Options{URL: "x", Input: "video"})
	f(`v1 has no input "tensor"`, Options{URL: "x", Input: Tensor})
	f("no images to send", Options{URL: "x", Images: Images{Files: [][]byte{}}})
	f(`write "Name: value"`, Options{URL: "x", Header: []string{"X-Key"}})
	f("has no {{image}}", Options{URL: "x", Protocol: LitServe, Template: "{}"})
	f("do not put it in quotes", Options{URL: "x", Protocol: LitServe, Template: `{"a": "{{image}}"}`})
	f("too short", Options{URL: "x", Deadline: time.Microsecond})
}
