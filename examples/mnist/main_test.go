package main

import (
	"bytes"
	"context"
	"flag"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/torchlit/torchlit/examples/internal/digits"
	"github.com/torchlit/torchlit/torch"
	"github.com/torchlit/torchlit/torch/nn"
	"github.com/torchlit/torchlit/torch/torchtest"
)

// numbers returns what the pattern's group matches in the program's output.
func numbers(t *testing.T, output, pattern string) (list []float64) {
	t.Helper()
	for _, m := range regexp.MustCompile(pattern).FindAllStringSubmatch(output, -1) {
		v, err := strconv.ParseFloat(m[1], 64)
		require.NoError(t, err)
		list = append(list, v)
	}
	return list
}

func TestItLearnsAndLoadsWhatItSaved(t *testing.T) {
	torchtest.Need(t)
	torchtest.NoLeak(t)
	dir := t.TempDir()
	var out bytes.Buffer
	require.NoError(t, run(context.Background(), []string{"-images", "600", "-epochs", "3", "-output", dir}, &out))
	text := out.String()

	losses := numbers(t, text, `loss ([\d.]+)`)
	require.Len(t, losses, 3, text)
	assert.Less(t, losses[1], losses[0])
	assert.Less(t, losses[2], losses[1])
	accuracies := numbers(t, text, `test accuracy ([\d.]+) %`)
	require.Len(t, accuracies, 4, text)
	assert.Greater(t, accuracies[2], 30.0, "chance is 10 %%")
	assert.Equal(t, accuracies[2], accuracies[3], "a network that is saved and loaded is the same")
	assert.Regexp(t, `This is a \d, says the network`, text)

	state := torch.LoadDict(filepath.Join(dir, "mnist.pt"))
	for name, tensor := range state {
		assert.Regexp(t, `^fc[123]\.(weight|bias)$`, name)
		tensor.Close()
	}
	assert.Len(t, state, 6)
}

func TestItSaysWhatIsWrong(t *testing.T) {
	torchtest.Need(t)
	torchtest.NoLeak(t)
	server := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(server.Close)
	f := func(want string, args ...string) {
		t.Helper()
		var out bytes.Buffer
		assert.ErrorContains(t, run(context.Background(), args, &out), want)
	}
	f("flag -epochs: it must be above 0", "-epochs", "0")
	f("-lernrate", "-lernrate", "1")
	f(`cannot use device "tpu"`, "-device", "tpu")
	f("404", "-data", t.TempDir(), "-mirror", server.URL)

	var out bytes.Buffer
	assert.ErrorIs(t, run(context.Background(), []string{"-help"}, &out), flag.ErrHelp)
	assert.Contains(t, out.String(), "-data folder")
}

func TestItStopsWithItsContext(t *testing.T) {
	torchtest.Need(t)
	torchtest.NoLeak(t)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	var out bytes.Buffer
	assert.ErrorIs(t, run(ctx, []string{"-images", "60", "-output", t.TempDir()}, &out), context.Canceled)
}

func TestLoadRefusesAnotherNetwork(t *testing.T) {
	torchtest.Need(t)
	torchtest.NoLeak(t)
	_, err := load(filepath.Join(t.TempDir(), "none.pt"), torch.Device{})
	assert.ErrorContains(t, err, "none.pt")

	other := nn.Linear(2, 2, true)
	defer nn.Close(other)
	file := filepath.Join(t.TempDir(), "other.pt")
	torch.SaveDict(nn.TorchStateDict(other), file)
	_, err = load(file, torch.Device{})
	assert.ErrorContains(t, err, "cannot load the network")
}

func TestDrawing(t *testing.T) {
	pixels := make([]byte, digits.Side*digits.Side)
	pixels[0], pixels[digits.Side] = 255, 255 // both rows that the first character shows
	pixels[1] = 255                           // one of them
	lines := strings.Split(drawing(pixels), "\n")
	require.Len(t, lines, digits.Side/2+1)
	assert.Equal(t, "@=", strings.TrimSpace(lines[0]))
	assert.Len(t, lines[0], digits.Side)
	assert.Empty(t, strings.TrimSpace(lines[1]))
}
