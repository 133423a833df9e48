//go:build linux

package isolate

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/torchlit/torchlit/vision"
)

// pool is a Pool under test.
type pool struct {
	*Pool
	memory *vision.Memory
	mu     sync.Mutex
	ends   []End
}

func openPool(t testing.TB, workers int, change func(*Config)) *pool {
	t.Helper()
	exe, err := os.Executable()
	require.NoError(t, err)
	p := &pool{memory: vision.NewMemory(256 << 20)}
	cfg := Config{
		Command: []string{exe, "decode-worker"}, Workers: workers,
		MaxBytes: 8 << 20, MaxPixels: 16 << 20, Memory: p.memory.Limit(), Timeout: time.Minute,
		Ended: func(e End) {
			p.mu.Lock()
			defer p.mu.Unlock()
			p.ends = append(p.ends, e)
		},
		env: []string{"ISOLATE_HOOKS=1", "GORACE=atexit_sleep_ms=0"}, maxRest: time.Millisecond,
	}
	if change != nil {
		change(&cfg)
	}
	p.Pool, err = Open(cfg)
	require.NoError(t, err)
	t.Cleanup(func() {
		p.Close()
		assert.Zero(t, p.memory.Used(), "memory is not given back")
		assert.Empty(t, children(t), "workers outlive their pool")
	})
	return p
}

// ended waits for so many ends of workers.
func (p *pool) ended(t testing.TB, n int) []End {
	t.Helper()
	var got []End
	require.Eventually(t, func() bool {
		p.mu.Lock()
		defer p.mu.Unlock()
		got = append(got[:0], p.ends...)
		return len(got) >= n
	}, time.Minute, time.Millisecond, "ends of workers")
	return got
}

var small = vision.Preprocess{Width: 16, Height: 16, CropPct: 1}

func (p *pool) read(ctx context.Context, data []byte) ([]byte, error) {
	dst := make([]byte, small.Size())
	return dst, p.Read(ctx, &small, data, vision.Limits{Memory: p.memory}, vision.PillowResizer, dst)
}

func (p *pool) hook(t testing.TB, text string) error {
	t.Helper()
	_, err := p.read(t.Context(), []byte(text))
	require.Error(t, err)
	return err
}

// children are the processes that this one has started.
func children(t testing.TB) (pids []string) {
	t.Helper()
	tasks, err := filepath.Glob("/proc/self/task/*/children")
	require.NoError(t, err)
	for _, f := range tasks {
		if text, err := os.ReadFile(f); err == nil {
			pids = append(pids, strings.Fields(string(text))...)
		}
	}
	return pids
}

func photo(t testing.TB) []byte {
	t.Helper()
	data, err := os.ReadFile("../testdata/photo.jpg")
	require.NoError(t, err)
	return data
}

// Every picture that the tests of package vision have, and what is none, comes out of a worker as it does without: the same pixels, the
// same error, drafts included.
func TestSameAsInProcess(t *testing.T) {
	p := openPool(t, 2, nil)
	files, err := filepath.Glob("../testdata/*.*")
	require.NoError(t, err)
	more, err := filepath.Glob("../testdata/decoded/*.*")
	require.NoError(t, err)
	if dir := os.Getenv("TORCHLIT_PHOTOS"); dir != "" {
		photos, err := filepath.Glob(filepath.Join(dir, "*.*"))
		require.NoError(t, err)
		more = append(more, photos...)
	}
	pres := []vision.Preprocess{
		{Width: 224, Height: 224}, small, {Width: 4, Height: 4, CropPct: 1}, {Width: 16, Height: 16, CropPct: 1, Exact: true},
		{Width: 20, Height: 10, CropMode: vision.CropBorder, Mean: [3]float32{0.5, 0.2, 0.1}}, {Width: 5, Height: 5, CropMode: vision.CropSquash, CropPct: 0.9},
	}
	same, errs := 0, 0
	f := func(name string, data []byte, lim vision.Limits) {
		t.Helper()
		for _, pre := range pres {
			want, got := make([]byte, pre.Size()), make([]byte, pre.Size())
			wantErr := pre.Read(data, lim, vision.PillowResizer, want)
			gotErr := p.Read(t.Context(), &pre, data, lim, vision.PillowResizer, got)
			if wantErr != nil {
				errs++
				require.EqualError(t, gotErr, wantErr.Error(), name)
				require.Equal(t, errors.Unwrap(wantErr), errors.Unwrap(gotErr), name)
				continue
			}
			same++
			require.NoError(t, gotErr, name)
			require.Equal(t, want, got, "%s, %+v", name, pre)
		}
	}
	for _, file := range append(files, more...) {
		data, err := os.ReadFile(file)
		require.NoError(t, err)
		if len(data) > 8<<20 {
			continue
		}
		f(file, data, vision.Limits{})
		f(file, data, vision.Limits{Memory: p.memory})
		f(file, data, vision.Limits{Memory: vision.NewMemory(1 << 16)})
		f(file, data, vision.Limits{MaxPixels: 1000, Memory: p.memory})
		f(file+" cut short", data[:len(data)/2], vision.Limits{Memory: p.memory})
	}
	f("nothing", nil, vision.Limits{})
	f("text", []byte("no picture at all"), vision.Limits{})
	t.Logf("%d pictures the same, %d errors the same", same, errs)
	assert.Greater(t, same, 500)
	assert.Greater(t, errs, 500)
	assert.Empty(t, p.ended(t, 0), "a worker ended")
}

// A crash, a hang and nonsense each cost the one request whose image it was, and the worker is replaced.
func TestOneRequestIsLost(t *testing.T) {
	p := openPool(t, 2, func(c *Config) { c.Timeout = time.Second })
	good := photo(t)
	want, err := p.read(t.Context(), good)
	require.NoError(t, err)
	n := 0
	f := func(hook, reason string, is error) {
		t.Helper()
		err := p.hook(t, hook)
		require.ErrorIs(t, err, is, hook)
		n++
		end := p.ended(t, n)[n-1]
		assert.Equal(t, reason, end.Reason, "%s: %s", hook, end.Detail)
		for range 2 {
			got, err := p.read(t.Context(), good)
			require.NoError(t, err, "after %s", hook)
			require.Equal(t, want, got)
		}
		require.Eventually(t, func() bool { return p.Alive() == 2 }, time.Minute, time.Millisecond)
	}
	f("segv", Crashed, ErrCrashed)
	f("panic", Crashed, ErrCrashed)
	f("exit", Crashed, ErrCrashed)
	f("hang", Stuck, ErrStuck)
	f("spin", Stuck, ErrStuck)
	f("say ", Nonsense, ErrCrashed)
	f("say "+strings.Repeat("x", 3000), Nonsense, ErrCrashed)
	f("say "+string(appendDecoded(nil, 1<<40, 1, 1, 1)), Nonsense, ErrCrashed)
	ends := p.ended(t, n)
	assert.Contains(t, ends[0].Detail, "unexpected fault address")
	assert.Contains(t, ends[1].Detail, "a panic that nobody recovers")
	for _, e := range ends {
		assert.Less(t, len(e.Detail), maxWords+100)
		assert.NotContains(t, e.Detail, "\n")
	}
}

// What a worker may not do either ends it or is refused to it, whoever it is run by.
func TestLockedIn(t *testing.T) {
	inherited, err := syscall.Dup(int(must(os.Open("pool_test.go")).Fd())) // as from a shell
	require.NoError(t, err)
	defer syscall.Close(inherited)
	p := openPool(t, 1, nil)
	t.Log(p.Says())
	assert.Contains(t, p.Says(), "seccomp")
	if os.Getuid() == 0 {
		assert.Contains(t, p.Says(), "uid 65534")
	}
	for _, f := range openFiles(t, p.anyPID(t)) {
		assert.Regexp(t, `^(socket|pipe|anon_inode):|^/sys/fs/cgroup/`, f) // the runtime reads its share of processors
	}
	limits, err := os.ReadFile(fmt.Sprintf("/proc/%d/limits", p.anyPID(t)))
	require.NoError(t, err)
	for _, l := range []string{"core file size", "open files", "file size"} {
		assert.Regexp(t, `(?m)^Max `+l+` +0 +0 `, string(limits))
	}
	secret := filepath.Join(t.TempDir(), "secret")
	require.NoError(t, os.WriteFile(secret, []byte("secret"), 0o644))
	fails := func(hook, why string) {
		t.Helper()
		err := p.hook(t, hook)
		require.ErrorIs(t, err, vision.ErrCorrupt, hook)
		assert.Contains(t, err.Error(), why)
	}
	fails("open "+secret, "operation not permitted")
	fails("open /proc/self/environ", "operation not permitted")
	fails("create "+secret+"2", "operation not permitted")
	fails("spawn", "operation not permitted") // it begins with opening /dev/null
	fails("thread", "<nil>")                  // of the Go runtime, which it may
	assert.Empty(t, p.ended(t, 0))
	n := 0
	dies := func(hook string) {
		t.Helper()
		require.ErrorIs(t, p.hook(t, hook), ErrCrashed, hook)
		n++
		end := p.ended(t, n)[n-1]
		assert.Equal(t, Forbidden, end.Reason, "%s: %s", hook, end.Detail)
	}
	dies("dial 127.0.0.1:1")
	dies("exec")
	dies("process")
	dies("kill")
	dies("setuid")
	dies("ptrace")
	dies("seal")
	dies("code")
}

// A worker that wants all memory ends at its own bound, not at the machine's.
func TestMemoryIsBound(t *testing.T) {
	p := openPool(t, 1, func(c *Config) { c.Memory = 64 << 20 })
	require.ErrorIs(t, p.hook(t, "eat"), ErrCrashed)
	end := p.ended(t, 1)[0]
	assert.Equal(t, NoMemory, end.Reason, end.Detail)
	_, err := p.read(t.Context(), photo(t))
	require.NoError(t, err)
}

// A worker that is dead before it is given an image harms no request: the image goes to another.
func TestDeadBeforeTheImage(t *testing.T) {
	p := openPool(t, 1, nil)
	w, err := p.take(t.Context())
	require.NoError(t, err)
	require.NoError(t, w.cmd.Process.Kill())
	<-w.dead
	x := exchange{pool: p.Pool, w: w, lim: vision.Limits{Memory: p.memory}}
	_, err = x.decode(t.Context(), &small, photo(t))
	require.ErrorIs(t, err, errUndelivered)
	x.end()
	_, err = p.read(t.Context(), photo(t))
	require.NoError(t, err)
}

// The request whose deadline comes while a worker is at its image does not wait for it, and the worker lives on.
func TestDeadlineWhileDecoding(t *testing.T) {
	p := openPool(t, 1, nil)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err := p.read(ctx, []byte("sleep 500ms"))
	require.ErrorIs(t, err, context.DeadlineExceeded)
	_, err = p.read(ctx, photo(t))
	require.ErrorIs(t, err, context.DeadlineExceeded, "the only worker is busy")
	_, err = p.read(t.Context(), photo(t))
	require.NoError(t, err)
	assert.Empty(t, p.ended(t, 0))
}

// Under load workers are killed from outside. Who has lost his worker hears so; all others get the right pixels.
func TestKillsUnderLoad(t *testing.T) {
	p := openPool(t, 2, nil)
	kills(t, p, 30)
}

func kills(t *testing.T, p *pool, n int) {
	good := photo(t)
	want, err := p.read(t.Context(), good)
	require.NoError(t, err)
	before := descriptors(t)
	ctx, cancel := context.WithCancel(t.Context())
	var mu sync.Mutex
	answered, lost := 0, 0
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for ctx.Err() == nil {
				got, err := p.read(context.Background(), good)
				mu.Lock()
				switch {
				case err == nil:
					answered++
					assert.Equal(t, want, got)
				case errors.Is(err, ErrCrashed):
					lost++
				default:
					assert.NoError(t, err)
				}
				mu.Unlock()
			}
		})
	}
	signals := []syscall.Signal{syscall.SIGKILL, syscall.SIGSEGV, syscall.SIGKILL, syscall.SIGBUS}
	for i := range n {
		require.Eventually(t, func() bool {
			mu.Lock()
			defer mu.Unlock()
			return answered > 2*i
		}, time.Minute, time.Millisecond)
		pid := p.anyPID(t)
		require.NoError(t, syscall.Kill(pid, signals[i%len(signals)]))
		p.ended(t, i+1)
	}
	cancel()
	wg.Wait()
	t.Logf("%d kills: %d answered, %d lost", n, answered, lost)
	assert.LessOrEqual(t, lost, n)
	require.Eventually(t, func() bool { return p.Alive() == 2 }, time.Minute, time.Millisecond)
	assert.LessOrEqual(t, descriptors(t), before+2, "descriptors are left open") // the Go runtime's own may come
	assert.Len(t, children(t), 2)
}

// anyPID is that of a worker that is ready.
func (p *pool) anyPID(t testing.TB) (pid int) {
	t.Helper()
	require.Eventually(t, func() bool {
		p.Pool.mu.Lock()
		defer p.Pool.mu.Unlock()
		for w := range p.alive {
			pid = w.cmd.Process.Pid
		}
		return len(p.alive) > 0
	}, time.Minute, time.Millisecond)
	return pid
}

func descriptors(t testing.TB) int {
	t.Helper()
	list, err := os.ReadDir("/proc/self/fd")
	require.NoError(t, err)
	return len(list)
}

// Who sends nothing but poison makes workers rest, and others hear at once that there is none. They are back when he stops.
func TestStormIsBounded(t *testing.T) {
	p := openPool(t, 1, func(c *Config) { c.maxRest = 300 * time.Millisecond })
	var rest time.Duration
	for n := 1; rest < 300*time.Millisecond; n++ {
		require.Less(t, n, 20)
		require.Eventually(t, func() bool {
			_, err := p.read(t.Context(), []byte("segv"))
			require.Error(t, err)
			return errors.Is(err, ErrCrashed)
		}, time.Minute, time.Millisecond)
		rest = p.ended(t, n)[n-1].Rest
	}
	require.Eventually(t, func() bool {
		_, err := p.read(t.Context(), photo(t))
		return errors.Is(err, ErrUnavailable)
	}, time.Second, time.Millisecond)
	require.Eventually(t, func() bool {
		_, err := p.read(t.Context(), photo(t))
		return err == nil
	}, time.Minute, time.Millisecond)
}

func TestNextRest(t *testing.T) {
	f := func(last, lived time.Duration, failed bool, want time.Duration) {
		t.Helper()
		assert.Equal(t, want, nextRest(last, lived, failed, maxRest))
	}
	f(0, time.Second, false, 1) // at once
	f(1, time.Second, false, minRest)
	f(minRest, time.Second, false, 2*minRest)
	f(maxRest, time.Second, false, maxRest)
	f(maxRest, calm, false, 0)
	f(0, 0, true, minRest)
}

// Many more ask than there are workers, with memory for two pictures at once: all come to their turn.
func TestMemoryIsShared(t *testing.T) {
	p := openPool(t, 3, nil)
	large := largeJPEG(t, 2400, 1800)
	tight := vision.NewMemory(30 << 20) // one takes 13 MB, more than is in hand at first
	want := make([]byte, small.Size())
	exact := small
	exact.Exact = true
	require.NoError(t, exact.Read(large, vision.Limits{}, vision.PillowResizer, want))
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 3 {
				got := make([]byte, small.Size())
				if assert.NoError(t, p.Read(t.Context(), &exact, large, vision.Limits{Memory: tight}, vision.PillowResizer, got)) {
					assert.Equal(t, want, got)
				}
			}
		})
	}
	wg.Wait()
	assert.Zero(t, tight.Used())
}

// Memory that the process may not take is refused to a picture here as there, before its worker is given it or when that wants more; the
// worker goes on.
func TestMemoryIsRefused(t *testing.T) {
	p := openPool(t, 1, nil)
	full := errors.New("no room in this test")
	var most int64
	guarded := vision.NewMemory(256 << 20)
	guarded.Guard(func(n int64) error {
		if n > most {
			return full
		}
		return nil
	})
	exact := small
	exact.Exact = true
	large := largeJPEG(t, 2400, 1800) // takes 13 MB
	read := func(data []byte) error {
		return p.Read(t.Context(), &exact, data, vision.Limits{Memory: guarded}, vision.PillowResizer, make([]byte, small.Size()))
	}
	f := func(limit int64, data []byte, want error) {
		t.Helper()
		most = limit
		require.ErrorIs(t, read(data), want)
		assert.Zero(t, guarded.Used())
	}
	f(1<<20, photo(t), full)
	f(inHand, photo(t), nil)
	f(inHand, large, full)
	f(64<<20, large, nil)
	assert.Empty(t, p.ended(t, 0), "a worker ended")
}

// Close under load: whoever is cut off hears why, nobody waits for ever, and a second Close does nothing.
func TestClose(t *testing.T) {
	p := openPool(t, 2, nil)
	var wg sync.WaitGroup
	for i := range 6 {
		wg.Go(func() {
			for {
				text := photo(t)
				if i == 0 {
					text = []byte("hang")
				}
				if _, err := p.read(context.Background(), text); err != nil {
					assert.ErrorIs(t, err, ErrClosed)
					return
				}
			}
		})
	}
	time.Sleep(100 * time.Millisecond)
	p.Close()
	p.Close()
	wg.Wait()
	_, err := p.read(t.Context(), photo(t))
	require.ErrorIs(t, err, ErrClosed)
}

// A program that is no worker is an error of Open, with its last words.
func TestOpenFails(t *testing.T) {
	exe, err := os.Executable()
	require.NoError(t, err)
	cfg := Config{Workers: 2, MaxBytes: 1 << 20, MaxPixels: 1 << 20, Memory: 1 << 20, Timeout: time.Second}
	f := func(says string, command ...string) {
		t.Helper()
		cfg.Command = command
		_, err := Open(cfg)
		require.ErrorContains(t, err, says)
	}
	f("no such file", "/nowhere/torchlit")
	f("exit", "/bin/sh", "-c", "exit 3")
	f("I am no decoder", "/bin/sh", "-c", "echo I am no decoder >&2")
	f("--decode-isolation=process", exe, "decode-worker", "4")
}

// The workers of a process that is killed end with it.
func TestWorkersEndWithTheirParent(t *testing.T) {
	if os.Getenv("ISOLATE_PARENT") != "" {
		p := openPool(t, 2, nil)
		fmt.Println("workers", strings.Join(children(t), " "))
		go p.read(t.Context(), []byte("spin")) //nolint:errcheck // killed
		time.Sleep(time.Hour)
	}
	cmd := parentCommand(t)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	pids := workersOf(t, out)
	require.Len(t, pids, 2)
	time.Sleep(50 * time.Millisecond) // one of them spins
	require.NoError(t, cmd.Process.Kill())
	_ = cmd.Wait()
	for _, pid := range pids {
		require.Eventually(t, func() bool { return errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) || zombie(pid) }, 10*time.Second, time.Millisecond)
	}
}
