package memlimit

import (
	"os"
	"runtime/debug"
	"runtime/metrics"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"
)

// Gate says whether there is room for more. It looks at a Source all the time, because reading it for each request would cost
// more than many a request. Its methods may be called by many goroutines at once; those of a nil Gate say that there is always room.
//
// # What counts
//
// Between two looks, and for as long as a decoder works its way through what it has allocated, memory that was granted is not seen yet as
// used. So whoever asks says how much is promised to those who are under way, and that counts in full beside what is used, as if none of
// it had been touched. Where it has been it counts twice. That is meant: Go's collector lets as much garbage lie as there is
// live memory, and what a request leaves behind is in nobody's budget.
//
// The last part of the limit, the reserve, is for what nobody asks for: stacks, connections, the buffers of a batch.
//
// # The collector
//
// Left alone, Go's collector lets garbage double its heap, whatever limit the process has, and soon there would be no room for
// anybody. Go's own limit (GOMEMLIMIT) bounds that, but it counts what Go takes alone, and more than half of this process is native. So the gate
// sets it anew as that changes: of what the limit leaves when all that is live is taken from it, garbage may have half; the other half is for
// requests. Who has set GOMEMLIMIT is left alone.
//
// Garbage that lies there all the same, in Go or in a C allocator, is given back to the system when somebody was refused.
type Gate struct {
	cfg  Config
	done chan struct{}
	wg   sync.WaitGroup

	limit, used atomic.Int64
	refused     atomic.Bool // somebody, since memory was last given back

	// Of the goroutine that looks.
	failing   bool
	pressed   bool
	relieved  time.Time
	toldSince time.Time
	goLimit   int64
	goLimited time.Time
}

// Config says what a Gate looks at.
type Config struct {
	Source Source

	// Reserve is the part of the limit that is granted to nobody. 0: a sixteenth, at least 16 MiB and at most 256 MiB.
	Reserve int64

	// LeaveGo leaves Go's own memory limit as it is. It is left in any case where the environment has GOMEMLIMIT.
	LeaveGo bool

	// Relieve gives back memory that native code holds without need. It is called at most once a second, when somebody was refused. May
	// be nil.
	Relieve func()

	Logger *zap.Logger // nil for none
}

const (
	minReserve = 16 << 20
	maxReserve = 256 << 20

	lookOften  = 10 * time.Millisecond // when less than a third is left
	lookSeldom = 100 * time.Millisecond

	relieveEvery = time.Second
	goLimitEvery = time.Second
	tellEvery    = time.Minute

	minGoLimit = 32 << 20
)

// Open looks once, and from then on until Close.
func Open(cfg Config) (*Gate, error) {
	g := &Gate{cfg: cfg, done: make(chan struct{})}
	if g.cfg.Logger == nil {
		g.cfg.Logger = zap.NewNop()
	}
	if os.Getenv("GOMEMLIMIT") != "" {
		g.cfg.LeaveGo = true
	}
	if err := g.read(); err != nil {
		return nil, err
	}
	g.wg.Go(g.run)
	return g, nil
}

// Close ends the looking.
func (g *Gate) Close() {
	if g != nil {
		close(g.done)
		g.wg.Wait()
	}
}

// Admit reports whether n bytes more may be taken, where promised bytes were granted to those who are under way.
func (g *Gate) Admit(promised, n int64) bool {
	if g == nil || n <= g.Room()-promised {
		return true
	}
	g.refused.Store(true)
	return false
}

// Fits is Admit for much at once, such as a model: it looks first, and gives back what nobody uses before it says no. The usage is what
// it saw last.
func (g *Gate) Fits(n int64) (Usage, bool) {
	if g == nil {
		return Usage{}, true
	}
	_ = g.read() // else what was seen before counts
	if n > g.Room() {
		g.relieve()
		_ = g.read()
	}
	return g.Usage(), n <= g.Room()
}

// Room is how many bytes there are without the reserve; below zero, that much of the reserve is taken.
func (g *Gate) Room() int64 {
	if g == nil {
		return unlimited
	}
	return g.limit.Load() - g.Reserve() - g.used.Load()
}

// Usage is what was last seen; zero for a nil Gate.
func (g *Gate) Usage() Usage {
	if g == nil {
		return Usage{}
	}
	return Usage{g.limit.Load(), g.used.Load()}
}

// Reserve is Config.Reserve, or what stands for it under the limit that is: a container's can be changed while it runs.
func (g *Gate) Reserve() int64 {
	if g.cfg.Reserve != 0 {
		return g.cfg.Reserve
	}
	return min(max(g.limit.Load()/16, minReserve), maxReserve)
}

func (g *Gate) run() {
	for wait := lookOften; ; {
		select {
		case <-time.After(wait):
		case <-g.done:
			return
		}
		g.look()
		wait = lookSeldom
		if g.Room() < g.limit.Load()/3 {
			wait = lookOften
		}
	}
}

// look reads the usage and acts on it.
func (g *Gate) look() {
	if err := g.read(); err != nil {
		if !g.failing {
			g.cfg.Logger.Warn("cannot see how much memory is used; what was seen last counts on", zap.Error(err))
		}
		g.failing = true
		return
	}
	g.failing = false
	g.followGo()
	now := time.Now()
	refused := g.refused.Load()
	if refused {
		g.tell(now)
	}
	switch {
	case refused && now.Sub(g.relieved) >= relieveEvery:
		g.relieved = now
		g.refused.Store(false)
		g.relieve()
	case g.pressed && !refused && now.Sub(g.relieved) >= relieveEvery:
		g.pressed = false
		g.cfg.Logger.Info("there is room in memory again")
	}
}

// tell says that there is no room, when that begins and not more often than tellEvery.
func (g *Gate) tell(now time.Time) {
	if g.pressed || now.Sub(g.toldSince) < tellEvery && !g.toldSince.IsZero() {
		return
	}
	g.pressed, g.toldSince = true, now
	u := g.Usage()
	g.cfg.Logger.Warn("memory is short: what needs more is refused until there is room; raise the limit, or lower --max-conns, --max-queue or what is loaded",
		zap.Int64("limit", u.Limit), zap.Int64("used", u.Used), zap.Int64("reserve", g.Reserve()))
}

// relieve gives back to the system what nobody uses.
func (g *Gate) relieve() {
	debug.FreeOSMemory()
	if g.cfg.Relieve != nil {
		g.cfg.Relieve()
	}
}

func (g *Gate) read() error {
	u, err := g.cfg.Source()
	if err != nil {
		return err
	}
	g.limit.Store(u.Limit)
	g.used.Store(u.Used)
	return nil
}

// followGo sets Go's limit: see the collector above.
func (g *Gate) followGo() {
	now := time.Now()
	if g.cfg.LeaveGo || now.Sub(g.goLimited) < goLimitEvery {
		return
	}
	g.goLimited = now
	all, live := goMemory()
	u := g.Usage()
	free := u.Limit - g.Reserve() - max(0, u.Used-all) - live
	want := max(live+free/2, minGoLimit)
	if change := want - g.goLimit; change > want/32 || change < -want/32 { // it stops the world for a moment
		g.goLimit = want
		debug.SetMemoryLimit(want)
	}
}

// goMemory is what Go's limit counts: what its runtime has from the system and has not given back; and what of it is no garbage, as the
// last collection found it.
func goMemory() (all, live int64) {
	s := []metrics.Sample{
		{Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"}, {Name: "/gc/heap/live:bytes"},
		{Name: "/memory/classes/heap/objects:bytes"}, {Name: "/memory/classes/heap/unused:bytes"}, {Name: "/memory/classes/heap/free:bytes"},
	}
	metrics.Read(s)
	n := func(i int) int64 { return int64(s[i].Value.Uint64()) }
	all = n(0) - n(1)
	return all, all - n(3) - n(4) - n(5) + n(2)
}
