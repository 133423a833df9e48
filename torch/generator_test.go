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
