package torch_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/torchlit/torchlit/torch"
)

func TestGenerator(t *testing.T) {
	inScope(t, func() {
		g := torch.NewGenerator(torch.Device{})
		defer g.Close()
		assert.EqualValues(t, 67280421310721, g.InitialSeed()) // PyTorch's default

		g.ManualSeed(7)
		assert.EqualValues(t, 7, g.InitialSeed())
		state := g.State()
		assert.Equal(t, torch.Byte, state.Dtype())

		assert.NotEqual(t, uint64(7), g.Seed())
		g.SetState(state)
		assert.EqualValues(t, 7, g.InitialSeed())
		assert.Equal(t, torch.Slice[uint8](state), torch.Slice[uint8](g.State()))
	})
}

func TestGeneratorMisuse(t *testing.T) {
	inScope(t, func() {
		g := torch.NewGenerator(torch.Device{})
		g.Close()
		g.Close()
		assert.Contains(t, refusal(t, func() { g.ManualSeed(1) }).Error(), "closed")
		assert.Contains(t, refusal(t, func() { (*torch.Generator)(nil).State() }).Error(), "nil")
		(*torch.Generator)(nil).Close()

		g = torch.NewGenerator(torch.Device{})
		defer g.Close()
		assert.Contains(t, refusal(t, func() { g.SetState(torch.Zeros([]int64{3}, false)) }).Error(), "RNG state")
		_, err := torch.TryNewGenerator(torch.NewDevice("cuda:99"))
		require.Error(t, err)
	})
}

// What PyTorch draws from torch.Generator().manual_seed(7): rand(3), randn(3),
// randperm(5), to the bit.
func TestGeneratorDrawsPyTorchsNumbers(t *testing.T) {
	inScope(t, func() {
		o := torch.Options{Generator: torch.NewGenerator(torch.Device{}).ManualSeed(7)}
		defer o.Generator.Close()
		assert.Equal(t, []float32{0.5349225401878357, 0.19880318641662598, 0.6592116951942444},
			torch.Slice[float32](torch.RandWith([]int64{3}, o)))
		assert.Equal(t, []float32{-0.032551974058151245, 1.0110543966293335, 1.7714937925338745},
			torch.Slice[float32](torch.RandNWith([]int64{3}, o)))
		assert.Equal(t, []int64{1, 0, 2, 3, 4}, torch.Slice[int64](torch.RandPerm(5, o)))

		closed := torch.NewGenerator(torch.Device{})
		closed.Close()
		_, err := torch.TryBernoulli(torch.Ones([]int64{2}, false), closed)
		assert.ErrorContains(t, err, "closed")
	})
}
