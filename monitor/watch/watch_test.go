package watch

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/torchlit/torchlit/evaluate"
	"github.com/torchlit/torchlit/monitor"
	"github.com/torchlit/torchlit/monitor/detector"
	"github.com/torchlit/torchlit/monitor/monitortest"
	"github.com/torchlit/torchlit/monitor/predlog"
	"github.com/torchlit/torchlit/monitor/reference"
)

// memoryLog is a prediction log of one model's version in memory. What it does with filters is what predlog's Reader does, as far as the watcher asks.
type memoryLog struct {
	mu       sync.Mutex
	answers  []*predlog.Stored
	windows  []predlog.Window
	labelled time.Time
	read     int // answers that were handed out by Each
	judged   int // by Performance
	fail     error
}

// add logs answers now, a second apart.
func (l *memoryLog) add(answers []*monitor.Answer, truth []int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i, a := range answers {
		s := &predlog.Stored{Answer: *a, ID: int64(len(l.answers) + 1), TrueClass: -1, Class: evaluate.Best(a.Probabilities)}
		s.Time = time.Now().UTC()
		if truth != nil {
			s.TrueClass, l.labelled = truth[i], time.Now()
		}
		l.answers = append(l.answers, s)
	}
}

func (l *memoryLog) setFail(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.fail = err
}

func (l *memoryLog) chosen(by predlog.Filter) (out []*predlog.Stored) {
	for _, s := range l.answers {
		if s.ID > by.After && s.Version == by.Version && s.Model == by.Model && !s.Time.Before(by.Since) && s.ID%max(1, by.Every) == 0 {
			out = append(out, s)
		}
	}
	return out
}

func (l *memoryLog) Span(_ context.Context, by predlog.Filter) (s predlog.Span, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	by.Every = 1
	if all := l.chosen(by); len(all) > 0 {
		s = predlog.Span{Answers: len(all), First: all[0].ID, Last: all[len(all)-1].ID}
	}
	return s, l.fail
}

func (l *memoryLog) Labels(_ context.Context, by predlog.Filter) (out predlog.Labels, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, s := range l.chosen(by) {
		if s.TrueClass >= 0 {
			out.Answers++
			out.Newest = l.labelled
		}
	}
	return out, l.fail
}

func (l *memoryLog) Performance(_ context.Context, by predlog.Filter, f func(*predlog.Outcome) error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, s := range l.chosen(by) {
		if s.TrueClass >= 0 {
			l.judged++
			if err := f(&predlog.Outcome{Labels: s.Labels, Truth: s.TrueClass, Class: s.Class, Probabilities: s.Probabilities}); err != nil {
				return err
			}
		}
	}
	return l.fail
}

func (l *memoryLog) Each(_ context.Context, by predlog.Filter, _ bool, f func(*predlog.Stored) error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, s := range l.chosen(by) {
		l.read++
		if err := f(s); err != nil {
			return err
		}
	}
	return l.fail
}

func (l *memoryLog) Windows(_ context.Context, by predlog.Filter, newest int) ([]predlog.Window, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := slices.DeleteFunc(slices.Clone(l.windows), func(w predlog.Window) bool { return w.Last <= by.After || w.Version != by.Version })
	return out[max(0, len(out)-newest):], l.fail
}

func (l *memoryLog) AddWindow(_ context.Context, w predlog.Window) (bool, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, old := range l.windows {
		if old.First == w.First && old.Version == w.Version {
			return false, nil
		}
	}
	l.windows = append(l.windows, w)
	return true, l.fail
}

func (l *memoryLog) Compare(_ context.Context, by predlog.Filter, version, other string) (predlog.Comparison, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return predlog.Comparison{Model: by.Model, Version: version, Other: other, Images: 7, Agreed: 5}, l.fail
}

// ref is made once: it takes a part of a second.
var ref = sync.OnceValue(func() *reference.Reference {
	answers, truth := monitortest.World{}.Answers(2000, 1)
	r, err := reference.Build(answers, truth, reference.Options{Dims: 8, Source: "the world"})
	if err != nil {
		panic(err)
	}
	return r
})

// open watches version 1 of the world.
func open(t *testing.T, log *memoryLog, cfg Config) *Watcher {
	t.Helper()
	cfg.Log, cfg.Window, cfg.InRow = log, 300, 2
	w, err := Open(cfg)
	require.NoError(t, err)
	w.Add("world", "1", ref())
	return w
}

func status(t *testing.T, w *Watcher) *Status {
	t.Helper()
	s, ok := w.Status("world", "1")
	require.True(t, ok)
	return &s
}

// pass lets a look at the log go by.
func pass() {
	time.Sleep(defaultInterval)
	synctest.Wait()
}

func TestWindowsFillUp(t *testing.T) {
	ref()
	synctest.Test(t, func(t *testing.T) {
		var log memoryLog
		w := open(t, &log, Config{})
		defer w.Close()
		answers, _ := monitortest.World{}.Answers(700, 2)
		log.add(answers[:299], nil)
		pass()
		s := status(t, w)
		assert.Equal(t, 299, s.Waiting)
		assert.Nil(t, s.Newest())
		text, err := json.Marshal(s)
		require.NoError(t, err)
		assert.Contains(t, string(text), `"windows":[],`)
		assert.Equal(t, &ReferenceView{"the world", 2000, 2000, ref().Accuracy, true}, s.Reference)

		log.add(answers[299:300], nil)
		pass()
		s = status(t, w)
		assert.Equal(t, 0, s.Waiting)
		assert.Equal(t, 300, s.Newest().Answers)
		assert.False(t, s.Alarm.Raised)
		require.Len(t, log.windows, 1)
		assert.Equal(t, [2]int64{1, 300}, [2]int64{log.windows[0].First, log.windows[0].Last})

		log.add(answers[300:], nil)
		pass()
		assert.Len(t, status(t, w).Windows, 2)
		assert.Equal(t, int64(301), log.windows[1].First, "a window begins where the last one ended")
		assert.Equal(t, int64(700), log.windows[1].Last)
	})
}

// TestMuchTraffic: of ten times as many answers as a window has, a tenth is read, from all of the time.
func TestMuchTraffic(t *testing.T) {
	ref()
	synctest.Test(t, func(t *testing.T) {
		var log memoryLog
		w := open(t, &log, Config{})
		defer w.Close()
		answers, _ := monitortest.World{}.Answers(3000, 2)
		log.add(answers, nil)
		pass()
		assert.Equal(t, 300, log.read)
		assert.Equal(t, 300, status(t, w).Newest().Answers)
		require.Len(t, log.windows, 1)
		assert.Equal(t, int64(3000), log.windows[0].Last)
	})
}

// TestAlarm: two windows in a row raise it, two clear it, each is told of once.
func TestAlarm(t *testing.T) {
	ref()
	synctest.Test(t, func(t *testing.T) {
		var log memoryLog
		var told []bool
		w := open(t, &log, Config{Changed: func(s Status) { told = append(told, s.Alarm.Raised) }})
		defer w.Close()
		for i, foggy := range []bool{false, true, true, true, false, false, false} {
			world := monitortest.World{}
			if foggy {
				world.Noise = 3
			}
			answers, _ := world.Answers(300, 50+uint64(i))
			log.add(answers, nil)
			pass()
			s := status(t, w)
			require.Equal(t, foggy, s.Newest().Drifted, "window %d: %+v", i, s.Newest().Tests)
			assert.Equal(t, i >= 2 && i < 5, s.Alarm.Raised, "after window %d", i)
		}
		assert.Equal(t, []bool{true, false}, told)
		assert.Len(t, status(t, w).Windows, 7)
	})
}

// TestRestart: windows, and an alarm, are taken from the log, and nobody is told a second time.
func TestRestart(t *testing.T) {
	ref()
	synctest.Test(t, func(t *testing.T) {
		var log memoryLog
		w := open(t, &log, Config{})
		foggy, _ := monitortest.World{Noise: 3}.Answers(900, 2)
		for i := range 2 {
			log.add(foggy[300*i:300*i+300], nil)
			pass()
		}
		before := status(t, w)
		assert.True(t, before.Alarm.Raised)
		w.Close()

		told := 0
		w = open(t, &log, Config{Changed: func(Status) { told++ }})
		defer w.Close()
		log.add(foggy[600:800], nil)
		pass()
		s := status(t, w)
		assert.Equal(t, before.Alarm, s.Alarm)
		assert.Equal(t, len(before.Windows), len(s.Windows))
		assert.Equal(t, 200, s.Waiting, "what was tested before is not tested again")
		assert.Zero(t, told)
	})
}

// TestForeignWindows: what another release has stored and this one cannot read is passed over, and not tested again.
func TestForeignWindows(t *testing.T) {
	ref()
	synctest.Test(t, func(t *testing.T) {
		log := memoryLog{windows: []predlog.Window{
			{Model: "world", Version: "1", First: 1, Last: 100, Result: []byte(`{"tests": 7}`)}, {Model: "world", Version: "1", First: 101, Last: 200, Result: []byte(`{}`)},
		}}
		w := open(t, &log, Config{})
		defer w.Close()
		answers, _ := monitortest.World{}.Answers(450, 2)
		log.add(answers, nil)
		pass()
		s := status(t, w)
		assert.Empty(t, s.Trouble)
		assert.Empty(t, s.Windows)
		assert.Equal(t, 250, s.Waiting)
	})
}

// TestReplicas: of two watchers of one log one stores a window, and both show it.
func TestReplicas(t *testing.T) {
	ref()
	synctest.Test(t, func(t *testing.T) {
		var log memoryLog
		a, b := open(t, &log, Config{}), open(t, &log, Config{})
		defer a.Close()
		defer b.Close()
		for i := range uint64(3) {
			answers, _ := monitortest.World{}.Answers(300, 60+i)
			log.add(answers, nil)
			pass()
		}
		assert.Len(t, log.windows, 3)
		text := func(w *Watcher) string {
			out, err := json.Marshal(status(t, w))
			require.NoError(t, err)
			return string(out)
		}
		assert.JSONEq(t, text(a), text(b))
		assert.Len(t, status(t, a).Windows, 3)
	})
}

// TestLabels: accuracy follows the labels, which are read again only when there are others.
func TestLabels(t *testing.T) {
	ref()
	synctest.Test(t, func(t *testing.T) {
		var log memoryLog
		w := open(t, &log, Config{})
		defer w.Close()
		answers, truth := monitortest.World{}.Answers(200, 2)
		log.add(answers[:100], nil)
		pass()
		assert.Nil(t, status(t, w).Accuracy)
		log.add(answers[100:], truth[100:])
		pass()
		a := status(t, w).Accuracy
		require.NotNil(t, a)
		assert.Equal(t, 100, a.Labelled)
		assert.Equal(t, 100, a.Report.N)
		assert.InDelta(t, a.Report.Accuracy, float64(a.Correct)/100, 1e-9)
		assert.Less(t, a.Interval[0], a.Report.Accuracy)
		pass()
		pass()
		assert.Equal(t, 100, log.judged, "nothing has changed")

		time.Sleep(defaultRecent)
		pass()
		assert.Nil(t, status(t, w).Accuracy, "what is a week old says nothing of today")
	})
}

// TestTrouble: a log that cannot be read is told of once, and once when it can.
func TestTrouble(t *testing.T) {
	ref()
	synctest.Test(t, func(t *testing.T) {
		var log memoryLog
		var told []error
		w := open(t, &log, Config{Report: func(_ string, err error) { told = append(told, err) }})
		defer w.Close()
		log.setFail(errors.New("the disk is gone"))
		pass()
		pass()
		assert.Equal(t, "the disk is gone", status(t, w).Trouble)
		log.setFail(nil)
		answers, _ := monitortest.World{}.Answers(300, 2)
		log.add(answers, nil)
		pass()
		assert.Empty(t, status(t, w).Trouble)
		assert.Len(t, status(t, w).Windows, 1)
		require.Len(t, told, 2)
		assert.Error(t, told[0])
		assert.NoError(t, told[1])
	})
}

// TestOtherClasses: answers of a loading with other classes are passed over, not tested for ever.
func TestOtherClasses(t *testing.T) {
	ref()
	synctest.Test(t, func(t *testing.T) {
		var log memoryLog
		w := open(t, &log, Config{})
		defer w.Close()
		answers, _ := monitortest.World{}.Answers(600, 2)
		for _, a := range answers[:300] {
			a.Probabilities = a.Probabilities[:2]
		}
		log.add(answers[:300], nil)
		pass()
		assert.Contains(t, status(t, w).Trouble, "cannot test 0 answers for drift")
		log.add(answers[300:], nil)
		pass()
		assert.Empty(t, status(t, w).Trouble)
		assert.Equal(t, 300, status(t, w).Newest().Answers)
	})
}

// TestVersions: each is watched by itself; one without a reference has labels and comparisons, and no windows; one that is gone is not told of.
func TestVersions(t *testing.T) {
	ref()
	synctest.Test(t, func(t *testing.T) {
		var log memoryLog
		w := open(t, &log, Config{})
		defer w.Close()
		w.Add("world", "2", nil)
		answers, truth := monitortest.World{}.Answers(300, 2)
		for _, a := range answers {
			a.Version = "2"
		}
		log.add(answers, truth)
		pass()
		all := w.Statuses()
		require.Len(t, all, 2)
		assert.Equal(t, []string{"1", "2"}, []string{all[0].Version, all[1].Version})
		assert.Nil(t, all[1].Reference)
		assert.Empty(t, all[1].Windows)
		assert.Equal(t, 300, all[1].Accuracy.Labelled)
		assert.Equal(t, []predlog.Comparison{{Model: "world", Version: "2", Other: "1", Images: 7, Agreed: 5}}, all[1].Comparisons)

		assert.False(t, math.IsNaN(float64(w.Score(&monitor.Answer{Model: "world", Version: "1", Embedding: answers[0].Embedding}))))
		assert.True(t, math.IsNaN(float64(w.Score(answers[0]))), "version 2 has no reference")
		w.Remove("world", "1")
		_, ok := w.Status("world", "1")
		assert.False(t, ok)
		assert.True(t, math.IsNaN(float64(w.Score(&monitor.Answer{Model: "world", Version: "1", Embedding: answers[0].Embedding}))))
	})
}

func TestValidate(t *testing.T) {
	for _, c := range []Config{{Window: 199}, {InRow: -1}, {Interval: -1}, {Options: detector.Options{Alpha: 2}}} {
		_, err := Open(c)
		assert.Error(t, err, "%+v", c)
	}
}
