package trackers

import (
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/torchlit/torchlit/internal/smalldisk"
	"github.com/torchlit/torchlit/track"
)

// TestFullDisk: a disk that is full for a while costs the records of that while. What is logged before and after is there, in files that
// readers can read.
func TestFullDisk(t *testing.T) {
	d := smalldisk.New(t, 1<<20)
	var said atomic.Int64 // each tracker that works in the background warns from a goroutine of its own
	run := track.Run{Name: "run", Dir: d.Dir, Warn: func(string) { said.Add(1) }}
	tr, err := Open(parse(t, "csv: true\ntensorboard: {enabled: true}\ndvclive: {enabled: true}\nwandb: {enabled: true, mode: offline, stats_interval: -1s}"), run)
	require.NoError(t, err)
	log := func(from, to int64) (failed int) {
		for step := from; step < to; step++ {
			if tr.Log(step, map[string]float64{"loss": 1 / float64(step+1), "accuracy": float64(step)}) != nil {
				failed++
			}
		}
		time.Sleep(300 * time.Millisecond) // those that write in the background have written
		return failed
	}
	require.Zero(t, log(0, 100))
	free := d.Fill()
	require.NotZero(t, log(100, 2000), "the disk is not full")
	free()
	require.Zero(t, log(2000, 2100))
	require.NoError(t, tr.Finish(track.StatusFinished, nil))
	assert.NotZero(t, said.Load(), "nobody was told that records are lost")

	for name, cells := range map[string]int{"metrics.csv": 3, "dvclive/plots/metrics/loss.tsv": 2, "dvclive/plots/metrics/accuracy.tsv": 2} {
		data, err := os.ReadFile(filepath.Join(d.Dir, name))
		require.NoError(t, err)
		text := strings.ReplaceAll(string(data), "\t", ",")
		for i, line := range strings.Split(strings.TrimSuffix(text, "\n"), "\n") {
			assert.Len(t, strings.Split(line, ","), cells, "%s, line %d: %q", name, i, line)
		}
		for _, step := range []int{0, 99, 2000, 2099} {
			want := fmt.Sprintf("\n%d,", step) // in the order of the columns
			if cells == 3 {
				want = fmt.Sprintf(",%d\n", step)
			}
			assert.Contains(t, text, want, "%s lacks step %d", name, step)
		}
	}
	events, err := filepath.Glob(filepath.Join(d.Dir, "events.out.tfevents.*"))
	require.NoError(t, err)
	require.Len(t, events, 1)
	data, err := os.ReadFile(events[0])
	require.NoError(t, err)
	for at := 0; at < len(data); { // length, its checksum, data, checksum
		require.GreaterOrEqual(t, len(data)-at, 16, "half a record at the end")
		n := int(binary.LittleEndian.Uint64(data[at:])) + 16
		require.LessOrEqual(t, n, len(data)-at, "a record that does not end")
		at += n
	}
}
