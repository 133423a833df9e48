package repository

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/torchlit/torchlit/modeldir"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		// Two goroutines of fasthttp that outlive its servers; see server/main_test.go.
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.updateServerDate.func1"),
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.(*workerPool).Start.func2"),
	)
}

// fakeModel is a model whose weights are a text.
type fakeModel struct {
	entry  modeldir.Entry
	text   string
	closed atomic.Bool
	f      *fake
}

func (m *fakeModel) String() string { return m.entry.Name + "/" + m.entry.Version + "=" + m.text }

// Close panics when it is called twice, or while the model is published.
func (m *fakeModel) Close() {
	if m.closed.Swap(true) {
		panic("closed twice: " + m.String())
	}
	m.f.mu.Lock()
	published := slices.Contains(m.f.now, m)
	m.f.mu.Unlock()
	if published {
		panic("closed while it serves: " + m.String())
	}
	m.f.live.Add(-1)
	time.Sleep(m.f.closing)
}

// fake is a folder of fake models, and what a repository did with it.
type fake struct {
	t       testing.TB
	root    string
	loading time.Duration // how long a load takes
	closing time.Duration
	onLoad  func(modeldir.Entry) // called in the middle of a load
	live    atomic.Int64
	most    atomic.Int64 // of live

	mu     sync.Mutex
	now    []*fakeModel // published
	loads  []string
	failed []string
	gone   []string
	worry  []string
}

func newFake(t testing.TB) *fake {
	return &fake{t: t, root: t.TempDir()}
}

// write makes a version's folder, or writes over it, in the order that is worst: the weights first.
func (f *fake) write(name, version, text string) {
	f.t.Helper()
	dir := filepath.Join(f.root, name, version)
	require.NoError(f.t, os.MkdirAll(dir, 0o755))
	require.NoError(f.t, os.WriteFile(filepath.Join(dir, "model.safetensors"), []byte(text), 0o644))
	require.NoError(f.t, os.WriteFile(filepath.Join(dir, "config.json"), []byte("{}"), 0o644))
}

func (f *fake) remove(parts ...string) {
	f.t.Helper()
	require.NoError(f.t, os.RemoveAll(filepath.Join(append([]string{f.root}, parts...)...)))
}

var errBad = errors.New("the weights are bad")

func (f *fake) load(e modeldir.Entry) (*fakeModel, error) {
	f.mu.Lock()
	f.loads = append(f.loads, e.Name+"/"+e.Version)
	f.mu.Unlock()
	b, err := os.ReadFile(filepath.Join(e.Dir, "model.safetensors"))
	time.Sleep(f.loading)
	if f.onLoad != nil {
		f.onLoad(e)
	}
	if err != nil {
		return nil, err
	}
	if strings.HasPrefix(string(b), "bad") {
		return nil, errBad
	}
	m := &fakeModel{entry: e, text: string(b), f: f}
	if n := f.live.Add(1); n > f.most.Load() {
		f.most.Store(n)
	}
	return m, nil
}

func (f *fake) publish(models []*fakeModel) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, m := range models {
		if m.closed.Load() {
			panic("published after it was closed: " + m.String())
		}
	}
	f.now = slices.Clone(models)
}

// open opens a repository of f, watched every second without the system's help, and closes it with the test.
func (f *fake) open(change func(*Config[*fakeModel])) *Repository[*fakeModel] {
	f.t.Helper()
	r, err := f.try(change)
	require.NoError(f.t, err)
	return r
}

func (f *fake) try(change func(*Config[*fakeModel])) (*Repository[*fakeModel], error) {
	cfg := Config[*fakeModel]{
		Root: f.root, Load: f.load, Publish: f.publish, Interval: time.Second, deaf: true,
		Observer: Observer{
			Failed:   func(e modeldir.Entry, err error) { f.note(&f.failed, e.Name+"/"+e.Version+": "+err.Error()) },
			Unloaded: func(name, version string) { f.note(&f.gone, name+"/"+version) },
			Trouble:  func(err error) { f.note(&f.worry, err.Error()) },
		},
	}
	if change != nil {
		change(&cfg)
	}
	r, err := Open(cfg)
	if err == nil {
		f.t.Cleanup(func() {
			if !r.isClosed() {
				f.close(r)
			}
		})
	}
	return r, err
}

// close closes r and checks that nothing is left.
func (f *fake) close(r *Repository[*fakeModel]) {
	f.t.Helper()
	r.Close()
	require.Empty(f.t, f.now)
	require.Zero(f.t, f.live.Load(), "models that nobody closed")
}

func (f *fake) note(where *[]string, what string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	*where = append(*where, what)
}

// serving is what is published, in words: "cats/1=old dogs/3=x".
func (f *fake) serving() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return strings.Trim(fmt.Sprint(f.now), "[]")
}

// loaded returns the loads so far, and forgets them.
func (f *fake) loaded() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	out := f.loads
	f.loads = nil
	return out
}

// noted returns a copy of one of f's lists.
func (f *fake) noted(list *[]string) []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(*list)
}

// index is r's index in words: "cats/1 ready; cats/2 unavailable: reason".
func index(r *Repository[*fakeModel]) string {
	var out []string
	for _, s := range r.Index() {
		line := s.Name + "/" + s.Version + " " + string(s.State)
		if s.Reason != "" {
			line += ": " + s.Reason
		}
		out = append(out, line)
	}
	return strings.Join(out, "; ")
}
