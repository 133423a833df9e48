package track

import (
	"errors"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestCSVLayout holds the file to Lightning's: sorted columns with step among
// them, a row a call, empty cells.
func TestCSVLayout(t *testing.T) {
	type call struct {
		step    int64
		metrics map[string]float64
	}
	f := func(want string, calls ...call) {
		t.Helper()
		path := filepath.Join(t.TempDir(), "run", "metrics.csv")
		c, err := NewCSV(path)
		require.NoError(t, err)
		for _, call := range calls {
			require.NoError(t, c.Log(call.step, call.metrics))
		}
		require.Equal(t, want, read(t, path), "the file before Finish, as a killed run leaves it")
		require.NoError(t, c.Finish(StatusFinished, nil))
		require.Equal(t, want, read(t, path))
	}
	f("epoch,step,train_loss\n0,50,2.25\n", call{50, map[string]float64{"train_loss": 2.25, "epoch": 0}})
	f("loss,step\n1,1\n0.5,2\n", call{1, map[string]float64{"loss": 1}}, call{2, map[string]float64{"loss": 0.5}})
	// a metric that appears later widens the file
	f("acc,loss,step\n,1,1\n0.75,,2\n,0.5,3\n",
		call{1, map[string]float64{"loss": 1}}, call{2, map[string]float64{"acc": 0.75}}, call{3, map[string]float64{"loss": 0.5}})
	// two calls for one step are two rows
	f("acc,loss,step\n,1,7\n0.5,,7\n", call{7, map[string]float64{"loss": 1}}, call{7, map[string]float64{"acc": 0.5}})
	f("loss,step\nNaN,1\n+Inf,2\n", call{1, map[string]float64{"loss": math.NaN()}}, call{2, map[string]float64{"loss": math.Inf(1)}})
	f("\"a,b\"\"c\",step\n1,1\n", call{1, map[string]float64{`a,b"c`: 1}})
	f("step\n3\n", call{3, nil})
}

func TestCSVResume(t *testing.T) {
	f := func(before string, step int64, want string) {
		t.Helper()
		path := filepath.Join(t.TempDir(), "metrics.csv")
		require.NoError(t, os.WriteFile(path, []byte(before), 0o644))
		c, err := ResumeCSV(path, step)
		require.NoError(t, err)
		require.NoError(t, c.Log(step+1, map[string]float64{"loss": 9}))
		require.NoError(t, c.Finish(StatusFinished, nil))
		require.Equal(t, want, read(t, path))
	}
	f("loss,step\n3,1\n2,2\n1,3\n", 2, "loss,step\n3,1\n2,2\n9,3\n")
	f("loss,step\n3,1\n", 5, "loss,step\n3,1\n9,6\n")
	f("acc,loss,step\n0.5,,1\n", 1, "acc,loss,step\n0.5,,1\n,9,2\n")
	f("loss,step\n3,1\n2,", 1, "loss,step\n3,1\n9,2\n") // the crash cut a line short
	f("loss,step\n3,1\n2,2", 1, "loss,step\n3,1\n9,2\n")
	f("loss,step\n3,10\n", 4, "loss,step\n9,5\n") // nothing left to keep
	f("loss,st", 4, "loss,step\n9,5\n")
	f("", 4, "loss,step\n9,5\n")
}

func TestCSVResumeNeedsNoFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "metrics.csv")
	c, err := ResumeCSV(path, 10)
	require.NoError(t, err)
	require.NoError(t, c.Log(11, map[string]float64{"loss": 1}))
	require.NoError(t, c.Finish(StatusFinished, nil))
	require.Equal(t, "loss,step\n1,11\n", read(t, path))
}

func TestCSVResumeRefusesOtherFiles(t *testing.T) {
	f := func(content, want string) {
		t.Helper()
		path := filepath.Join(t.TempDir(), "metrics.csv")
		require.NoError(t, os.WriteFile(path, []byte(content), 0o644))
		_, err := ResumeCSV(path, 1)
		require.ErrorContains(t, err, want)
		require.ErrorContains(t, err, path)
		require.Equal(t, content, read(t, path), "a file that is not ours stays as it was")
	}
	f("a,b\n1,2\n", `no column "step"`)
	f("loss,step\n1\n", "wrong number of fields")
	f("loss,step\n1,x\n", "cannot read a step")
}

func TestCSVNewReplaces(t *testing.T) {
	path := filepath.Join(t.TempDir(), "metrics.csv")
	require.NoError(t, os.WriteFile(path, []byte("old,step\n1,1\n"), 0o644))
	c, err := NewCSV(path)
	require.NoError(t, err)
	require.NoError(t, c.Log(1, map[string]float64{"loss": 1}))
	require.NoError(t, c.Finish(StatusFinished, nil))
	require.Equal(t, "loss,step\n1,1\n", read(t, path))
}

func TestCSVReservedName(t *testing.T) {
	c, err := NewCSV(filepath.Join(t.TempDir(), "metrics.csv"))
	require.NoError(t, err)
	require.ErrorContains(t, c.Log(1, map[string]float64{"step": 1}), "the column is taken")
	require.NoError(t, c.Finish(StatusFinished, nil))
	require.NoError(t, c.Finish(StatusFinished, nil), "finishing twice is harmless")
}

// TestCSVGoesOnAfterFailedWrite breaks the file under the writer: the row that
// failed can be logged again, and the half line is gone.
func TestCSVGoesOnAfterFailedWrite(t *testing.T) {
	path := filepath.Join(t.TempDir(), "metrics.csv")
	c, err := NewCSV(path)
	require.NoError(t, err)
	require.NoError(t, c.Log(1, map[string]float64{"loss": 3}))
	_, err = c.file.WriteString("2,") // what a full disk leaves
	require.NoError(t, err)
	require.NoError(t, c.file.Close())
	row := map[string]float64{"loss": 2}
	require.ErrorContains(t, c.Log(2, row), path)
	require.NoError(t, c.Log(2, row))
	require.NoError(t, c.Finish(StatusFinished, nil))
	require.Equal(t, "loss,step\n3,1\n2,2\n", read(t, path))
}

func FuzzParseRows(f *testing.F) {
	for _, s := range []string{"loss,step\n1,2\n", "step\n1\n", "\"a\nb\",step\n,1\n", "loss,step\n1", "", "\n", "step,step\n1,2\n"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		header, rows, err := parseRows(data)
		if err != nil {
			return
		}
		for _, r := range rows {
			if len(r.cells) > len(header) {
				t.Fatalf("row %v has more cells than the header %v", r, header)
			}
		}
	})
}

type failing struct{ err error }

func (f failing) Log(int64, map[string]float64) error       { return f.err }
func (f failing) Histogram(int64, string, []float32) error  { return f.err }
func (f failing) Image(int64, string, []byte, string) error { return f.err }
func (f failing) Artifact(string, string, string) error     { return f.err }
func (f failing) Finish(Status, map[string]float64) error   { return f.err }

func TestMultiServesAllDespiteErrors(t *testing.T) {
	path := filepath.Join(t.TempDir(), "metrics.csv")
	c, err := NewCSV(path)
	require.NoError(t, err)
	broken := errors.New("no network")
	m := Multi(failing{broken}, c)
	require.ErrorIs(t, m.Log(1, map[string]float64{"loss": 1}), broken)
	require.ErrorIs(t, m.Finish(StatusFailed, nil), broken)
	require.Equal(t, "loss,step\n1,1\n", read(t, path))
	require.NoError(t, Multi().Finish(StatusFinished, nil))
}

func read(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	return string(data)
}
