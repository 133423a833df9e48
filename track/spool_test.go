package track

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

// fakeSink takes events as its answer function says; nil takes everything.
type fakeSink struct {
	mu     sync.Mutex
	got    []Event
	calls  int
	answer func(ctx context.Context, call int, events []Event) (int, error)
}

func (f *fakeSink) Send(ctx context.Context, events []Event) (int, error) {
	f.mu.Lock()
	f.calls++
	call := f.calls
	f.mu.Unlock()
	n, err := len(events), error(nil)
	if f.answer != nil {
		n, err = f.answer(ctx, call, events)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.got = append(f.got, events[:n]...)
	return n, err
}

// steps returns the steps of the figures that came, in order.
func (f *fakeSink) steps() []int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	var steps []int64
	for _, e := range f.got {
		if e.Kind == EventLog {
			steps = append(steps, e.Step)
		}
	}
	return steps
}

func (f *fakeSink) count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.calls
}

// warnings collects what a tracker warns of.
type warnings struct {
	mu   sync.Mutex
	list []string
}

func (w *warnings) warn(s string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.list = append(w.list, s)
}

func (w *warnings) all() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]string(nil), w.list...)
}

func testSpool(t *testing.T, sink Sink, o SpoolOptions) (*Spool, *warnings) {
	t.Helper()
	var w warnings
	if o.Path == "" {
		o.Dir = t.TempDir()
		o.Path = filepath.Join(o.Dir, "test.spool")
	}
	o.Name, o.Command, o.Warn = "the server", "torchlit upload RUN", w.warn
	s, err := NewSpool(sink, o)
	require.NoError(t, err)
	return s, &w
}

func logSteps(t *testing.T, s *Spool, from, to int64) {
	t.Helper()
	for i := from; i <= to; i++ {
		require.NoError(t, s.Log(i, map[string]float64{"loss": 1 / float64(i)}))
	}
}

func upTo(n int64) (steps []int64) {
	for i := int64(1); i <= n; i++ {
		steps = append(steps, i)
	}
	return steps
}

func TestSpoolDeliversAsItWas(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var sink fakeSink
		s, w := testSpool(t, &sink, SpoolOptions{})
		now := time.Now().UnixMilli()
		model := filepath.Join(s.o.Dir, "model")
		s.Begin("run", map[string]string{"optim.lr": "0.1"}, map[string]string{"a": "b"}, true)
		metrics := map[string]float64{"a": math.NaN(), "b": math.Inf(1), "c": math.Inf(-1), "d": 0.1}
		require.NoError(t, s.Log(7, metrics))
		metrics["d"] = 5 // the spool keeps no reference
		picture := []byte{1, 2, 3}
		require.NoError(t, s.Image(8, "worst", picture, "the worst"))
		picture[0] = 9
		require.NoError(t, s.Histogram(8, "weights", []float32{1}))
		require.NoError(t, s.Artifact("model", "model", model))
		require.NoError(t, s.Artifact("data", "dataset", "/elsewhere"))
		require.NoError(t, s.Finish(StatusFailed, map[string]float64{"best": 0.5}))
		require.NoError(t, s.Finish(StatusFinished, nil), "finishing twice is harmless")
		require.NoError(t, s.Log(9, nil), "after Finish nothing is taken, and nothing breaks")

		require.Len(t, sink.got, 6)
		figures := sink.got[1].Metrics
		require.True(t, math.IsNaN(figures["a"]))
		delete(figures, "a")
		require.Equal(t, []Event{
			{Kind: EventBegin, Time: now, Name: "run", Params: map[string]string{"optim.lr": "0.1"}, Tags: map[string]string{"a": "b"}, Resumed: true},
			{Kind: EventLog, Time: now, Step: 7, Metrics: Figures{"b": math.Inf(1), "c": math.Inf(-1), "d": 0.1}},
			{Kind: EventImage, Time: now, Step: 8, Name: "worst", PNG: []byte{1, 2, 3}, Caption: "the worst"},
			{Kind: EventArtifact, Time: now, Name: "model", ArtifactKind: "model", Path: model},
			{Kind: EventArtifact, Time: now, Name: "data", ArtifactKind: "dataset", Path: "/elsewhere"},
			{Kind: EventFinish, Time: now, Status: StatusFailed, Metrics: Figures{"best": 0.5}},
		}, sink.got)
		require.Empty(t, w.all())
		require.NoFileExists(t, s.o.Path, "nothing waits")
	})
}

// TestSpoolOutlastsTrouble lets the server fail for two hours, then answer.
func TestSpoolOutlastsTrouble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		up := time.Now().Add(2 * time.Hour)
		sink := fakeSink{answer: func(_ context.Context, _ int, events []Event) (int, error) {
			if time.Now().Before(up) {
				return 0, errors.New("connection refused")
			}
			return len(events), nil
		}}
		s, w := testSpool(t, &sink, SpoolOptions{})
		for i := range int64(60) {
			logSteps(t, s, i+1, i+1)
			time.Sleep(time.Minute)
		}
		require.Empty(t, sink.steps())
		require.Less(t, sink.count(), 40, "waits between tries grow to minutes")
		time.Sleep(2 * time.Hour)
		require.Equal(t, upTo(60), sink.steps())
		logSteps(t, s, 61, 61)
		require.NoError(t, s.Finish(StatusFinished, nil))
		require.Equal(t, upTo(61), sink.steps())
		require.Len(t, w.all(), 2)
		require.Contains(t, w.all()[0], "the server takes nothing: connection refused; the run goes on")
		require.Equal(t, "the server takes records again", w.all()[1])
	})
}

// TestSpoolOfAServerThatHangs: Finish waits as long as it may, and what is left can
// be sent later.
func TestSpoolOfAServerThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sink := fakeSink{answer: func(ctx context.Context, _ int, _ []Event) (int, error) {
			<-ctx.Done()
			return 0, ctx.Err()
		}}
		s, w := testSpool(t, &sink, SpoolOptions{})
		start := time.Now()
		logSteps(t, s, 1, 100)
		require.NoError(t, s.Artifact("model", "model", filepath.Join(s.o.Dir, "model")))
		require.Zero(t, time.Since(start), "nothing waits for the server")
		require.NoError(t, s.Finish(StatusFinished, nil))
		require.Equal(t, 30*time.Second, time.Since(start))
		require.Empty(t, sink.got)
		require.Len(t, w.all(), 1)
		require.Equal(t, fmt.Sprintf("the server has not received 102 of this run's records within 30s: they are in %q; "+
			"send them later with: torchlit upload RUN", s.o.Path), w.all()[0])

		// The run folder may have moved since.
		moved := filepath.Join(t.TempDir(), "moved")
		require.NoError(t, os.Rename(s.o.Dir, moved))
		var later fakeSink
		o := SpoolOptions{Path: filepath.Join(moved, "test.spool"), Dir: moved, Name: "the server", Warn: w.warn}
		sent, err := Upload(t.Context(), &later, o)
		require.NoError(t, err)
		require.Equal(t, 102, sent)
		require.Equal(t, upTo(100), later.steps())
		require.Equal(t, filepath.Join(moved, "model"), later.got[100].Path)
		require.Equal(t, StatusFinished, later.got[101].Status)
		require.Len(t, w.all(), 1)

		sent, err = Upload(t.Context(), &later, o)
		require.NoError(t, err)
		require.Zero(t, sent, "nothing is left")
	})
}

// TestSpoolOfASinkThatCannotStop: a sink that ignores its context does not keep the
// process from ending.
func TestSpoolOfASinkThatCannotStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		sink := fakeSink{answer: func(_ context.Context, _ int, events []Event) (int, error) {
			<-release
			return len(events), nil
		}}
		s, w := testSpool(t, &sink, SpoolOptions{FinishWait: time.Second})
		logSteps(t, s, 1, 1)
		start := time.Now()
		require.NoError(t, s.Finish(StatusFinished, nil))
		require.Equal(t, time.Second+stopGrace, time.Since(start))
		require.Contains(t, w.all()[0], "it hangs even when told to stop")
		close(release)
	})
}

// slowSink takes one event that needs long, and tells that it gets on.
type slowSink struct {
	takes, until time.Duration // it gets on until then
	start        time.Time
	ended        bool
}

func (s *slowSink) Send(ctx context.Context, events []Event) (int, error) {
	select {
	case <-time.After(s.takes):
		s.ended = true
		return len(events), nil
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

func (s *slowSink) Moved() int64 { return int64(min(time.Since(s.start), s.until)) }

// TestFinishWaitsForWhatMoves: a large file on a slow line has its time, a line that
// stands still has not.
func TestFinishWaitsForWhatMoves(t *testing.T) {
	f := func(takes, until, want time.Duration, ended bool) {
		t.Helper()
		synctest.Test(t, func(t *testing.T) {
			sink := &slowSink{takes: takes, until: until, start: time.Now()}
			s, w := testSpool(t, sink, SpoolOptions{})
			require.NoError(t, s.Finish(StatusFinished, nil))
			require.Equal(t, want, time.Since(sink.start))
			require.Equal(t, ended, sink.ended)
			require.Equal(t, ended, len(w.all()) == 0)
		})
	}
	f(4*time.Minute, time.Hour, 4*time.Minute, true)
	f(4*time.Minute, 100*time.Second, 150*time.Second, false) // asked each 30 s: moved at 120, not at 150
	f(time.Hour, time.Hour, 5*time.Minute, false)
}

func TestSpoolTriesAtOnceWhenTheRunEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var down atomic.Bool
		down.Store(true)
		var sink fakeSink
		sink.answer = func(_ context.Context, _ int, events []Event) (int, error) {
			if down.Load() {
				return 0, errors.New("no route to host")
			}
			return len(events), nil
		}
		s, _ := testSpool(t, &sink, SpoolOptions{})
		logSteps(t, s, 1, 3)
		time.Sleep(time.Hour) // the waits are minutes long by now
		down.Store(false)
		start := time.Now()
		require.NoError(t, s.Finish(StatusFinished, nil))
		require.Zero(t, time.Since(start))
		require.Equal(t, upTo(3), sink.steps())
	})
}

func TestSpoolLeavesOutWhatIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sink := fakeSink{answer: func(_ context.Context, _ int, events []Event) (int, error) {
			for i, e := range events {
				if e.Kind == EventLog && e.Step%10 == 0 {
					return i, Refuse(fmt.Errorf("step %d has a bad name", e.Step))
				}
			}
			return len(events), nil
		}}
		s, w := testSpool(t, &sink, SpoolOptions{})
		logSteps(t, s, 1, 35)
		require.NoError(t, s.Finish(StatusFinished, nil))
		require.Len(t, sink.steps(), 32)
		require.NotContains(t, sink.steps(), int64(20))
		require.Equal(t, []string{
			"the server: a record is left out: step 10 has a bad name",
			"the server: 3 records were left out, because it refused them",
		}, w.all())
		require.NoFileExists(t, s.o.Path)
	})
}

// TestSpoolOfASinkWithAMistake: it costs a record, not the run.
func TestSpoolOfASinkWithAMistake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sink := fakeSink{answer: func(_ context.Context, _ int, events []Event) (int, error) {
			switch events[0].Step {
			case 1:
				panic("index out of range")
			case 2:
				return 0, nil // neither done nor an error
			}
			return len(events), nil
		}}
		s, w := testSpool(t, &sink, SpoolOptions{})
		logSteps(t, s, 1, 5)
		require.NoError(t, s.Finish(StatusFinished, nil))
		require.Equal(t, []int64{3, 4, 5}, sink.steps())
		require.Equal(t, []string{
			"the server: a record is left out: BUG: *track.fakeSink: index out of range",
			"the server: 2 records were left out, because it refused them",
		}, w.all())
	})
}

// TestSpoolOfAFlappingServer: the tenth outage is not told as loudly as the first.
func TestSpoolOfAFlappingServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sink := fakeSink{answer: func(_ context.Context, call int, events []Event) (int, error) {
			if call%2 == 1 {
				return 0, errors.New("bad gateway")
			}
			return len(events), nil
		}}
		s, w := testSpool(t, &sink, SpoolOptions{})
		for i := range int64(60 * 60) {
			logSteps(t, s, i+1, i+1)
			time.Sleep(time.Second)
		}
		require.NoError(t, s.Finish(StatusFinished, nil))
		require.Equal(t, upTo(3600), sink.steps())
		require.Greater(t, sink.count(), 1000)
		require.LessOrEqual(t, len(w.all()), 2*7, "a beginning and an end each ten minutes")
	})
}

// TestSpoolIsBounded: pictures stop at half of the room, figures at all of it; how the
// run ended always has its place.
func TestSpoolIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		down := fakeSink{answer: func(context.Context, int, []Event) (int, error) { return 0, errors.New("down") }}
		const room = 100_000
		s, w := testSpool(t, &down, SpoolOptions{MaxBytes: room, FinishWait: time.Second})
		for i := range int64(100) {
			require.NoError(t, s.Image(i, "picture", make([]byte, 3000), ""))
			synctest.Wait()
		}
		pictures := s.file.waiting
		require.InDelta(t, room/2, s.file.end, 5000)
		for i := range int64(2000) {
			logSteps(t, s, i+1, i+1)
			synctest.Wait()
		}
		require.NoError(t, s.Finish(StatusFinished, nil))
		info, err := os.Stat(s.o.Path)
		require.NoError(t, err)
		require.InDelta(t, room, info.Size(), 1000)

		var later fakeSink
		sent, err := Upload(t.Context(), &later, SpoolOptions{Path: s.o.Path})
		require.NoError(t, err)
		figures := len(later.steps())
		require.Equal(t, sent, pictures+figures+1)
		require.Equal(t, upTo(int64(figures)), later.steps(), "the last ones found no room")
		require.Equal(t, EventFinish, later.got[sent-1].Kind)
		dropped := 100 - pictures + 2000 - figures
		require.Contains(t, w.all(), fmt.Sprintf("the server: %d records were dropped, because there was no room to keep them", dropped))
		full := 0
		for _, s := range w.all() {
			if strings.Contains(s, "is full") {
				full++
			}
		}
		require.Equal(t, 1, full)
	})
}

// TestSpoolSurvivesAKill goes on with the file as a process that died leaves it, its
// last line cut short.
func TestSpoolSurvivesAKill(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		half := false
		sink := fakeSink{answer: func(_ context.Context, _ int, events []Event) (int, error) {
			if !half && len(events) > 10 {
				half = true
				return 10, errors.New("half way")
			}
			return 0, errors.New("down")
		}}
		s, _ := testSpool(t, &sink, SpoolOptions{FinishWait: time.Second})
		logSteps(t, s, 1, 50)
		time.Sleep(10 * time.Second)
		image, err := os.ReadFile(s.o.Path)
		require.NoError(t, err)
		require.NoError(t, s.Finish(StatusFailed, nil))

		path := filepath.Join(t.TempDir(), "killed.spool")
		require.NoError(t, os.WriteFile(path, image[:len(image)-5], 0o644))
		var second fakeSink
		s, w := testSpool(t, &second, SpoolOptions{Path: path})
		logSteps(t, s, 50, 60)
		require.NoError(t, s.Finish(StatusFinished, nil))
		require.Equal(t, upTo(10), sink.steps())
		require.Equal(t, upTo(60)[10:], second.steps())
		require.Empty(t, w.all())
	})
}

func TestSpoolSkipsDamage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "damaged.spool")
		require.NoError(t, os.WriteFile(path, fmt.Appendf(nil, spoolHeader+
			"{\"kind\":\"log\",\"step\":1}\n\x00\x00\x00\n{\"kind\":\"log\",\"step\":2}\n", spoolHeaderLen, 0), 0o644))
		var sink fakeSink
		s, w := testSpool(t, &sink, SpoolOptions{Path: path})
		require.NoError(t, s.Finish(StatusFinished, nil))
		require.Equal(t, upTo(2), sink.steps())
		require.Equal(t, []string{"the server: a record is left out: a record in its spool is damaged"}, w.all())
	})
}

// TestSpoolOutlastsAFullDisk makes writes fail for a while: figures wait in memory.
func TestSpoolOutlastsAFullDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var sink fakeSink
		s, w := testSpool(t, &sink, SpoolOptions{})
		logSteps(t, s, 1, 1)
		synctest.Wait()
		readOnly, err := os.Open(s.o.Path)
		require.NoError(t, err)
		swap := func() {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.file.f, readOnly = readOnly, s.file.f
		}
		swap()
		logSteps(t, s, 2, 40)
		time.Sleep(10 * time.Second)
		swap()
		require.Equal(t, upTo(1), sink.steps())
		time.Sleep(time.Minute)
		require.Equal(t, upTo(40), sink.steps())
		require.NoError(t, s.Finish(StatusFinished, nil))
		require.NoError(t, readOnly.Close())
		require.Len(t, w.all(), 1)
		require.Contains(t, w.all()[0], "held in memory meanwhile")
	})
}

func TestSpoolRefusesWhatIsNotOne(t *testing.T) {
	f := func(content, want string) {
		t.Helper()
		path := filepath.Join(t.TempDir(), "x.spool")
		require.NoError(t, os.WriteFile(path, []byte(content), 0o644))
		_, err := NewSpool(&fakeSink{}, SpoolOptions{Path: path})
		require.ErrorContains(t, err, want)
		data, err := os.ReadFile(path)
		require.NoError(t, err)
		require.Equal(t, content, string(data))
	}
	f(strings.Repeat("x", 200), "it is no spool")
	f(fmt.Sprintf(spoolHeader, 3, 0), "it is no spool") // points into the header
}

func TestSpoolIsLocked(t *testing.T) {
	s, _ := testSpool(t, &fakeSink{}, SpoolOptions{})
	_, err := Upload(t.Context(), &fakeSink{}, s.o)
	require.ErrorContains(t, err, "another process has it open")
	require.NoError(t, s.Finish(StatusFinished, nil))
}

func TestUploadGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		down := fakeSink{answer: func(context.Context, int, []Event) (int, error) { return 0, errors.New("down") }}
		s, _ := testSpool(t, &down, SpoolOptions{FinishWait: time.Second})
		logSteps(t, s, 1, 5)
		require.NoError(t, s.Finish(StatusFinished, nil))
		sent, err := Upload(t.Context(), &down, s.o)
		require.EqualError(t, err, fmt.Sprintf("cannot send 6 records to the server: down; they stay in %q", s.o.Path))
		require.Zero(t, sent)
		sent, err = Upload(t.Context(), &fakeSink{}, s.o)
		require.NoError(t, err)
		require.Equal(t, 6, sent)
	})
}

// TestLogTakesMicroseconds measures against a server that hangs.
func TestLogTakesMicroseconds(t *testing.T) {
	defer goleak.VerifyNone(t)
	sink := fakeSink{answer: func(ctx context.Context, _ int, _ []Event) (int, error) {
		<-ctx.Done()
		return 0, ctx.Err()
	}}
	s, _ := testSpool(t, &sink, SpoolOptions{FinishWait: time.Millisecond})
	metrics := map[string]float64{"epoch": 1, "train_loss": 2, "train_accuracy": 3, "lr": 4, "test_loss": 5, "test_accuracy": 6}
	const calls = 3000
	start := time.Now()
	for i := range int64(calls) {
		require.NoError(t, s.Log(i, metrics))
	}
	mean := time.Since(start) / calls
	require.NoError(t, s.Finish(StatusFinished, nil))
	assert.Less(t, mean, 100*time.Microsecond) // 1 to 3 µs on an idle machine
}

func FuzzSpoolFile(f *testing.F) {
	good := fmt.Sprintf(spoolHeader, spoolHeaderLen, 0)
	for _, s := range []string{"", good, good + "{}\n", good + "{\"kind\":\"log\",\"metrics\":{\"a\":\"NaN\"}}\n{", good + "\n\n\n",
		fmt.Sprintf(spoolHeader, spoolHeaderLen+3, 7) + "{}\n{}\n", fmt.Sprintf(spoolHeader, int64(math.MaxInt64), 0)} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		path := filepath.Join(t.TempDir(), "f.spool")
		require.NoError(t, os.WriteFile(path, data, 0o644))
		var sink fakeSink
		before, err := openSpoolFile(path)
		if err != nil {
			return
		}
		waiting := before.waiting
		require.NoError(t, before.append([]Event{{Kind: EventLog, Step: 1}}))
		require.NoError(t, before.f.Close())
		sent, err := Upload(t.Context(), &sink, SpoolOptions{Path: path})
		require.NoError(t, err)
		require.Equal(t, waiting+1, sent)
		require.Equal(t, EventLog, sink.got[len(sink.got)-1].Kind)
		require.NoFileExists(t, path)
	})
}
