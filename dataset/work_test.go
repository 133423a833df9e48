package dataset

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/torchlit/torchlit/vision"
)

// slow is a Source that decodes nothing, but later images come sooner, and the
// broken ones not at all.
type slow struct {
	set    *Set
	broken map[int]bool
}

var errBroken = errors.New("broken")

func (s *slow) Len() int             { return s.set.Len() }
func (s *slow) Label(i int) int64    { return s.set.Label(i) }
func (s *slow) ClassNames() []string { return s.set.Classes }

func (s *slow) Name(i int) string { return fmt.Sprintf("%03d.png", i) }

func (s *slow) Load(i int) (*vision.Image, error) {
	time.Sleep(time.Duration(i%3) * 50 * time.Microsecond)
	if s.broken[i] {
		return nil, fmt.Errorf("cannot decode image %q: %w", s.Name(i), errBroken)
	}
	return s.set.Load(i)
}

// TestLoaderProperties: whatever the number of workers, the depth, the start, and
// the source, an epoch shows the same bytes, and each image once.
func TestLoaderProperties(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 60 {
		n := 1 + r.IntN(90)
		set := noise(n, 6, 6)
		set.Classes = make([]string, n)
		for i := range n {
			set.Labels[i] = int64(i)
		}
		cfg := LoaderConfig{
			Source: set, BatchSize: 1 + r.IntN(40), Shuffle: r.IntN(2) == 0, Seed: r.Uint64(), Epoch: r.IntN(3),
			Transform: &Augment{Pad: 2, Flip: true, Cutout: 2}, Workers: 1, Depth: 2,
		}
		whole, labels, _ := drain(t, newLoader(t, cfg))
		sorted := slices.Sorted(slices.Values(labels))
		require.Len(t, sorted, n)
		for i, l := range sorted {
			require.EqualValues(t, i, l, "each image comes once")
		}
		if r.IntN(2) == 0 {
			cfg.Source = &slow{set: set}
		}
		cfg.Workers, cfg.Depth, cfg.Start = 1+r.IntN(9), 2+r.IntN(6), r.IntN(len(whole)+1)
		rest, restLabels, _ := drain(t, newLoader(t, cfg))
		require.Equal(t, slices.Clone(whole[cfg.Start:]), append([][]byte{}, rest...))
		require.Equal(t, labels[min(cfg.Start*cfg.BatchSize, n):], append([]int64{}, restLabels...))
	}
}

// TestLoaderRanks: the ranks' batches, dealt out in turn, are those of one rank.
func TestLoaderRanks(t *testing.T) {
	f := func(images, batch, world int, dropLast bool) {
		t.Helper()
		set := noise(images, 2, 2)
		for i := range set.Labels {
			set.Labels[i] = int64(i)
		}
		cfg := LoaderConfig{Source: set, BatchSize: batch * world, Shuffle: true, DropLast: dropLast, Seed: 7, Transform: &Augment{Flip: true}}
		whole := newLoader(t, cfg)
		cfg.BatchSize, cfg.World = batch, world
		var ranks []*Loader
		for cfg.Rank = range world {
			ranks = append(ranks, newLoader(t, cfg))
			require.Equal(t, whole.Batches(), ranks[cfg.Rank].Batches())
		}
		for range whole.Batches() {
			want, err := whole.Next(t.Context())
			require.NoError(t, err)
			require.Equal(t, want.N, want.Global)
			var shares []*Batch
			sum := 0
			for _, l := range ranks {
				b, err := l.Next(t.Context())
				require.NoError(t, err)
				require.Equal(t, want.N, b.Global)
				shares = append(shares, b)
				sum += b.N
			}
			require.Equal(t, want.N, sum)
			for k := range want.N {
				b := shares[k%world]
				require.Equal(t, want.Labels[k], b.Labels[k/world])
				require.Equal(t, want.Images[12*k:][:12], b.Images[12*(k/world):][:12])
			}
			for _, b := range append(shares, want) {
				b.Release()
			}
		}
		for _, l := range ranks {
			_, err := l.Next(t.Context())
			require.Equal(t, io.EOF, err)
		}
	}
	f(64, 4, 2, true)
	f(65, 4, 2, false) // the last batch is one image, and none on the other rank
	f(65, 4, 2, true)
	f(23, 3, 3, false)
	f(5, 1, 5, false)
	f(2, 1, 4, false)
}

// TestLoaderFailsInItsPlace: the batches before a broken image come, the error is
// that of the first broken image of its batch, and it stays.
func TestLoaderFailsInItsPlace(t *testing.T) {
	for _, workers := range []int{1, 7} {
		l := newLoader(t, LoaderConfig{
			Source: &slow{set: numbered(40), broken: map[int]bool{25: true, 27: true, 38: true}}, BatchSize: 10, Workers: workers,
		})
		for range 2 {
			b, err := l.Next(t.Context())
			require.NoError(t, err)
			b.Release()
		}
		for range 2 {
			_, err := l.Next(t.Context())
			require.ErrorIs(t, err, errBroken)
			require.ErrorContains(t, err, "025.png")
		}
	}
}

func TestLoaderTolerance(t *testing.T) {
	source := &slow{set: numbered(40), broken: map[int]bool{0: true, 25: true, 26: true, 39: true}}
	cfg := LoaderConfig{Source: source, BatchSize: 10, Tolerance: NewTolerance(4)}
	images, labels, _ := drain(t, newLoader(t, cfg))
	require.Equal(t, byte(1), images[0][0], "the next one that can be read is shown")
	require.Equal(t, []byte{27, 27, 27}, []byte{images[2][5*48], images[2][6*48], images[2][7*48]})
	require.Equal(t, []int64{7, 7, 7}, labels[25:28], "its label comes with it")
	require.Equal(t, byte(1), images[3][9*48], "the first comes after the last")
	var names []string
	for _, s := range cfg.Tolerance.Skipped() {
		require.ErrorIs(t, s.Err, errBroken)
		names = append(names, s.File)
	}
	require.Equal(t, []string{"000.png", "025.png", "026.png", "039.png"}, names)

	cfg.Epoch, cfg.Shuffle = 1, true
	drain(t, newLoader(t, cfg))
	require.Len(t, cfg.Tolerance.Skipped(), 4, "an image counts once, however often it is met")

	cfg.Tolerance, cfg.Shuffle = NewTolerance(3), false
	l := newLoader(t, cfg)
	var err error
	for err == nil {
		var b *Batch
		if b, err = l.Next(t.Context()); err == nil {
			b.Release()
		}
	}
	require.ErrorIs(t, err, errBroken)
	require.ErrorContains(t, err, "more than 3 images cannot be read")

	source.broken = map[int]bool{}
	for i := range 40 {
		source.broken[i] = true
	}
	cfg.Tolerance = NewTolerance(-1)
	_, err = NewLoader(cfg)
	require.ErrorIs(t, err, ErrNoData)
	require.Equal(t, []int{10, 500}, []int{DefaultTolerance(60), DefaultTolerance(50_000)})
}

func TestTolerate(t *testing.T) {
	f := func(policy string, n, most, want int) {
		t.Helper()
		got, err := Tolerate(policy, n, most)
		require.NoError(t, err)
		if want == 0 {
			require.Nil(t, got)
			return
		}
		require.Equal(t, want, got.most)
	}
	f("", 5000, 3, 0)
	f(CorruptFail, 5000, 3, 0)
	f(CorruptSkip, 5000, 0, 50)
	f(CorruptSkip, 5000, 3, 3)
	f(CorruptSkip, 5000, -1, -1)
	_, err := Tolerate("ignore", 1, 0)
	require.ErrorContains(t, err, `"fail" or "skip"`)
}

// TestLoaderOrderGiven: an order may repeat images, and a repeated one is
// transformed in another way.
func TestLoaderOrderGiven(t *testing.T) {
	set := noise(8, 16, 16)
	cfg := LoaderConfig{Source: set, BatchSize: 4, Order: []int32{3, 3, 1, 3, 1, 0}, Transform: &Augment{Pad: 8, Flip: true}}
	l := newLoader(t, cfg)
	require.Equal(t, 2, l.Batches())
	images, _, sizes := drain(t, l)
	require.Equal(t, []int{4, 2}, sizes)
	n := set.imageLen()
	require.NotEqual(t, images[0][:n], images[0][n:2*n])
	require.NotEqual(t, images[0][:n], images[0][3*n:])
	require.NotEqual(t, images[0][2*n:3*n], images[1][:n])

	cfg.Order, cfg.BatchSize = nil, 8
	whole, _, _ := drain(t, newLoader(t, cfg))
	require.Equal(t, whole[0][3*n:4*n], images[0][:n], "the first time is as in any epoch")
}

func TestLoaderSizesDiffer(t *testing.T) {
	dir := t.TempDir()
	writePNG(t, dir+"/a/1.png", 4, 4, grey(1))
	writePNG(t, dir+"/a/2.png", 5, 4, grey(1))
	s, err := OpenFolder(dir, Options{})
	require.NoError(t, err)
	l := newLoader(t, LoaderConfig{Source: s, BatchSize: 2})
	_, err = l.Next(t.Context())
	require.ErrorContains(t, err, "2.png")
	require.ErrorContains(t, err, "5x4 pixels there, the first image 4x4")

	l = newLoader(t, LoaderConfig{Source: s, BatchSize: 2, Transform: square(3)})
	b, err := l.Next(t.Context())
	require.NoError(t, err)
	require.Len(t, b.Images, 2*27)
	require.Equal(t, []int{3, 3}, []int{b.Height, b.Width})
	_, err = NewLoader(LoaderConfig{Source: s, BatchSize: 2, Transform: &Augment{Pad: 5}})
	require.ErrorContains(t, err, "1.png")
}

// square makes images of one size of any.
type square int

func (s square) Size(int, int) (int, int) { return int(s), int(s) }

func (s square) Apply(dst []byte, src *vision.Image, _ Key) {
	for i := range dst {
		dst[i] = src.Pix[i%len(src.Pix)]
	}
}

func TestStats(t *testing.T) {
	l := newLoader(t, LoaderConfig{Source: &slow{set: numbered(40)}, BatchSize: 10, Workers: 3})
	drain(t, l)
	l.Close()
	s := l.Stats()
	require.EqualValues(t, 40, s.Images)
	require.Equal(t, 3, s.Workers)
	require.Greater(t, s.Load, time.Duration(0))
	require.Greater(t, s.Rate(), 0.0)
	require.Equal(t, l.Waited(), s.Waited)
	twice := s.Add(s)
	require.EqualValues(t, 80, twice.Images)
	require.InDelta(t, s.Rate(), twice.Rate(), 1e-6*s.Rate())
	require.True(t, Stats{Waited: 2}.Bound(10))
	require.False(t, Stats{Waited: 1}.Bound(10))
	require.Zero(t, Stats{}.Rate())
}

// TestLoaderAllocatesNothing: an epoch of images in memory.
func TestLoaderAllocatesNothing(t *testing.T) {
	l := newLoader(t, LoaderConfig{Source: noise(3000, 4, 4), BatchSize: 10, Workers: 2, Transform: &Augment{Pad: 1}})
	allocs := testing.AllocsPerRun(200, func() {
		b, err := l.Next(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		b.Release()
	})
	require.Zero(t, allocs)
}
