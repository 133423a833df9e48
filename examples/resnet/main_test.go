package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/torchlit/torchlit/torch"
	"github.com/torchlit/torchlit/torch/nn"
	"github.com/torchlit/torchlit/torch/tool/tgz"
	"github.com/torchlit/torchlit/torch/torchtest"
	"github.com/torchlit/torchlit/torch/vision/resnet"
)

// small are flags for a network and pictures that take a second.
func small(dir string, more ...string) []string {
	return append([]string{"-blocks", "1", "-size", "8", "-images", "65", "-batch", "16", "-output", dir}, more...)
}

func losses(t *testing.T, output string) (list []float64) {
	t.Helper()
	for _, m := range regexp.MustCompile(`loss ([\d.]+)`).FindAllStringSubmatch(output, -1) {
		v, err := strconv.ParseFloat(m[1], 64)
		require.NoError(t, err)
		list = append(list, v)
	}
	return list
}

func TestItLearns(t *testing.T) {
	torchtest.Need(t)
	torchtest.NoLeak(t)
	var out bytes.Buffer
	require.NoError(t, run(context.Background(), small(t.TempDir(), "-epochs", "4", "-lr", "0.02"), &out))
	got := losses(t, out.String())
	require.Len(t, got, 4, out.String())
	assert.Less(t, got[3], got[0])
	assert.Regexp(t, `epoch 4: .*test accuracy [\d.]+ %`, out.String())
}

func TestBFloat16(t *testing.T) {
	torchtest.Need(t)
	torchtest.NoLeak(t)
	var out bytes.Buffer
	require.NoError(t, run(context.Background(), small(t.TempDir(), "-epochs", "2", "-lr", "0.02", "-bf16"), &out))
	assert.Len(t, losses(t, out.String()), 2, out.String())
}

// interrupter cancels a context once the program has reported its first epoch.
type interrupter struct {
	bytes.Buffer
	cancel context.CancelFunc
}

func (i *interrupter) Write(b []byte) (int, error) {
	if bytes.HasPrefix(b, []byte("epoch 1:")) {
		i.cancel()
	}
	return i.Buffer.Write(b)
}

func TestResumeEqualsNotStopping(t *testing.T) {
	torchtest.Need(t)
	torchtest.NoLeak(t)
	straight, resumed := t.TempDir(), t.TempDir()
	var out bytes.Buffer
	require.NoError(t, run(context.Background(), small(straight, "-epochs", "2"), &out))

	ctx, cancel := context.WithCancel(context.Background())
	err := run(ctx, small(resumed, "-epochs", "2"), &interrupter{cancel: cancel})
	require.ErrorContains(t, err, "interrupted")
	require.ErrorContains(t, err, "from the end of epoch 1")
	assert.NotEqual(t, checkpoint(t, straight), checkpoint(t, resumed))

	out.Reset()
	require.NoError(t, run(context.Background(), small(resumed, "-epochs", "2", "-resume"), &out))
	assert.Contains(t, out.String(), "going on after epoch 1")
	assert.NotContains(t, out.String(), "epoch 1:")
	// Not assert.Equal, which would print megabytes.
	assert.True(t, checkpoint(t, straight) == checkpoint(t, resumed), "the checkpoints differ")
}

func checkpoint(t *testing.T, dir string) string {
	t.Helper()
	data, err := os.ReadFile(settings{output: dir}.checkpoint())
	require.NoError(t, err)
	return string(data)
}

func TestItSaysWhatIsWrong(t *testing.T) {
	torchtest.Need(t)
	torchtest.NoLeak(t)
	f := func(want string, args ...string) {
		t.Helper()
		var out bytes.Buffer
		assert.ErrorContains(t, run(context.Background(), args, &out), want)
	}
	dir := t.TempDir()
	f("flag -clip: it must be above 0", "-clip", "0")
	f("flag -decay: it must not be negative", "-decay", "-1")
	f("there must be 2", "-batch", "1")
	f(`cannot use device "tpu"`, "-device", "tpu")
	f("-output must name the folder", "-resume")
	f("none.tar.gz", "-data", filepath.Join(dir, "none.tar.gz"), "-output", dir)
	f("cannot resume", small(dir, "-resume")...)

	noise := filepath.Join(dir, "noise.tar.gz")
	require.NoError(t, os.WriteFile(noise, []byte("noise"), 0o600))
	f("noise.tar.gz", "-data", noise, "-output", dir)

	empty := filepath.Join(dir, "empty.tar.gz")
	w, err := tgz.CreateFile(empty)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	f("no files", "-data", empty, "-output", dir)
}

// A checkpoint is not applied to what it does not belong to.
func TestResumeRefuses(t *testing.T) {
	torchtest.Need(t)
	torchtest.NoLeak(t)
	dir := t.TempDir()
	s, err := parse(small(dir), &bytes.Buffer{})
	require.NoError(t, err)
	tr, err := newTrainer(s)
	require.NoError(t, err)
	defer tr.close()
	require.NoError(t, tr.save(s.checkpoint()))
	f := func(want string, args ...string) {
		t.Helper()
		var out bytes.Buffer
		assert.ErrorContains(t, run(context.Background(), args, &out), want)
	}
	f("resnet", small(dir, "-resume", "-blocks", "2")...)
	archive, err := tgz.SynthesizeTarball(t.TempDir())
	require.NoError(t, err)
	f("was trained on classes", small(dir, "-resume", "-data", archive)...)
	torch.SaveSafetensors(nil, s.checkpoint(), nil)
	f("no checkpoint of this program", small(dir, "-resume")...)
}

// Weights decay; biases and normalisations do not.
func TestDecayIsForWeights(t *testing.T) {
	torchtest.Need(t)
	torchtest.NoLeak(t)
	net := resnet.New(resnet.Spec{Layers: [4]int{1, 1, 1, 1}, Stem: resnet.CIFARStem, NumClasses: 2})
	defer nn.Close(net)
	opt := newOptimizer(net, 0.1, 0.5)
	defer opt.Close()
	groups := opt.Groups()
	require.Len(t, groups, 2)
	f := func(i int, wantDecay float64, wantDims func(int64) bool) {
		t.Helper()
		assert.Equal(t, wantDecay, groups[i].WeightDecay)
		for _, p := range groups[i].Parameters() {
			assert.True(t, wantDims(p.Dim()))
		}
	}
	f(0, 0.5, func(dims int64) bool { return dims > 1 })
	f(1, 0, func(dims int64) bool { return dims == 1 })
	assert.Len(t, append(groups[0].Parameters(), groups[1].Parameters()...), len(net.Parameters()))
}

func TestScheduleWarmsUpAndFalls(t *testing.T) {
	tr := trainer{pictures: 95, settings: settings{batch: 10, epochs: 2}} // 20 steps
	s := tr.schedule()
	f := func(step int, want float64) {
		t.Helper()
		assert.InDelta(t, want, s.At(1, step), 1e-9)
	}
	f(0, 0.1)
	f(2, 1)
	f(11, 0.5)
	f(20, 0)
}
