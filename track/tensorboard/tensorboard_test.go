package tensorboard

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"image"
	"image/color"
	"image/png"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/torchlit/torchlit/track"
)

// TestRecord holds the framing to bytes that TensorBoard's RecordWriter has written.
func TestRecord(t *testing.T) {
	f := func(data, want string) {
		t.Helper()
		require.Equal(t, want, hex.EncodeToString(appendRecord(nil, []byte(data))))
	}
	f("", "0000000000000000"+"29039807"+"d8ea82a2")
	f("abc", "0300000000000000"+"b099490e"+"616263"+"6e57f121")
}

// TestBuckets compares with the definition: the first limit above the value.
func TestBuckets(t *testing.T) {
	limits := positiveLimits()
	var all []float64
	for i := len(limits) - 1; i >= 0; i-- {
		all = append(all, -limits[i])
	}
	all = append(append(all, 0), limits...)
	values := spread()
	want := map[float64]float64{}
	sum := 0.0
	for _, v := range values {
		i := 0
		for all[i] <= float64(v) {
			i++
		}
		want[all[i]]++
		sum += float64(v)
	}
	h, ok := bucketsOf(append(values, float32(math.NaN()), float32(math.Inf(-1))))
	require.True(t, ok)
	got, total := map[float64]float64{}, 0.0
	for i, n := range h.counts {
		if n > 0 {
			got[h.limits[i]] = n
		}
		total += n
	}
	require.Equal(t, want, got)
	require.EqualValues(t, len(values), total)
	require.EqualValues(t, len(values), h.num)
	require.Equal(t, sum, h.sum)
	require.NotZero(t, h.counts[0])
	require.NotZero(t, h.counts[len(h.counts)-1])

	_, ok = bucketsOf([]float32{float32(math.NaN())})
	require.False(t, ok)
	h, ok = bucketsOf([]float32{0, 0})
	require.True(t, ok)
	require.Equal(t, []float64{1e-12}, h.limits)
	require.Equal(t, []float64{2}, h.counts)
}

// spread returns values of all sizes and signs, limits of buckets among them.
func spread() []float32 {
	r := rand.New(rand.NewPCG(1, 2))
	values := []float32{0, 1e-12, -1e-12, float32(math.Copysign(0, -1)), 1e-30, -1e-30, 1, -1}
	for range 5000 {
		values = append(values, float32(r.NormFloat64()*0.05), float32(math.Pow(10, r.Float64()*30-14)), -float32(math.Pow(10, r.Float64()*20-14)))
	}
	return values
}

func BenchmarkBuckets(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 2))
	values := make([]float32, 1<<20)
	for i := range values {
		values[i] = float32(r.NormFloat64() * 0.05)
	}
	b.SetBytes(4 << 20)
	for b.Loop() {
		bucketsOf(values)
	}
}

// records returns the events of a file, and fails if a checksum is wrong or a byte too
// many.
func records(t *testing.T, path string) (events [][]byte) {
	t.Helper()
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	for len(data) > 0 {
		n := binary.LittleEndian.Uint64(data)
		require.Equal(t, masked(data[:8]), binary.LittleEndian.Uint32(data[8:]))
		event := data[12 : 12+n]
		require.Equal(t, masked(event), binary.LittleEndian.Uint32(data[12+n:]))
		events = append(events, event)
		data = data[16+n:]
	}
	return events
}

// fields returns the values of a message's fields, undecoded.
func fields(t *testing.T, m []byte) map[protowire.Number][][]byte {
	t.Helper()
	found := map[protowire.Number][][]byte{}
	for len(m) > 0 {
		number, kind, n := protowire.ConsumeTag(m)
		require.Positive(t, n)
		m = m[n:]
		n = protowire.ConsumeFieldValue(number, kind, m)
		require.Positive(t, n)
		value := m[:n]
		if kind == protowire.BytesType {
			value, _ = protowire.ConsumeBytes(value)
		}
		found[number] = append(found[number], value)
		m = m[n:]
	}
	return found
}

// TestFileIsWholeAtAnyTime: what was logged is there before Finish, and a failed write
// leaves no half record.
func TestFileIsWholeAtAnyTime(t *testing.T) {
	dir := t.TempDir()
	tr, err := New(dir, track.Run{Dir: dir})
	require.NoError(t, err)
	path := tr.file.Name()
	require.Len(t, records(t, path), 2)
	require.NoError(t, tr.Log(1, map[string]float64{"loss": 0.5}))
	events := records(t, path)
	require.Len(t, events, 3)
	value := fields(t, fields(t, events[2])[5][0])[1][0]
	require.Equal(t, "loss", string(fields(t, value)[1][0]))
	require.Equal(t, math.Float32bits(0.5), binary.LittleEndian.Uint32(fields(t, value)[2][0]))

	writable := tr.file
	_, err = writable.WriteAt([]byte("half a record"), tr.end) // what a full disk leaves
	require.NoError(t, err)
	tr.file, err = os.Open(path)
	require.NoError(t, err)
	require.ErrorContains(t, tr.Log(2, map[string]float64{"loss": 1}), path)
	require.NoError(t, tr.file.Close())
	tr.file = writable
	require.NoError(t, tr.Log(2, map[string]float64{"loss": 1}))
	require.NoError(t, tr.Log(3, nil))
	require.NoError(t, tr.Artifact("model", "model", dir))
	require.NoError(t, tr.Finish(track.StatusInterrupted, nil))
	require.NoError(t, tr.Finish(track.StatusInterrupted, nil), "finishing twice is harmless")
	require.Error(t, tr.Log(4, map[string]float64{"loss": 1}))
}

func TestImageMustBePNG(t *testing.T) {
	dir := t.TempDir()
	tr, err := New(dir, track.Run{Dir: dir})
	require.NoError(t, err)
	require.ErrorContains(t, tr.Image(1, "x", []byte("GIF89a"), ""), `cannot write picture "x"`)
	require.NoError(t, tr.Finish(track.StatusFailed, nil))
}

// TestFilesSort: a file begun later comes later in the alphabet, whatever the clock
// says.
func TestFilesSort(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "events.out.tfevents.4000000000.host.1.0"), nil, 0o644))
	var last string
	for range 3 {
		tr, err := New(dir, track.Run{Dir: dir, Resumed: true})
		require.NoError(t, err)
		require.NoError(t, tr.Finish(track.StatusFailed, nil))
		names, err := filepath.Glob(filepath.Join(dir, "events*"))
		require.NoError(t, err)
		newest := names[len(names)-1]
		require.Greater(t, newest, last)
		require.Len(t, records(t, newest), 4)
		last = newest
	}
	require.Contains(t, last, "tfevents.4000000003.")
}

func testPNG(t *testing.T, width, height int) []byte {
	t.Helper()
	picture := image.NewNRGBA(image.Rect(0, 0, width, height))
	picture.Set(1, 1, color.NRGBA{200, 100, 50, 255})
	var b bytes.Buffer
	require.NoError(t, png.Encode(&b, picture))
	return b.Bytes()
}
