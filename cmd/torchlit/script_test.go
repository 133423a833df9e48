package main

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"image"
	"image/png"
	"io"
	"math"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/torchlit/torchlit/torch/torchtest"
)

// scriptFolder is a models folder with the module "bright" of package predict: 8×8 images, four classes, and a module that
// raises when an image is nearly white.
func scriptFolder(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	dir := filepath.Join(root, "bright", "1")
	require.NoError(t, os.MkdirAll(dir, 0o755))
	config := `{"num_classes": 4, "label_names": ["a", "b", "c", "d"], "pretrained_cfg": {"input_size": [3, 8, 8]}}`
	require.NoError(t, os.WriteFile(filepath.Join(dir, "config.json"), []byte(config), 0o600))
	module, err := os.ReadFile(filepath.Join("..", "..", "predict", "testdata", "scripts", "bright.pt"))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "model.pt"), module, 0o600))
	return root
}

func gray(t *testing.T, level uint8) []byte {
	t.Helper()
	img := image.NewGray(image.Rect(0, 0, 8, 8))
	for i := range img.Pix {
		img.Pix[i] = level
	}
	var b bytes.Buffer
	require.NoError(t, png.Encode(&b, img))
	return b.Bytes()
}

// TestServeTorchScript serves a module that fails on some images: whatever shares a batch with them is answered, as pixels and
// as floats.
func TestServeTorchScript(t *testing.T) {
	torchtest.Need(t)
	s := serveModel(t, "--models", scriptFolder(t))
	dark, white := gray(t, 20), gray(t, 255)
	want, status, err := post(http.DefaultClient, s.url, "image/png", dark)
	require.NoError(t, err)
	require.Equal(t, 200, status)

	var wg sync.WaitGroup
	for i := range 24 {
		wg.Go(func() {
			switch {
			case i%3 == 2:
				a, status, err := post(http.DefaultClient, s.url, "image/png", white)
				assert.NoError(t, err)
				assert.Equal(t, 500, status)
				assert.Equal(t, "model_failed_on_input", a.Code)
			case i%3 == 1:
				p := inferFloats(t, s.url, 20)
				assert.InDelta(t, want.Predictions[0].Probability, p[want.Predictions[0].Index], 1e-5)
			default:
				a, status, err := post(http.DefaultClient, s.url, "image/png", dark)
				assert.NoError(t, err)
				assert.Equal(t, 200, status)
				if assert.NotEmpty(t, a.Predictions) {
					assert.InDelta(t, want.Predictions[0].Probability, a.Predictions[0].Probability, 1e-5)
				}
			}
		})
	}
	wg.Wait()
	s.stop(t)
	assert.Contains(t, s.log.String(), "too bright", "the log has the module's own words")
}

// inferFloats sends an image of one level, normalised, as a raw V2 tensor.
func inferFloats(t *testing.T, url string, level float32) []float32 {
	var planes []byte
	mean, std := [3]float32{0.485, 0.456, 0.406}, [3]float32{0.229, 0.224, 0.225}
	for c := range 3 {
		for range 64 {
			planes = binary.LittleEndian.AppendUint32(planes, math.Float32bits((level/255-mean[c])/std[c]))
		}
	}
	head := fmt.Sprintf(`{"inputs":[{"name":"input","datatype":"FP32","shape":[1,3,8,8],"parameters":{"binary_data_size":%d}}]}`, len(planes))
	req, err := http.NewRequest(http.MethodPost, url+"/v2/models/bright/infer", bytes.NewReader(append([]byte(head), planes...)))
	if !assert.NoError(t, err) {
		return make([]float32, 4)
	}
	req.Header.Set("Inference-Header-Content-Length", fmt.Sprint(len(head)))
	resp, err := http.DefaultClient.Do(req)
	if !assert.NoError(t, err) {
		return make([]float32, 4)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	assert.NoError(t, err)
	var a struct {
		Outputs []struct{ Data []float32 }
	}
	if err := json.Unmarshal(body, &a); !assert.NoError(t, err) || !assert.Len(t, a.Outputs, 1, string(body)) || !assert.Len(t, a.Outputs[0].Data, 4) {
		return make([]float32, 4)
	}
	return a.Outputs[0].Data
}
