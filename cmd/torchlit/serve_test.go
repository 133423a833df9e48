package main

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"mime/multipart"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/torchlit/torchlit/torch/torchtest"
	"github.com/torchlit/torchlit/torch/vision/resnet"
)

type answer struct {
	Model       string
	Predictions []prediction
	BatchSize   int `json:"batch_size"`
	Timing      struct {
		Decode, Queue, Inference, Total float64 // milliseconds
	} `json:"timing_ms"`
	Error, Code string
}

func post(client *http.Client, url, contentType string, body []byte) (answer, int, error) {
	var a answer
	req, err := http.NewRequest(http.MethodPost, url+"/v1/classify", bytes.NewReader(body))
	if err != nil {
		return a, 0, err
	}
	req.Header["Content-Type"] = nil // none, unless given
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	resp, err := client.Do(req)
	if err != nil {
		return a, 0, err
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		return a, resp.StatusCode, err
	}
	return a, resp.StatusCode, json.Unmarshal(data, &a)
}

// form makes the body that curl -F image=@… makes, with n files.
func form(t testing.TB, image []byte, n int) (body []byte, contentType string) {
	t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for i := range n {
		part, err := w.CreateFormFile("image", fmt.Sprintf("%d.jpg", i))
		require.NoError(t, err)
		_, err = part.Write(image)
		require.NoError(t, err)
	}
	require.NoError(t, w.Close())
	return b.Bytes(), w.FormDataContentType()
}

// bomb is a PNG whose header promises 400 million pixels.
func bomb() []byte {
	ihdr := []byte("IHDR")
	ihdr = binary.BigEndian.AppendUint32(ihdr, 20000)
	ihdr = binary.BigEndian.AppendUint32(ihdr, 20000)
	ihdr = append(ihdr, 8, 2, 0, 0, 0)
	png := []byte("\x89PNG\r\n\x1a\n\x00\x00\x00\x0d")
	png = append(png, ihdr...)
	return binary.BigEndian.AppendUint32(png, crc32.ChecksumIEEE(ihdr))
}

func TestServe(t *testing.T) {
	torchtest.Need(t)
	s := serveModel(t, "--models", writeModel(t, "resnet18", resnet.CIFARStem, 10, 32))
	t.Run("answers a photo", func(t *testing.T) { answersAPhoto(t, s.url) })
	t.Run("refuses bad input", func(t *testing.T) { refusesBadInput(t, s.url) })
	t.Run("batches 64 clients", func(t *testing.T) { batchesManyClients(t, s.url) })
}

func answersAPhoto(t *testing.T, url string) {
	body, contentType := form(t, photo(t, 320, 240, 1), 1)
	a, status, err := post(http.DefaultClient, url, contentType, body)
	require.NoError(t, err)
	require.Equal(t, 200, status)
	assert.Equal(t, "random", a.Model)
	require.Len(t, a.Predictions, 5)
	sum := float32(0)
	for _, p := range a.Predictions {
		sum += p.Probability
	}
	assert.Greater(t, sum, float32(0.5))
	assert.LessOrEqual(t, sum, float32(1.0001))
}

func refusesBadInput(t *testing.T, url string) {
	jpeg := photo(t, 64, 64, 1)
	many, manyType := form(t, jpeg, 50)
	f := func(name string, wantStatus int, wantCode, contentType string, body []byte) {
		t.Helper()
		a, status, err := post(http.DefaultClient, url, contentType, body)
		require.NoError(t, err, name)
		assert.Equal(t, wantStatus, status, "%s: %s", name, a.Error)
		assert.Equal(t, wantCode, a.Code, name)
		if wantStatus != 200 {
			assert.NotEmpty(t, a.Error, name)
		}
	}
	f("a text file", 415, "not_an_image", "text/plain", []byte("hello, I am a text file"))
	f("an empty body", 400, "empty_body", "image/jpeg", nil)
	f("a truncated JPEG", 422, "cannot_decode", "image/jpeg", jpeg[:len(jpeg)/2])
	f("a header bomb", 413, "too_many_pixels", "image/png", bomb())
	f("wrong JSON", 400, "bad_json", "application/json", []byte(`{"image": `))
	f("wrong base64", 400, "bad_base64", "application/json", []byte(`{"image": "***"}`))
	f("50 files", 413, "too_many_images", manyType, many)
	f("no Content-Type", 200, "", "", jpeg)
}

func batchesManyClients(t *testing.T, url string) {
	const clients, each = 64, 3
	before := metric(t, url, "torchlit_batch_size_count")
	imagesBefore := metric(t, url, "torchlit_batch_size_sum")
	image := photo(t, 200, 150, 2)
	var failed atomic.Int64
	var wg sync.WaitGroup
	for range clients {
		wg.Go(func() {
			for range each {
				if _, status, err := post(http.DefaultClient, url, "image/jpeg", image); err != nil || status != 200 {
					t.Log(status, err)
					failed.Add(1)
				}
			}
		})
	}
	wg.Wait()
	assert.Zero(t, failed.Load())
	batches := metric(t, url, "torchlit_batch_size_count") - before
	images := metric(t, url, "torchlit_batch_size_sum") - imagesBefore
	assert.EqualValues(t, clients*each, images)
	assert.Less(t, batches, images/2, "hardly any batch held more than one image")
}

// metric returns the sum over a metric's series.
func metric(t *testing.T, url, name string) float64 {
	t.Helper()
	resp, err := http.Get(url + "/metrics")
	require.NoError(t, err)
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	sum := 0.0
	for _, m := range regexp.MustCompile(`(?m)^`+name+`(?:\{.*\})? (\S+)$`).FindAllStringSubmatch(string(data), -1) {
		v, err := strconv.ParseFloat(m[1], 64)
		require.NoError(t, err)
		sum += v
	}
	return sum
}

// A request that the server has read must be answered, whenever SIGTERM comes.
// Clients may find the port closed. The few that connect in the microseconds
// between the server's last look at its backlog and the closing of the port are
// reset by the kernel, unread.
func TestSIGTERMLosesNoRequest(t *testing.T) {
	torchtest.Need(t)
	s := serveModel(t, "--models", writeModel(t, "resnet18", resnet.CIFARStem, 10, 32), "--drain-grace", "200ms")
	image := photo(t, 200, 150, 3)
	const clients = 32
	var answered, refused, unread atomic.Int64
	var wg sync.WaitGroup
	for range clients {
		wg.Go(func() {
			client := &http.Client{Transport: &http.Transport{}}
			for {
				_, status, err := post(client, s.url, "image/jpeg", image)
				switch {
				case err == nil && (status == 200 || status == 503):
					answered.Add(1)
				case errors.Is(err, syscall.ECONNREFUSED):
					refused.Add(1)
					return
				case errors.Is(err, syscall.ECONNRESET):
					unread.Add(1)
					return
				default:
					t.Errorf("a request was lost: status %d, %v", status, err)
					return
				}
			}
		})
	}
	for answered.Load() < 100 {
		time.Sleep(time.Millisecond)
	}
	s.stop(t)
	wg.Wait()
	assert.EqualValues(t, clients, refused.Load()+unread.Load())
	assert.LessOrEqual(t, unread.Load(), int64(clients/8))
	assert.False(t, strings.Contains(s.log.String(), "error "), s.log.String())
}
