package memlimit

import (
	"errors"
	"math"
	"runtime/debug"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// meter is a source that a test turns.
type meter struct {
	limit, used atomic.Int64
	broken      atomic.Bool
	looks       atomic.Int64
}

func (m *meter) read() (Usage, error) {
	m.looks.Add(1)
	if m.broken.Load() {
		return Usage{}, errors.New("no such file")
	}
	return Usage{m.limit.Load(), m.used.Load()}, nil
}

const mib = 1 << 20

func openGate(t *testing.T, m *meter, relieve func()) (*Gate, *observer.ObservedLogs) {
	t.Helper()
	core, logs := observer.New(zap.InfoLevel)
	g, err := Open(Config{Source: m.read, LeaveGo: true, Logger: zap.New(core), Relieve: relieve})
	require.NoError(t, err)
	t.Cleanup(g.Close)
	return g, logs
}

// What is promised counts beside what is used, and the reserve is granted to nobody.
func TestAdmit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &meter{}
		m.limit.Store(1600 * mib)
		m.used.Store(1000 * mib)
		g, _ := openGate(t, m, nil)
		assert.EqualValues(t, 100*mib, g.Reserve())
		assert.True(t, g.Admit(0, 500*mib))
		assert.False(t, g.Admit(0, 500*mib+1))
		assert.True(t, g.Admit(400*mib, 100*mib))
		assert.False(t, g.Admit(401*mib, 100*mib))
		assert.True(t, g.Admit(500*mib, 0))
		m.used.Store(1550 * mib)
		time.Sleep(time.Second)
		synctest.Wait()
		assert.False(t, g.Admit(0, 0), "part of the reserve is taken")
		m.limit.Store(16000 * mib) // a container's limit can be changed
		time.Sleep(time.Second)
		synctest.Wait()
		assert.EqualValues(t, 256*mib, g.Reserve())
		assert.EqualValues(t, (16000-256-1550)*mib, g.Room())
	})
}

// Without room it gives back what nobody uses, once a second and only when somebody was refused, says so, and says when it is over.
func TestRelief(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, relieved := &meter{}, 0
		m.limit.Store(1600 * mib)
		m.used.Store(1590 * mib)
		g, logs := openGate(t, m, func() { relieved++ })
		time.Sleep(10 * time.Second)
		synctest.Wait()
		assert.Zero(t, relieved, "nobody wanted anything")
		for range 300 { // 3 s
			g.Admit(0, 1)
			time.Sleep(10 * time.Millisecond)
		}
		synctest.Wait()
		assert.InDelta(t, 3, relieved, 1)
		assert.Equal(t, 1, logs.FilterMessageSnippet("memory is short").Len())
		m.used.Store(100 * mib)
		time.Sleep(3 * time.Second)
		synctest.Wait()
		assert.True(t, g.Admit(0, 1000*mib))
		assert.Equal(t, 1, logs.FilterMessageSnippet("room in memory again").Len())
		assert.Equal(t, 2, logs.Len())
	})
}

// Much at once is looked at afresh, and refused only when giving back did not help.
func TestFits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &meter{}
		m.limit.Store(1600 * mib)
		m.used.Store(1400 * mib)
		g, _ := openGate(t, m, func() { m.used.Add(-300 * mib) })
		u, ok := g.Fits(300 * mib)
		assert.True(t, ok)
		assert.Equal(t, Usage{1600 * mib, 1100 * mib}, u)
		m.used.Store(1500 * mib)
		_, ok = g.Fits(1000 * mib)
		assert.False(t, ok)
	})
}

// It looks often while there is little left, and seldom otherwise; and what it saw last counts while it sees nothing.
func TestLooks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &meter{}
		m.limit.Store(1600 * mib)
		g, logs := openGate(t, m, nil)
		during := func(d time.Duration) int64 {
			before := m.looks.Load()
			time.Sleep(d)
			synctest.Wait()
			return m.looks.Load() - before
		}
		during(time.Second)
		assert.InDelta(t, 10, during(time.Second), 1)
		m.used.Store(1300 * mib)
		during(time.Second)
		assert.InDelta(t, 100, during(time.Second), 2)
		m.broken.Store(true)
		during(time.Second)
		assert.Equal(t, Usage{1600 * mib, 1300 * mib}, g.Usage())
		assert.Equal(t, 1, logs.FilterMessageSnippet("cannot see how much").Len(), "it is said once")
	})
}

func TestNoGate(t *testing.T) {
	var g *Gate
	assert.True(t, g.Admit(math.MaxInt64/2, math.MaxInt64/2))
	_, ok := g.Fits(math.MaxInt64)
	assert.True(t, ok)
	assert.Equal(t, Usage{}, g.Usage())
	g.Close()
}

// Go's limit is what is live and half of what is left then, whoever else takes memory; GOMEMLIMIT in the environment stays.
func TestFollowGo(t *testing.T) {
	defer debug.SetMemoryLimit(debug.SetMemoryLimit(-1))
	f := func(m *meter) int64 {
		g := &Gate{cfg: Config{Source: m.read, Reserve: 100 * mib}}
		require.NoError(t, g.read())
		g.followGo()
		return debug.SetMemoryLimit(-1)
	}
	m := &meter{}
	m.limit.Store(1600 * mib)
	m.used.Store(1000 * mib) // nearly all of it native
	tight := f(m)
	assert.InDelta(t, 250*mib, tight, 40*mib)
	m.used.Store(400 * mib)
	assert.InDelta(t, 550*mib, f(m), 40*mib)
	m.used.Store(1590 * mib)
	assert.LessOrEqual(t, f(m), int64(minGoLimit+32*mib))

	t.Setenv("GOMEMLIMIT", "1GiB")
	debug.SetMemoryLimit(1 << 30)
	g, err := Open(Config{Source: m.read})
	require.NoError(t, err)
	defer g.Close()
	g.followGo()
	assert.EqualValues(t, 1<<30, debug.SetMemoryLimit(-1))
}

func TestAdmitDoesNotAllocate(t *testing.T) {
	m := &meter{}
	m.limit.Store(100 * mib)
	g, err := Open(Config{Source: m.read, LeaveGo: true})
	require.NoError(t, err)
	defer g.Close()
	assert.Zero(t, testing.AllocsPerRun(100, func() { g.Admit(5, 6) }))
}

func TestOpenFails(t *testing.T) {
	m := &meter{}
	m.broken.Store(true)
	_, err := Open(Config{Source: m.read})
	assert.Error(t, err)
}
