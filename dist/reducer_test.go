package dist

import (
	"errors"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/torchlit/torchlit/torch"
	"github.com/torchlit/torchlit/torch/distributed"
	"github.com/torchlit/torchlit/torch/nn"
	"github.com/torchlit/torchlit/torch/torchtest"
)

// mirror is a group of two ranks of which the other does and has what this one does and
// has: its sums are twice the numbers. It runs no operators, as a mailbox demands.
type mirror struct {
	before func(t torch.Tensor) error // called for each sum; may be nil
	mu     *sync.Mutex
	sums   *int
}

func newMirror(before func(torch.Tensor) error) mirror {
	return mirror{before, new(sync.Mutex), new(int)}
}

func (m mirror) Rank() int { return 0 }
func (m mirror) Size() int { return 2 }

func (m mirror) AllReduce(tensors ...torch.Tensor) error {
	for _, t := range tensors {
		if m.before != nil {
			if err := m.before(t); err != nil {
				return err
			}
		}
		data, err := distributed.Elements(t)
		if err != nil {
			return err
		}
		v := numbers[float32](data)
		add(v, v)
		m.mu.Lock()
		*m.sums++
		m.mu.Unlock()
	}
	return nil
}

func (m mirror) Broadcast(int, ...torch.Tensor) error { return nil }
func (m mirror) AllGather(v []byte) ([][]byte, error) { return [][]byte{v, v}, nil }
func (m mirror) Barrier() error                       { return nil }
func (m mirror) Duplicate() (Group, error)            { return m, nil }
func (m mirror) Close() error                         { return nil }

// threeLayers has six parameters; with the smallest buckets each gets one of its own.
func threeLayers() (*nn.ChainModule, ReducerOptions) {
	torch.ManualSeed(1)
	return nn.Chain(nn.Linear(4, 4, true), nn.Linear(4, 4, true), nn.Linear(4, 4, true)), ReducerOptions{Bucket: 1, First: 1}
}

func backward(net nn.Layer, x torch.Tensor) {
	torch.Scope(func(func(torch.Tensor) torch.Tensor) {
		torch.Sum(torch.Mul(net.Forward(x), net.Forward(x))).Backward()
	})
}

func gradients(net *nn.ChainModule) [][]byte {
	var list [][]byte
	for _, p := range net.Parameters() {
		g := p.Grad()
		if g.T == nil {
			list = append(list, nil)
			continue
		}
		list = append(list, g.Bytes())
		g.Close()
	}
	return list
}

// Twice the same gradient, halved, is itself, to the last bit: whatever the sizes of the
// buckets, in several steps, with and without cleared gradients between them.
func TestReducer(t *testing.T) {
	torchtest.Need(t)
	torchtest.NoLeak(t)
	for _, o := range []ReducerOptions{{}, {Bucket: 1, First: 1}, {Bucket: 100}} {
		net, _ := threeLayers()
		x := torch.RandN([]int64{3, 4}, false)
		backward(net, x)
		want := gradients(net)
		torch.ClearGrads(net.Parameters())

		r, err := NewReducer(newMirror(nil), net.Parameters(), o)
		require.NoError(t, err)
		for range 3 {
			backward(net, x)
			require.NoError(t, r.Wait())
			require.Equal(t, want, gradients(net))
			torch.ClearGrads(net.Parameters())
		}
		r.Close()
		r.Close()
		backward(net, x) // as before it was there
		assert.Equal(t, want, gradients(net))
		nn.Close(net)
		x.Close()
	}
}

// NoSync adds gradients up on the rank; the last pass averages the sum.
func TestReducerAccumulates(t *testing.T) {
	torchtest.Need(t)
	net, o := threeLayers()
	defer nn.Close(net)
	x, y := torch.RandN([]int64{3, 4}, false), torch.RandN([]int64{3, 4}, false)
	defer x.Close()
	defer y.Close()
	backward(net, x)
	backward(net, y)
	want := gradients(net)
	torch.ClearGrads(net.Parameters())

	group := newMirror(nil)
	r, err := NewReducer(group, net.Parameters(), o)
	require.NoError(t, err)
	defer r.Close()
	require.NoError(t, r.NoSync(func() { backward(net, x) }))
	assert.Zero(t, *group.sums)
	backward(net, y)
	require.NoError(t, r.Wait())
	assert.Equal(t, want, gradients(net))
	assert.Equal(t, 6, *group.sums)
}

// A parameter that the pass does not reach has no gradient afterwards, and holds nobody
// up; when a pass without averaging had reached it, it has that gradient.
func TestReducerUnused(t *testing.T) {
	torchtest.Need(t)
	net, o := threeLayers()
	defer nn.Close(net)
	x := torch.RandN([]int64{3, 4}, false)
	defer x.Close()
	r, err := NewReducer(newMirror(nil), net.Parameters(), o)
	require.NoError(t, err)
	defer r.Close()
	for range 2 {
		backward(net.Modules[1], x)
		require.NoError(t, r.Wait())
		g := gradients(net)
		assert.Equal(t, []bool{true, true, false, false, true, true},
			[]bool{g[0] == nil, g[1] == nil, g[2] == nil, g[3] == nil, g[4] == nil, g[5] == nil})
		torch.ClearGrads(net.Parameters())
	}

	backward(net.Modules[0], x)
	backward(net.Modules[1], x)
	require.NoError(t, r.Wait())
	want := gradients(net)
	torch.ClearGrads(net.Parameters())
	require.NoError(t, r.NoSync(func() { backward(net.Modules[0], x) }))
	backward(net.Modules[1], x)
	require.NoError(t, r.Wait())
	assert.Equal(t, want, gradients(net))
}

// A parameter that only the other rank has a gradient of gets the average with zero.
func TestReducerUsedElsewhere(t *testing.T) {
	torchtest.Need(t)
	net, o := threeLayers()
	defer nn.Close(net)
	x := torch.RandN([]int64{3, 4}, false)
	defer x.Close()
	group := newMirror(func(bucket torch.Tensor) error {
		data, err := distributed.Elements(bucket)
		if err != nil {
			return err
		}
		if v := numbers[float32](data); v[len(v)-1] == 0 { // no gradient here: the other's is 1, halved
			for i := range v {
				v[i] = 0.25
			}
		}
		return nil
	})
	r, err := NewReducer(group, net.Parameters(), o)
	require.NoError(t, err)
	defer r.Close()
	backward(net.Modules[1], x)
	require.NoError(t, r.Wait())
	bias := net.Modules[0].(*nn.LinearModule).Bias.Grad()
	defer bias.Close()
	assert.Equal(t, []float32{0.5, 0.5, 0.5, 0.5}, numbers[float32](bias.Bytes()))
}

func TestReducerTwicePasses(t *testing.T) {
	torchtest.Need(t)
	net, o := threeLayers()
	defer nn.Close(net)
	x := torch.RandN([]int64{3, 4}, false)
	defer x.Close()
	r, err := NewReducer(newMirror(nil), net.Parameters(), o)
	require.NoError(t, err)
	defer r.Close()
	backward(net, x)
	err = torch.Try(func() { backward(net, x) })
	require.ErrorContains(t, err, "run all backward passes of a step but the last in NoSync")
	require.NoError(t, r.Wait()) // begins anew
	torch.ClearGrads(net.Parameters())
	backward(net, x)
	require.NoError(t, r.Wait())

	_, err = NewReducer(newMirror(nil), net.Parameters(), o)
	assert.ErrorContains(t, err, "belongs to a reducer already")
}

func TestReducerFails(t *testing.T) {
	torchtest.Need(t)
	net, o := threeLayers()
	defer nn.Close(net)
	x := torch.RandN([]int64{3, 4}, false)
	defer x.Close()
	r, err := NewReducer(newMirror(func(torch.Tensor) error { return &LostError{1, errors.New("it closed its connection")} }), net.Parameters(), o)
	require.NoError(t, err)
	defer r.Close()
	for range 2 {
		backward(net, x)
		assert.ErrorContains(t, r.Wait(), "cannot average gradients over the ranks: lost rank 1: it closed its connection")
	}
}

// Gradients of channels-last weights are channels-last: the optimizer's quick path wants
// them as the weights are.
func TestReducerStrides(t *testing.T) {
	torchtest.Need(t)
	conv := nn.Conv2d(3, 8, 3, 1, 1, 1, 1, false, "zeros")
	defer nn.Close(conv)
	torch.NoGrad(func() {
		laid := conv.Weight.Contiguous(torch.ChannelsLast)
		conv.Weight.SetData(laid)
		laid.Close()
	})
	x := torch.RandN([]int64{2, 3, 8, 8}, false)
	defer x.Close()
	backward(conv, x)
	before := conv.Weight.Grad()
	want := before.Contiguous(torch.ContiguousFormat)
	defer want.Close()
	before.Close()
	torch.ClearGrads(conv.Parameters())

	r, err := NewReducer(newMirror(nil), conv.Parameters(), ReducerOptions{})
	require.NoError(t, err)
	defer r.Close()
	backward(conv, x)
	require.NoError(t, r.Wait())
	g := conv.Weight.Grad()
	defer g.Close()
	assert.Equal(t, conv.Weight.Strides(), g.Strides())
	assert.Equal(t, want.Bytes(), g.Bytes())
}

// The first bucket travels while the backward pass is under way: the pass waits, in the
// batch normalisation of the first layer, until the last layer's bucket has been taken.
// Were the buckets sent after the pass, this would wait for ever.
func TestReducerOverlaps(t *testing.T) {
	torchtest.Need(t)
	torch.ManualSeed(1)
	norm := nn.BatchNorm2d(4, 1e-5, 0.1, true, true)
	net := nn.Chain(nn.Linear(4, 4, true), norm, nn.Linear(4, 4, true))
	defer nn.Close(net)
	x := torch.RandN([]int64{6, 4}, false)
	defer x.Close()

	travels := make(chan struct{})
	var once sync.Once
	r, err := NewReducer(newMirror(func(torch.Tensor) error {
		once.Do(func() { close(travels) })
		return nil
	}), net.Parameters(), ReducerOptions{Bucket: 1, First: 1})
	require.NoError(t, err)
	defer r.Close()
	forward := true
	stop, err := SyncBatchNorm(newMirror(func(torch.Tensor) error {
		if !forward {
			<-travels
		}
		forward = false
		return nil
	}), net)
	require.NoError(t, err)
	defer stop()
	torch.Scope(func(func(torch.Tensor) torch.Tensor) {
		torch.Sum(net.Forward(x)).Backward()
	})
	require.NoError(t, r.Wait())
}

func TestSingle(t *testing.T) {
	torchtest.Need(t)
	group, err := Open(t.Context(), Env{Size: 1}, Options{})
	require.NoError(t, err)
	net, _ := threeLayers()
	defer nn.Close(net)
	x := torch.RandN([]int64{3, 4}, false)
	defer x.Close()
	r, err := NewReducer(group, net.Parameters(), ReducerOptions{})
	require.NoError(t, err)
	require.NoError(t, r.NoSync(func() { backward(net, x) }))
	require.NoError(t, r.Wait())
	require.NoError(t, BroadcastParameters(group, net.Parameters(), net.Buffers()))
	n := 2.0
	require.NoError(t, Sum(group, &n))
	assert.Equal(t, 2.0, n)
	stop, err := SyncBatchNorm(group, net)
	require.NoError(t, err)
	stop()
	r.Close()
	require.NoError(t, group.Close())
}
