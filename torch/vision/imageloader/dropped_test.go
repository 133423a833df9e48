package imageloader

import (
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/torchlit/torchlit/torch/tool/tgz"
	"github.com/torchlit/torchlit/torch/torchtest"
	"github.com/torchlit/torchlit/torch/vision/transforms"
)

// TestDroppedLoader hangs when the goroutines of a loader that was never closed do
// not end.
func TestDroppedLoader(t *testing.T) {
	torchtest.Need(t)
	torchtest.NoLeak(t)
	fn, err := tgz.SynthesizeTarball(t.TempDir())
	require.NoError(t, err)
	p := drop(t, fn)
	runtime.GC()
	<-p.ctx.Done()
	require.NoError(t, p.close())
}

//go:noinline
func drop(t *testing.T, fn string) *pipeline {
	l, err := New(fn, map[string]int{"0": 0, "1": 1}, transforms.Compose(transforms.ToTensor()), 1, 1, 1, false, RGB)
	require.NoError(t, err)
	require.True(t, l.Scan())
	data, label := l.Minibatch()
	data.Close()
	label.Close()
	return l.p
}
