package isolate

import (
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/torchlit/torchlit/vision"
)

func TestJobRoundTrip(t *testing.T) {
	for _, mode := range modes {
		want := job{7, 1 << 20, 64 << 20, 512 << 20, 4 << 20, vision.Preprocess{Width: 224, Height: 160, CropPct: 0.875, CropMode: mode, Exact: mode == ""}}
		got, err := parseJob(want.append(nil))
		require.NoError(t, err)
		assert.Equal(t, want, got)
	}
	_, err := parseJob([]byte{kindJob})
	assert.Error(t, err)
}

// asked is a job for a model that takes what a worker may have shrunk eight times.
var asked = job{number: 5, size: 1000, maxPixels: 1 << 24, memory: 64 << 20, inHand: 4 << 20, pre: vision.Preprocess{Width: 16, Height: 16, CropPct: 1}}

const shared = 3 << 24

// What a worker of ours says is believed, what it does not say is not.
func TestParseAnswer(t *testing.T) {
	good := func(want answer, b []byte) {
		t.Helper()
		got, err := parseAnswer(b, &asked, asked.inHand, shared)
		require.NoError(t, err)
		assert.Equal(t, want, got)
	}
	bad := func(b []byte) {
		t.Helper()
		_, err := parseAnswer(b, &asked, asked.inHand, shared)
		assert.ErrorIs(t, err, errNonsense)
	}
	decoded := func(width, height, scale int) []byte { return appendDecoded(nil, 5, width, height, scale) }
	good(answer{width: 1, height: 1, scale: 1, columns: 1, rows: 1}, decoded(1, 1, 1))
	good(answer{width: 999, height: 1001, scale: 8, columns: 125, rows: 126}, decoded(999, 1001, 8))
	good(answer{width: 999, height: 1001, scale: 1, columns: 999, rows: 1001}, decoded(999, 1001, 1))
	bad(decoded(0, 1, 1))
	bad(decoded(1, 0, 1))
	bad(decoded(-1, 1, 1))
	bad(decoded(math.MaxInt, math.MaxInt, 1))
	bad(decoded(1<<32, 1<<32, 1))
	bad(decoded(1<<13, 1<<12, 8)) // too many pixels
	bad(decoded(2000, 2000, 1))   // too large for the memory in hand
	bad(decoded(999, 1001, 3))
	bad(decoded(999, 1001, 0))
	bad(decoded(999, 1001, 16))
	bad(decoded(100, 100, 2))           // too coarse for the model
	bad(decoded(100, 1<<17, 2))         // a ribbon comes in full
	bad(appendDecoded(nil, 4, 1, 1, 1)) // of the job before
	bad(append(decoded(1, 1, 1), 0))
	bad(decoded(1, 1, 1)[:40])
	bad(nil)
	bad(append(make([]byte, maxMessage), decoded(1, 1, 1)...))
	_, err := parseAnswer(decoded(1000, 1000, 1), &asked, asked.inHand, 1000)
	assert.ErrorIs(t, err, errNonsense, "more pixels than shared memory")

	status := func(n uint64, text string) []byte {
		return append(appendFields([]byte{kindAnswer}, 5, n, 0, 0, 0), text...)
	}
	bad(status(statusCorrupt, ""))
	bad(status(statusCorrupt, "other words"))
	bad(status(statusCorrupt, "cannot decode \x1b[31m"))
	bad(status(statusCorrupt, "cannot decode \xff"))
	bad(status(statusCorrupt, "cannot decode "+strings.Repeat("x", maxText)))
	bad(status(17, "cannot decode it"))
}

// Errors come through, however long and odd their text is.
func TestRefusal(t *testing.T) {
	for status, kind := range kinds {
		if kind == nil {
			continue
		}
		a, err := parseAnswer(appendRefused(nil, 5, &refusal{kind, "cannot decode it: \x00" + strings.Repeat("é", 300)}), &asked, 0, shared)
		require.NoError(t, err)
		require.ErrorIs(t, a.refused, kind, status)
		assert.LessOrEqual(t, len(a.refused.Error()), maxText)
		assert.Contains(t, a.refused.Error(), "cannot decode it: ?éé")
	}
}

func TestParseWant(t *testing.T) {
	f := func(n int64, ok bool) {
		t.Helper()
		got, err := parseWant(appendWant(nil, 5, n), &asked)
		assert.Equal(t, ok, err == nil)
		if ok {
			assert.Equal(t, n, got)
		}
	}
	f(5<<20, true)
	f(64<<20, true)
	f(64<<20+1, false)
	f(4<<20, false) // it has that
	f(-1, false)
	f(math.MinInt64, false)
	_, err := parseWant(appendWant(nil, 4, 5<<20), &asked)
	assert.Error(t, err)
}

// FuzzAnswer lets a worker say anything: what is believed stays within what was allowed.
func FuzzAnswer(f *testing.F) {
	f.Add(appendDecoded(nil, 5, 999, 1001, 8), int64(4<<20), false)
	f.Add(appendDecoded(nil, 5, 1<<12, 1<<12, 1), int64(64<<20), true)
	f.Add(appendRefused(nil, 5, vision.ErrCorrupt), int64(0), false)
	f.Add(appendWant(nil, 5, 5<<20), int64(0), false)
	f.Fuzz(func(t *testing.T, b []byte, taken int64, exact bool) {
		j := asked
		j.pre.Exact = exact
		if n, err := parseWant(b, &j); err == nil && (n <= j.inHand || n > j.memory) {
			t.Fatalf("%d bytes of memory", n)
		}
		a, err := parseAnswer(b, &j, taken, shared)
		switch {
		case err != nil:
			if !errors.Is(err, errNonsense) {
				t.Fatal(err)
			}
		case a.refused != nil:
			if text := a.refused.Error(); len(text) > maxText || strings.ContainsFunc(text, odd) {
				t.Fatalf("%q", text)
			}
		default:
			size := int64(3 * a.columns * a.rows)
			if a.columns <= 0 || a.rows <= 0 || size > shared || size > taken || a.width > j.maxPixels/a.height {
				t.Fatalf("%+v", a)
			}
			img := &vision.Image{Width: a.columns, Height: a.rows}
			img.SetExtent(float64(a.width)/float64(a.scale), float64(a.height)/float64(a.scale)) // panics at nonsense
			if exact && a.scale != 1 {
				t.Fatalf("a draft of what is wanted in full: %+v", a)
			}
		}
	})
}
