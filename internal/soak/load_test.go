package soak

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	pb "github.com/torchlit/torchlit/internal/inferencepb"
)

// kind is one kind of request. Of all that are sent, weight in the sum of all weights are of it.
type kind struct {
	name   string
	weight int

	// do sends one and judges what comes: the status, 0 when there is none, and what is wrong with it.
	do func(c *client) (status int, err error)

	// apart is set for a kind that takes long by itself: the client goes on meanwhile.
	apart bool
}

// client is one of those that ask without pause. Each has one connection that it keeps, and draws by a generator of its own.
type client struct {
	load *load
	rnd  *rand.Rand
	wire
	grpc pb.GRPCInferenceServiceClient
}

// load is what is done to one server.
type load struct {
	t        testing.TB
	s        *server
	pictures []*picture
	kinds    []kind
	lots     []int // index into kinds, as often as the kind's weight
	apart    chan struct{}
	tallies  []tally // by kind
	answered atomic.Int64
	started  atomic.Int64

	mu       sync.Mutex
	failures []string
}

// tally counts what became of one kind.
type tally struct {
	sent, wrong atomic.Int64
	mu          sync.Mutex
	statuses    map[int]int64
}

// apartAtOnce is how many of those that take long go on at once.
const apartAtOnce = 32

// failuresKept is how many failures are kept in words.
const failuresKept = 50

func newLoad(t testing.TB, s *server, pictures []*picture, kinds []kind) *load {
	l := &load{t: t, s: s, pictures: pictures, kinds: kinds, tallies: make([]tally, len(kinds)), apart: make(chan struct{}, apartAtOnce)}
	for i, k := range kinds {
		l.lots = append(l.lots, slices.Repeat([]int{i}, k.weight)...)
	}
	return l
}

// fail notes that something was wrong.
func (l *load) fail(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.failures) < failuresKept {
		failure := time.Now().Format("15:04:05 ") + fmt.Sprintf(format, args...)
		l.failures = append(l.failures, failure)
		l.t.Log(failure) // whoever waits for the end may wait for an hour
	}
}

// run lets n clients ask until limit requests have been begun in all, or ctx ends, and returns when all are answered.
func (l *load) run(ctx context.Context, clients int, seed uint64, limit int64) {
	var wg, apart sync.WaitGroup
	for i := range clients {
		conn, err := grpc.NewClient(l.s.grpc, grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithDisableRetry())
		require.NoError(l.t, err)
		wg.Go(func() {
			defer conn.Close()
			c := &client{load: l, rnd: rand.New(rand.NewPCG(seed, uint64(i))), wire: wire{s: l.s}, grpc: pb.NewGRPCInferenceServiceClient(conn)}
			defer c.close()
			for ctx.Err() == nil && l.started.Add(1) <= limit {
				l.one(c, &apart)
			}
		})
	}
	wg.Wait()
	apart.Wait()
}

// one sends one request, of a kind that is drawn.
func (l *load) one(c *client, wg *sync.WaitGroup) {
	i := l.lots[c.rnd.IntN(len(l.lots))]
	if !l.kinds[i].apart {
		l.count(i, c)
		return
	}
	alone := &client{load: l, rnd: rand.New(rand.NewPCG(c.rnd.Uint64(), 0)), wire: wire{s: l.s}, grpc: c.grpc}
	l.apart <- struct{}{}
	wg.Go(func() {
		defer func() { <-l.apart }()
		defer alone.close()
		l.count(i, alone)
	})
}

func (l *load) count(i int, c *client) {
	status, err := l.kinds[i].do(c)
	t := &l.tallies[i]
	t.sent.Add(1)
	if err != nil {
		t.wrong.Add(1)
		l.fail("%s: %v", l.kinds[i].name, err)
	}
	t.mu.Lock()
	if t.statuses == nil {
		t.statuses = make(map[int]int64)
	}
	t.statuses[status]++
	t.mu.Unlock()
	l.answered.Add(1)
}

// counts returns what became of every kind.
func (l *load) counts() []Count {
	var all []Count
	for i := range l.kinds {
		t := &l.tallies[i]
		t.mu.Lock()
		var words []string
		for status, n := range t.statuses {
			words = append(words, fmt.Sprintf("%d: %d", status, n))
		}
		t.mu.Unlock()
		slices.Sort(words)
		all = append(all, Count{l.kinds[i].name, t.sent.Load(), t.wrong.Load(), strings.Join(words, ", ")})
	}
	return all
}

// canned is a request that is made once and sent often, and what its reply has to be.
type canned struct {
	method string
	data   []byte
	check  func(reply) error
}

// ask sends it over the client's connection. A server may close a connection that it kept, such as after a request with errors, while
// the next one is on its way; this load never waits so long for its next one that it should.
func (r *canned) ask(c *client) (int, error) {
	got, err := c.ask(r.method, r.data)
	if err != nil {
		return 0, err
	}
	return got.status, r.check(got)
}

// fromPool is a kind whose requests are drawn from those.
func fromPool(name string, weight int, pool []canned) kind {
	return kind{name: name, weight: weight, do: func(c *client) (int, error) { return pool[c.rnd.IntN(len(pool))].ask(c) }}
}

// wantStatus is the check of a reply of which nothing but its status counts.
func wantStatus(want int) func(reply) error {
	return func(r reply) error {
		if r.status != want {
			return fmt.Errorf("got status %d, %.200s; want %d", r.status, r.body, want)
		}
		return nil
	}
}
