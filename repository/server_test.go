package repository_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"image/png"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/torchlit/torchlit/batching"
	"github.com/torchlit/torchlit/modeldir"
	"github.com/torchlit/torchlit/repository"
	"github.com/torchlit/torchlit/server"
	"github.com/torchlit/torchlit/vision"
)

// loading is one loading of a model without a network: a real batcher whose runner fails when it is used after its
// end, and whose answers are two labels.
type loading struct {
	server.Model
	batcher *batching.Batcher[[]byte, []float32]
	live    *atomic.Int64
}

type runner struct{ closed atomic.Bool }

func (r *runner) Run(in [][]byte, out [][]float32) error {
	if r.closed.Load() {
		return errors.New("run after its end")
	}
	time.Sleep(time.Duration(rand.IntN(300)) * time.Microsecond)
	for i := range out {
		out[i] = []float32{0.75, 0.25}
	}
	return nil
}

func (r *runner) Close() { r.closed.Store(true) }

func (l *loading) Close() {
	l.Holds.LetGo()
	<-l.Holds.Released()
	_ = l.batcher.Drain(context.Background())
	l.live.Add(-1)
}

// world is a repository and a server that answers for it on loopback.
type world struct {
	*server.Server
	t          *testing.T
	root, url  string
	live       atomic.Int64
	repository *repository.Repository[*loading]
}

func (w *world) load(e modeldir.Entry) (*loading, error) {
	b, err := os.ReadFile(filepath.Join(e.Dir, "model.safetensors"))
	if err != nil || strings.HasPrefix(string(b), "bad") {
		return nil, errors.New("the weights are bad")
	}
	batcher, err := batching.Open(batching.Config[[]byte, []float32]{
		NewRunner: func(int) (batching.Runner[[]byte, []float32], error) { return new(runner), nil }, MaxBatch: 8, MaxQueue: 1 << 12,
	})
	if err != nil {
		return nil, err
	}
	w.live.Add(1)
	return &loading{
		Model: server.Model{
			Name: e.Name, Version: e.Version, Labels: []string{"a", "b"}, Infer: batcher.DoPriority, Holds: server.NewHolds(),
			Preprocess: vision.Preprocess{Width: 4, Height: 4, CropPct: 1, Std: [3]float32{1, 1, 1}},
		},
		batcher: batcher, live: &w.live,
	}, nil
}

// asked is the repository as the server asks it.
type asked struct{ w *world }

func (a asked) Index() (out []server.VersionState) {
	for _, s := range a.w.repository.Index() {
		out = append(out, server.VersionState{Name: s.Name, Version: s.Version, State: server.State(s.State), Reason: s.Reason})
	}
	return out
}

func (a asked) Load(ctx context.Context, name string, p map[string]any) error {
	return a.w.repository.Load(ctx, name, p)
}
func (a asked) Unload(ctx context.Context, name string) error {
	return a.w.repository.Unload(ctx, name)
}
func (a asked) Keep(name string, t server.Traffic) {
	k := repository.Kept{Default: t.Default}
	for _, s := range []*server.Share{t.Canary, t.Shadow} {
		if s != nil {
			k.Side = append(k.Side, s.Version)
		}
	}
	a.w.repository.Keep(name, k)
}

func (w *world) write(name, version, text string) {
	dir := filepath.Join(w.root, name, version)
	require.NoError(w.t, os.MkdirAll(dir, 0o755))
	require.NoError(w.t, os.WriteFile(filepath.Join(dir, "model.safetensors"), []byte(text), 0o644))
	require.NoError(w.t, os.WriteFile(filepath.Join(dir, "config.json"), []byte("{}"), 0o644))
}

func newWorld(t *testing.T, policy string) *world {
	w := &world{t: t, root: t.TempDir()}
	for _, v := range []string{"1", "2", "3"} {
		w.write("cats", v, "c"+v)
		w.write("dogs", v, "d"+v)
	}
	s, err := server.Open(server.Config{Repository: asked{w}})
	require.NoError(t, err)
	w.Server = s
	general, _, err := repository.ParsePolicies(policy)
	require.NoError(t, err)
	w.repository, err = repository.Open(repository.Config[*loading]{
		Root: w.root, Policy: general, Load: w.load, Interval: 10 * time.Millisecond, Settle: 5 * time.Millisecond,
		Publish: func(live []*loading) {
			models := make([]server.Model, len(live))
			for i, l := range live {
				models[i] = l.Model
			}
			if err := s.SetModels(models); err != nil {
				panic(err)
			}
		},
	})
	require.NoError(t, err)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	served := make(chan error, 1)
	go func() { served <- s.Serve(ln) }()
	w.url = "http://" + ln.Addr().String()
	t.Cleanup(func() {
		assert.NoError(t, s.Close())
		assert.NoError(t, <-served)
		w.repository.Close()
		assert.Zero(t, w.live.Load(), "models that nobody closed")
	})
	return w
}

func picture() []byte {
	var b bytes.Buffer
	_ = png.Encode(&b, image.NewRGBA(image.Rect(0, 0, 4, 4)))
	return b.Bytes()
}

func (w *world) send(c *http.Client, method, path string, body []byte) (int, string) {
	req, err := http.NewRequest(method, w.url+path, bytes.NewReader(body))
	if err != nil {
		return 0, err.Error()
	}
	resp, err := c.Do(req)
	if err != nil {
		return 0, err.Error()
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, err.Error()
	}
	return resp.StatusCode, string(b)
}

// startClients keeps clients at both models until the returned function is called, which reports what failed and how many were answered.
func (w *world) startClients(n int) (stop func() (failures []string, answered int64)) {
	var mu sync.Mutex
	var failures []string
	var answered atomic.Int64
	var wg sync.WaitGroup
	done := make(chan struct{})
	img := picture()
	for i := range n {
		wg.Go(func() {
			tr := &http.Transport{}
			defer tr.CloseIdleConnections()
			c := &http.Client{Transport: tr}
			for k := 0; ; k++ {
				select {
				case <-done:
					return
				default:
				}
				name, named := []string{"cats", "dogs"}[k%2], i%4 == 3
				path := "/v1/models/" + name + "/classify"
				if named {
					path = "/v1/models/" + name + "/versions/" + strconv.Itoa(1+rand.IntN(4)) + "/classify"
				}
				status, body := w.send(c, "POST", path, img)
				switch {
				case status == 200:
					answered.Add(1)
				case named && (status == 404 || status == 503 && strings.Contains(body, "model_not_ready")):
				default:
					mu.Lock()
					failures = append(failures, fmt.Sprintf("%s: %d %s", path, status, body))
					mu.Unlock()
					return
				}
			}
		})
	}
	return func() ([]string, int64) {
		close(done)
		wg.Wait()
		return failures, answered.Load()
	}
}

// Whatever is loaded, broken, mended, removed and routed while clients ask, and in whatever order, no request fails but
// one that names a version which is not there.
func TestNoRequestFails(t *testing.T) {
	w := newWorld(t, "latest:2")
	stop := w.startClients(8)
	seed := uint64(time.Now().UnixNano())
	rng := rand.New(rand.NewPCG(seed, 0))
	t.Logf("seed %d", seed)
	tr := &http.Transport{}
	defer tr.CloseIdleConnections()
	admin := &http.Client{Transport: tr}
	for range 150 {
		name := []string{"cats", "dogs"}[rng.IntN(2)]
		version := strconv.Itoa(1 + rng.IntN(3))
		switch rng.IntN(8) {
		case 0, 1:
			w.send(admin, "POST", "/v2/repository/models/"+name+"/load", []byte("{}"))
		case 2:
			w.write(name, version, "x"+strconv.Itoa(rng.IntN(1000)))
		case 3:
			w.write(name, version, "bad"+strconv.Itoa(rng.IntN(1000)))
		case 4: // one version of three, never all: a model without a folder is gone
			if version != "1" {
				require.NoError(t, os.RemoveAll(filepath.Join(w.root, name, version)))
			}
		case 5, 6:
			traffic := server.Traffic{Default: []string{"", "1", "3"}[rng.IntN(3)], Sticky: []string{"", "header:X-User"}[rng.IntN(2)]}
			for _, s := range []**server.Share{&traffic.Canary, &traffic.Shadow} {
				if v := strconv.Itoa(1 + rng.IntN(4)); v != traffic.Default {
					*s = &server.Share{Version: v, Percent: float64(rng.IntN(101))}
				}
			}
			body, _ := json.Marshal(traffic)
			status, answer := w.send(admin, "PUT", "/v1/models/"+name+"/traffic", body)
			require.Equal(t, 200, status, answer)
		case 7:
			status, answer := w.send(admin, "DELETE", "/v1/models/"+name+"/traffic", nil)
			require.Equal(t, 200, status, answer)
		}
		time.Sleep(time.Duration(rng.IntN(8)) * time.Millisecond)
	}
	failures, answered := stop()
	assert.Empty(t, failures)
	assert.Greater(t, answered, int64(100))
}

// A model that is unloaded answers what it accepted, and is not ready after; with the last one the server is not.
func TestUnloadedModel(t *testing.T) {
	w := newWorld(t, "latest:1")
	tr := &http.Transport{}
	defer tr.CloseIdleConnections()
	c := &http.Client{Transport: tr}
	f := func(method, path string, wantStatus int, want string) {
		t.Helper()
		var sent []byte
		if strings.HasSuffix(path, "classify") {
			sent = picture()
		}
		status, body := w.send(c, method, path, sent)
		assert.Equal(t, wantStatus, status, body)
		assert.Contains(t, body, want)
	}
	unload := func(name string) { f("POST", "/v2/repository/models/"+name+"/unload", 200, "") }
	f("POST", "/v1/models/cats/classify", 200, `"version":"3"`)
	f("POST", "/v1/models/cats/versions/2/classify", 503, "model_not_ready")
	f("POST", "/v1/models/cats/versions/9/classify", 404, "version_not_found")
	unload("cats")
	f("POST", "/v1/models/cats/classify", 503, "model_not_ready")
	f("POST", "/v1/classify", 200, `"model":"dogs"`)
	f("GET", "/v1/models/cats", 200, `{"version":"3","state":"unavailable","reason":"it was unloaded"}`)
	f("GET", "/v1/models", 200, `"default":"dogs"`)
	f("GET", "/readyz", 200, "")
	f("GET", "/metrics", 200, `model="dogs"`)
	unload("dogs")
	f("GET", "/readyz", 503, "no_model")
	f("POST", "/v1/classify", 503, "no_model")
	f("POST", "/v2/repository/models/dogs/load", 200, "")
	f("GET", "/readyz", 200, "")
	f("POST", "/v1/classify", 200, `"version":"3"`)
}
