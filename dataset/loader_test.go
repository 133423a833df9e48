package dataset

import (
	"context"
	"io"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// drain takes batches to the end and returns what the epoch showed.
func drain(t *testing.T, l *Loader) (images [][]byte, labels []int64, sizes []int) {
	t.Helper()
	for {
		b, err := l.Next(context.Background())
		if err == io.EOF {
			return images, labels, sizes
		}
		require.NoError(t, err)
		require.Len(t, b.Labels, b.N)
		images = append(images, slices.Clone(b.Images))
		labels = append(labels, b.Labels...)
		sizes = append(sizes, b.N)
		b.Release()
	}
}

func newLoader(t *testing.T, cfg LoaderConfig) *Loader {
	t.Helper()
	l, err := NewLoader(cfg)
	require.NoError(t, err)
	t.Cleanup(l.Close)
	return l
}

func TestLoaderOrder(t *testing.T) {
	f := func(cfg LoaderConfig, batches int, last int) {
		t.Helper()
		cfg.Source = numbered(25)
		l := newLoader(t, cfg)
		require.Equal(t, batches, l.Batches())
		images, labels, sizes := drain(t, l)
		require.Len(t, images, batches)
		require.Equal(t, last, sizes[len(sizes)-1])
		order := make([]int32, 25)
		for i := range order {
			order[i] = int32(i)
		}
		if cfg.Shuffle {
			order = Permutation(25, cfg.Seed, cfg.Epoch)
		}
		for i, label := range labels {
			require.EqualValues(t, order[i]%10, label)
			require.Equal(t, byte(order[i]), images[i/cfg.BatchSize][i%cfg.BatchSize*48])
		}
		_, err := l.Next(context.Background())
		require.Equal(t, io.EOF, err, "the end stays the end")
	}
	f(LoaderConfig{BatchSize: 8}, 4, 1)
	f(LoaderConfig{BatchSize: 8, DropLast: true}, 3, 8)
	f(LoaderConfig{BatchSize: 5, Depth: 2}, 5, 5)
	f(LoaderConfig{BatchSize: 100}, 1, 25)
	f(LoaderConfig{BatchSize: 8, Shuffle: true, Seed: 5, Epoch: 2}, 4, 1)
	f(LoaderConfig{BatchSize: 1, Depth: 100}, 25, 1)
}

// TestLoaderResume: an epoch taken up at any batch, at any depth, goes on with
// the bytes that it would have shown.
func TestLoaderResume(t *testing.T) {
	cfg := LoaderConfig{
		Source: noise(50, 8, 8), BatchSize: 8, Shuffle: true, Seed: 3, Epoch: 4,
		Transform: &Augment{Pad: 2, Flip: true, Cutout: 3},
	}
	whole, labels, _ := drain(t, newLoader(t, cfg))
	for start := range 8 {
		cfg.Start, cfg.Depth = start, 2+start
		rest, restLabels, _ := drain(t, newLoader(t, cfg))
		require.Equal(t, whole[start:], append([][]byte{}, rest...))
		require.Equal(t, labels[min(8*start, 50):], append([]int64{}, restLabels...))
	}
	cfg.Start, cfg.Epoch = 0, 5
	next, _, _ := drain(t, newLoader(t, cfg))
	require.NotEqual(t, whole, next)
}

func TestLoaderBoundsMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, err := NewLoader(LoaderConfig{Source: numbered(100), BatchSize: 10, Depth: 3})
		require.NoError(t, err)
		defer l.Close()
		synctest.Wait() // the producer has done all it can
		require.Len(t, l.ready, 3)

		var held []*Batch
		for range 3 {
			b, err := l.Next(t.Context())
			require.NoError(t, err)
			held = append(held, b)
		}
		// Everything is in the caller's hands: Next can only wait.
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		_, err = l.Next(ctx)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, time.Minute, l.Waited())

		held[0].Release()
		b, err := l.Next(t.Context())
		require.NoError(t, err)
		require.Equal(t, 3, b.Index)
		require.Same(t, held[0], b, "memory goes round")
	})
}

// TestLoaderClose closes at every stage; synctest fails when a goroutine stays.
func TestLoaderClose(t *testing.T) {
	for taken := range 5 {
		synctest.Test(t, func(t *testing.T) {
			l, err := NewLoader(LoaderConfig{Source: numbered(100), BatchSize: 10, Depth: 2})
			require.NoError(t, err)
			for i := range taken {
				b, err := l.Next(t.Context())
				require.NoError(t, err)
				if i%2 == 0 { // some are still held
					b.Release()
				}
				if len(l.free)+len(l.ready) == 0 && i > 1 {
					break
				}
			}
			l.Close()
			l.Close()
			_, err = l.Next(t.Context())
			require.ErrorIs(t, err, ErrClosed)
		})
	}
}

func TestLoaderCloseWakesNext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, err := NewLoader(LoaderConfig{Source: numbered(100), BatchSize: 10, Depth: 2})
		require.NoError(t, err)
		for range 2 {
			_, err := l.Next(t.Context())
			require.NoError(t, err)
		}
		got := make(chan error)
		go func() {
			_, err := l.Next(context.Background())
			got <- err
		}()
		synctest.Wait()
		l.Close()
		require.ErrorIs(t, <-got, ErrClosed)
	})
}

func TestLoaderCancelled(t *testing.T) {
	l := newLoader(t, LoaderConfig{Source: numbered(10), BatchSize: 5})
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err := l.Next(ctx)
	require.ErrorIs(t, err, context.Canceled)
}

func TestBatchReleasedTwice(t *testing.T) {
	l := newLoader(t, LoaderConfig{Source: numbered(10), BatchSize: 10})
	b, err := l.Next(context.Background())
	require.NoError(t, err)
	b.Release()
	require.PanicsWithValue(t, "BUG: a batch was released twice", b.Release)
}

func TestLoaderRefuses(t *testing.T) {
	f := func(cfg LoaderConfig, want string) {
		t.Helper()
		_, err := NewLoader(cfg)
		require.ErrorContains(t, err, want)
	}
	s := numbered(10)
	f(LoaderConfig{BatchSize: 1}, "empty")
	f(LoaderConfig{Source: &Set{}, BatchSize: 1}, "empty")
	f(LoaderConfig{Source: s}, "at least 1")
	f(LoaderConfig{Source: s, BatchSize: 11, DropLast: true}, "use a smaller batch size")
	f(LoaderConfig{Source: s, BatchSize: 1, Depth: 1}, "at least 2")
	f(LoaderConfig{Source: s, BatchSize: 1, Start: -1}, "batch -1")
	f(LoaderConfig{Source: s, BatchSize: 1, Start: 11}, "10 batches at batch 11")
	f(LoaderConfig{Source: s, BatchSize: 1, Transform: &Augment{Pad: 5}}, "smaller pad")
}
