package main

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/torchlit/torchlit/internal/smalldisk"
	"github.com/torchlit/torchlit/torch/torchtest"
)

// reluctant is a writer that a test makes fail or hang.
type reluctant struct {
	mu   sync.Mutex
	err  error
	took int // bytes, before err
	bytes.Buffer
	hang chan struct{} // nil: it does not
}

func (r *reluctant) set(took int, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.took, r.err = took, err
}

func (r *reluctant) Write(p []byte) (int, error) {
	if r.hang != nil {
		<-r.hang
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err != nil {
		n := min(r.took, len(p))
		r.Buffer.Write(p[:n])
		return n, r.err
	}
	return r.Buffer.Write(p)
}

func (r *reluctant) text() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.String()
}

// What cannot be written is counted and said to be lost once; what comes when it can be written again is there.
func TestLinesAreLostAndWrittenAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		core, logs := observer.New(zap.InfoLevel)
		out := &reluctant{}
		w := newLineWriter(out, "the log", zap.New(core))
		say := func(lines ...string) {
			for _, l := range lines {
				n, err := w.Write([]byte(l + "\n"))
				require.NoError(t, err)
				require.Equal(t, len(l)+1, n)
			}
			time.Sleep(lineFlush + time.Millisecond)
			synctest.Wait()
		}
		say("one", "two")
		assert.Equal(t, "one\ntwo\n", out.text())
		out.set(8, errors.New("no space left on device")) // takes "three\nfo"
		say("three", "four", "five")
		assert.EqualValues(t, 2, w.Lost(), "four and five")
		out.set(0, errors.New("no space left on device"))
		for range 30 {
			say("lost")
		}
		time.Sleep(10 * time.Second)
		assert.Equal(t, 1, logs.Len(), "it is said once")
		out.set(0, nil)
		say("six")
		assert.Equal(t, 2, logs.Len())
		assert.Equal(t, "the log is written again", logs.All()[1].Message)
		assert.EqualValues(t, 32, w.Lost())
		_, _ = w.Write([]byte("last\n"))
		assert.True(t, w.Close())
		assert.True(t, strings.HasSuffix(out.text(), "six\nlast\n"), out.text())
	})
}

// A reader that stops reading holds nobody up: neither who has something to say, nor the end.
func TestNobodyWaitsForAReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		core, logs := observer.New(zap.InfoLevel)
		out := &reluctant{hang: make(chan struct{})}
		w := newLineWriter(out, "the log", zap.New(core))
		line := []byte(strings.Repeat("x", 999) + "\n")
		start := time.Now()
		for range 3000 { // the buffer has room for a thousand; as many may be on their way
			_, _ = w.Write(line)
		}
		assert.Zero(t, time.Since(start))
		time.Sleep(time.Minute)
		w.Flush()
		assert.Greater(t, w.Lost(), uint64(500))
		out.hang <- struct{}{}
		time.Sleep(time.Second)
		synctest.Wait()
		assert.Equal(t, 1, logs.Len())
		_, _ = w.Write(line) // how much was on its way before is chance
		start = time.Now()
		assert.False(t, w.Close())
		assert.Equal(t, closeWriter, time.Since(start))
		close(out.hang) // let the goroutine end
	})
}

// Only whole lines are in a file on a disk that was full.
func TestNoHalfLines(t *testing.T) {
	d := smalldisk.New(t, 64<<10)
	f, err := openReopened(filepath.Join(d.Dir, "access.log"))
	require.NoError(t, err)
	line := func(i int) string { return fmt.Sprintf("line %d %s\n", i, strings.Repeat("-", i%977)) }
	var want strings.Builder
	i := 0
	for ; err == nil; i++ {
		var n int
		n, err = f.Write([]byte(line(2*i) + line(2*i+1)))
		both := line(2*i) + line(2*i+1)
		want.WriteString(both[:strings.LastIndexByte(both[:n], '\n')+1])
	}
	data, err := os.ReadFile(f.path)
	require.NoError(t, err)
	assert.Equal(t, want.String(), string(data))
	require.NoError(t, f.Close())
	d.ReadOnly(true)
	assert.Error(t, f.reopen())
	d.ReadOnly(false)
}

// A full disk costs lines of the access log and no request, and when there is room again there are lines again.
func TestAccessLogOnAFullDisk(t *testing.T) {
	torchtest.Need(t)
	d := smalldisk.New(t, 1<<20)
	name := filepath.Join(d.Dir, "access.log")
	s := serveModel(t, "--access-log", name, "--access-log-sampling", "all")
	image := photo(t, 64, 64, 1)
	ask := func() {
		t.Helper()
		_, status, err := post(http.DefaultClient, s.url, "image/jpeg", image)
		require.NoError(t, err)
		require.Equal(t, 200, status)
	}
	lines := func() int {
		data, err := os.ReadFile(name)
		require.NoError(t, err)
		return bytes.Count(data, []byte(`"path":"/v1/classify"`))
	}
	ask()
	require.Eventually(t, func() bool { return lines() == 1 }, 10*time.Second, 10*time.Millisecond)
	free := d.Fill()
	for range 100 { // what is left of the file's last page has room for some
		ask()
	}
	require.Eventually(t, func() bool { return metric(t, s.url, "torchlit_access_log_lost_total") > 0 }, 10*time.Second, 100*time.Millisecond)
	free()
	before := lines()
	ask()
	require.Eventually(t, func() bool { return lines() > before }, 10*time.Second, 10*time.Millisecond)
	s.stop(t)
	assert.Contains(t, s.log.String(), "warn lines of the access log are lost")
	assert.Contains(t, s.log.String(), "info the access log is written again")
}
