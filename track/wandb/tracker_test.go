package wandb

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/torchlit/torchlit/track"
	"google.golang.org/protobuf/encoding/protowire"
	"gopkg.in/yaml.v3"
)

// logged is one record of a log, by what the tests look at.
type logged struct {
	kind   protowire.Number
	body   message
	values map[string]string // of history, summary and stats
}

// records reads the log of a run as far as it is written.
func records(t *testing.T, r *run) []logged {
	t.Helper()
	data, err := os.ReadFile(r.log.file.Name())
	require.NoError(t, err)
	all, _ := readLog(data)
	var out []logged
	for i, b := range all {
		var rec logged
		for f, err := range message(b).fields() {
			require.NoError(t, err)
			switch {
			case f.number == 1:
				require.EqualValues(t, i+1, f.num, "records are numbered")
			case f.number != 16:
				rec = logged{kind: f.number, body: f.bytes, values: map[string]string{}}
			}
		}
		items := protowire.Number(1)
		if rec.kind == kindStats {
			items = 3
		}
		for f, err := range rec.body.fields() {
			require.NoError(t, err)
			if f.number == items && f.bytes != nil && rec.kind != kindRun {
				if key, value := f.item(); key != "" {
					rec.values[key] = value
				}
			}
		}
		out = append(out, rec)
	}
	return out
}

// of returns the values of the records of one kind.
func of(kind protowire.Number, all []logged) []map[string]string {
	var values []map[string]string
	for _, r := range all {
		if r.kind == kind {
			values = append(values, r.values)
		}
	}
	return values
}

func offline(t *testing.T, opts Options, info track.Run) *run {
	t.Helper()
	opts.Mode, opts.StatsInterval = modeOffline, -1
	return start(t, opts, info)
}

func TestFolder(t *testing.T) {
	dir := recordWholeRun(t, modeOffline)
	require.Regexp(t, `/wandb/offline-run-\d{8}_\d{6}-abc123$`, dir)
	link, err := os.Readlink(filepath.Join(filepath.Dir(dir), "latest-run"))
	require.NoError(t, err)
	require.Equal(t, filepath.Base(dir), link)
	require.Equal(t, []string{"artifacts", "files", "logs", "run-abc123.wandb"}, entries(t, dir))
	require.Equal(t, []string{"config.yaml", "media", "wandb-metadata.json", "wandb-summary.json"}, entries(t, filepath.Join(dir, "files")))

	var config map[string]any
	require.NoError(t, yaml.Unmarshal([]byte(read(t, filepath.Join(dir, "files", "config.yaml"))), &config))
	require.Equal(t, 1, config["wandb_version"])
	require.Equal(t, map[string]any{"desc": nil, "value": map[string]any{"lr": 0.1, "name": "sgd"}}, config["optim"])
	var summary, metadata map[string]any
	text := strings.ReplaceAll(read(t, filepath.Join(dir, "files", "wandb-summary.json")), "NaN", "null")
	require.NoError(t, json.Unmarshal([]byte(text), &summary))
	require.Equal(t, 0.75, summary["test_acc"])
	require.Equal(t, map[string]any{"max": 0.5, "last": 0.25}, summary["val_acc"])
	require.NoError(t, json.Unmarshal([]byte(read(t, filepath.Join(dir, "files", "wandb-metadata.json"))), &metadata))
	require.Equal(t, []any{"optim.lr=0.1"}, metadata["args"])
	require.Positive(t, metadata["cpu_count_logical"])
}

func TestRows(t *testing.T) {
	r := offline(t, Options{}, track.Run{Dir: t.TempDir()})
	require.NoError(t, r.Log(0, map[string]float64{"a": 1}))
	require.NoError(t, r.Log(0, map[string]float64{"b": 2, "a": 3}))
	require.Empty(t, of(kindHistory, records(t, r)), "the row may go on")
	require.NoError(t, r.Log(2, nil))
	rows := of(kindHistory, records(t, r))
	require.Len(t, rows, 1)
	require.Equal(t, []string{"3", "2", "0"}, []string{rows[0]["a"], rows[0]["b"], rows[0]["_step"]})

	require.ErrorContains(t, r.Log(1, map[string]float64{"a": 1}), "cannot log step 1 on W&B after step 2")
	for _, name := range []string{"", "_step", "_wandb.x"} {
		require.ErrorContains(t, r.Log(3, map[string]float64{name: 1}), "the name is taken")
	}
	require.ErrorContains(t, r.Histogram(3, "h", nil), "none of its 0 values is finite")
	require.ErrorContains(t, r.Image(3, "i", nil, ""), `cannot log image "i"`)
	require.NoError(t, r.Finish(track.StatusFailed, nil))
	require.Len(t, of(kindHistory, records(t, r)), 2)
	require.NoError(t, r.Log(4, nil), "held back")
	require.ErrorIs(t, r.Log(5, nil), os.ErrClosed)
}

func TestExitCode(t *testing.T) {
	f := func(status track.Status, want int64) {
		t.Helper()
		r := offline(t, Options{}, track.Run{Dir: t.TempDir()})
		require.NoError(t, r.Finish(status, nil))
		all := records(t, r)
		exit := all[len(all)-3]
		require.Equal(t, kindExit, exit.kind)
		var code int64
		for f := range exit.body.fields() {
			if f.number == 1 {
				code = int64(f.num)
			}
		}
		require.Equal(t, want, code)
	}
	f(track.StatusFinished, 0)
	f(track.StatusFailed, 1)
	f(track.StatusInterrupted, 255)
}

// TestResume kills a run in the middle of a record and resumes it twice.
func TestResume(t *testing.T) {
	info := track.Run{Dir: t.TempDir(), Warn: func(s string) { t.Error(s) }}
	opts := Options{Summary: map[string]string{"loss": "min,mean"}}
	first := offline(t, opts, info)
	for step := int64(1); step <= 4; step++ {
		require.NoError(t, first.Log(step, map[string]float64{"loss": float64(step)}))
	}
	first.kill()
	log := first.log.file.Name()
	require.NoError(t, os.Truncate(log, first.log.size-1), "step 3 is cut, step 4 was never a row")

	info.Resumed = true
	second := offline(t, opts, info)
	require.Equal(t, first.settings.id, second.settings.id)
	require.NotEqual(t, first.dir, second.dir)
	require.EqualValues(t, 2, second.before.step)
	summary := of(kindSummary, records(t, second))
	require.Equal(t, `{"min":1,"mean":1.5}`, summary[0]["loss"], "the summary goes on")
	require.NoError(t, second.Log(2, map[string]float64{"loss": -7}))
	require.NoError(t, second.Histogram(2, "h", []float32{1}))
	require.NoError(t, second.Image(2, "i", picturePNG(t, 1), ""))
	require.NoError(t, second.Log(3, map[string]float64{"loss": 0}))
	require.NoError(t, second.Finish(track.StatusInterrupted, nil))
	require.Len(t, of(kindHistory, records(t, second)), 1)
	require.NoDirExists(t, filepath.Join(second.dir, "files", "media"), "a step is not logged twice")

	third := offline(t, opts, info)
	require.EqualValues(t, 3, third.before.step)
	require.NoError(t, third.Finish(track.StatusFinished, nil))
	require.Equal(t, `{"min":0,"mean":1}`, of(kindSummary, records(t, third))[0]["loss"])
	require.Len(t, third.older, 2)

	info.Resumed = false
	another := offline(t, opts, info)
	require.NotEqual(t, first.settings.id, another.settings.id, "not resumed: another run in the same folder")
	require.NoError(t, another.Finish(track.StatusFinished, nil))

	info.Resumed = true
	opts.ID = "chosen"
	chosen := offline(t, opts, info)
	require.Equal(t, "chosen", chosen.settings.id)
	require.False(t, chosen.before.rows)
	require.NoError(t, chosen.Finish(track.StatusFinished, nil))
}

func TestResumeOfSpoiledState(t *testing.T) {
	info := track.Run{Dir: t.TempDir(), Resumed: true}
	write(t, filepath.Join(info.Dir, stateName), "{")
	_, err := New(Options{Mode: modeOffline}, info)
	require.ErrorContains(t, err, "cannot resume W&B run")
	require.ErrorContains(t, err, "remove")

	var warnings []string
	info.Warn = func(s string) { warnings = append(warnings, s) }
	write(t, filepath.Join(info.Dir, stateName), `{"run_id": "r", "logs": ["wandb/gone.wandb"]}`)
	r := offline(t, Options{}, info)
	require.Equal(t, "r", r.settings.id)
	require.Len(t, warnings, 1)
	require.Contains(t, warnings[0], "cannot read what the W&B run logged before")
	require.NoError(t, r.Finish(track.StatusFinished, nil))
}

func TestFolderRefused(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	write(t, file, "")
	unset(t, "WANDB_MODE")
	t.Setenv("WANDB_DIR", file)
	_, err := New(Options{Mode: modeOffline}, track.Run{Dir: t.TempDir()})
	require.ErrorContains(t, err, "set WANDB_DIR to a folder that can be written")
}

func TestLogModel(t *testing.T) {
	model := filepath.Join(t.TempDir(), "model.bin")
	f := func(which string, want ...int) {
		t.Helper()
		r := offline(t, Options{LogModel: which}, track.Run{Dir: t.TempDir()})
		var got []int
		for _, content := range []string{"one", "two"} {
			write(t, model, content)
			require.NoError(t, r.Artifact("m", "model", model))
			got = append(got, len(of(kindArtifact, records(t, r))))
		}
		require.NoError(t, r.Finish(track.StatusFinished, nil))
		require.Equal(t, want, append(got, len(of(kindArtifact, records(t, r)))))
	}
	f("", 0, 0, 0)
	f("false", 0, 0, 0)
	f("true", 0, 0, 1)
	f("all", 1, 2, 2)
}

// TestTicking lets a minute pass: the system metrics are sampled, and the summary
// is on disk before the row of its step is.
func TestTicking(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		s, err := Options{Mode: modeOffline, StatsInterval: 20 * time.Second}.settle(track.Run{Dir: dir}, func(name string) string {
			return map[string]string{"WANDB_DISABLE_GIT": "1"}[name]
		})
		require.NoError(t, err)
		r, err := begin(s, track.Run{Dir: dir})
		require.NoError(t, err)
		n := 0.0
		r.startTicking(func(context.Context) []pair { n++; return []pair{{"cpu", jsonNumber(n)}} })
		require.NoError(t, r.Log(1, map[string]float64{"loss": 0.5}))
		time.Sleep(summaryInterval + time.Second)
		synctest.Wait()
		all := records(t, r)
		require.Empty(t, of(kindHistory, all))
		summaries := of(kindSummary, all)
		require.Len(t, summaries, 1)
		require.Equal(t, "0.5", summaries[0]["loss"])
		require.Contains(t, read(t, r.file("wandb-summary.json")), `"loss":0.5`)
		time.Sleep(time.Minute)
		synctest.Wait()
		var cpu []string
		for _, v := range of(kindStats, records(t, r)) {
			cpu = append(cpu, v["cpu"])
		}
		require.Equal(t, []string{"1", "2", "3", "4"}, cpu)
		require.Len(t, of(kindSummary, records(t, r)), 1, "nothing changed")
		require.NoError(t, r.Finish(track.StatusFinished, nil))
		require.Contains(t, read(t, r.file("wandb-summary.json")), `"_wandb":{"runtime":64}`)
	})
}

func TestSampler(t *testing.T) {
	s := newSampler(false)
	got := map[string]float64{}
	for _, p := range s.sample(t.Context()) {
		v, ok := parseNumber(p.json)
		require.True(t, ok)
		got[p.key] = v
	}
	for _, key := range []string{"memory_percent", "proc.memory.availableMB", "proc.memory.rssMB", "proc.memory.percent", "cpu", "proc.cpu.threads", "disk./.usagePercent", "network.sent"} {
		require.Contains(t, got, key)
	}
	require.Greater(t, got["proc.memory.rssMB"], 1.0)
	require.LessOrEqual(t, got["memory_percent"], 100.0)
}
