package torch_test

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/torchlit/torchlit/torch"
)

// Every tensor of testdata/format.pt prints as PyTorch printed it, to the letter.
func TestStringIsPyTorchs(t *testing.T) {
	data, err := os.ReadFile("testdata/format.json")
	require.NoError(t, err)
	var want map[string]string
	require.NoError(t, json.Unmarshal(data, &want))
	inScope(t, func() {
		cases := torch.LoadDict("testdata/format.pt")
		w := torch.Ones([]int64{2, 2}, true)
		twice := torch.Add(w, w, 1)
		cases["history: add"] = twice
		cases["history: sum"] = torch.Sum(twice)
		half := torch.Full([]int64{1}, 1.5, false)
		cases["history: slice"] = torch.Select(torch.Mul(w, half), 0, 0)
		cases["history: leaf view"] = w.Detach()
		long := torch.Ones([]int64{1, 18}, true)
		cases["history: long"] = torch.Mul(long, torch.Full([]int64{1}, 1.25, false))
		require.Len(t, cases, len(want))
		for name, text := range want {
			assert.Equal(t, text, cases[name].String(), name)
		}
	})
}

func TestStringOfNoTensor(t *testing.T) {
	assert.Equal(t, "nil", torch.Tensor{}.String())
	inScope(t, func() {
		x := torch.Zeros([]int64{2}, false)
		x.Close()
		assert.Equal(t, "a closed tensor", x.String())
	})
}

func TestStringReadsOnlyTheEdges(t *testing.T) {
	inScope(t, func() {
		before := torch.LiveTensors()
		s := torch.Zeros([]int64{1}, false).Expand(1<<40, 1<<10).String() // 4 PiB, were it copied
		assert.Equal(t, 7, strings.Count(s, "\n")+1)
		assert.LessOrEqual(t, torch.LiveTensors(), before+2, "String closes what it makes")
	})
}

func ExampleTensor_String() {
	fmt.Println(torch.FromSlice([]float32{1, 2.5, 3, 4}, 2, 2))
	// Output:
	// tensor([[1.0000, 2.5000],
	//         [3.0000, 4.0000]])
}
