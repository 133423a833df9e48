package bench

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"io"
	"math"
	"net/http"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// v2Request is what a server of V2 reads.
type v2Request struct {
	Parameters map[string]any
	Inputs     []struct {
		tensorMetadata
		Parameters map[string]any
	}
	raw []byte
}

// fakeV2 is a server with one model; what is asked of it comes out of the channel.
func fakeV2(t *testing.T, metadata string) (Options, chan v2Request) {
	got := make(chan v2Request, 10)
	o, _ := fake(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.Method + " " + r.URL.Path {
		case "GET /v2/models/m":
			io.WriteString(w, metadata)
		case "POST /v2/models/m/infer":
			b := body(t, r)
			n, err := strconv.Atoi(r.Header.Get("Inference-Header-Content-Length"))
			assert.NoError(t, err)
			var q v2Request
			assert.NoError(t, json.Unmarshal(b[:n], &q))
			q.raw = b[n:]
			got <- q
			io.WriteString(w, `{}`)
		case "POST /v2/repository/index": // Triton's; it has no list
			io.WriteString(w, `[{"name":"m","version":"1","state":"READY"},{"name":"m","version":"2","state":"READY"}]`)
		default:
			http.NotFound(w, r)
		}
	})
	o.Protocol = V2
	return o, got
}

const torchlitMetadata = `{"name":"m","inputs":[{"name":"input","datatype":"FP32","shape":[-1,3,4,5]},{"name":"image","datatype":"BYTES","shape":[-1]}]}`

func TestV2SendsImages(t *testing.T) {
	o, got := fakeV2(t, torchlitMetadata)
	o.Batch, o.Deadline = 3, 200*time.Millisecond
	replies, info := sendEach(t, o, 2)
	assert.Equal(t, []Reply{{Images: 3}, {Images: 3}}, replies)
	assert.Equal(t, "m", info.Model)
	q := <-got
	assert.Equal(t, map[string]any{"binary_data_output": true, "timeout": 200000.0}, q.Parameters)
	require.Len(t, q.Inputs, 1)
	assert.Equal(t, tensorMetadata{"image", "BYTES", []int64{3}}, q.Inputs[0].tensorMetadata)
	assert.EqualValues(t, len(q.raw), q.Inputs[0].Parameters["binary_data_size"])
	var images []string
	for rest := q.raw; len(rest) > 0; {
		n := binary.LittleEndian.Uint32(rest)
		images = append(images, string(rest[4:4+n]))
		rest = rest[4+n:]
	}
	one, two := string(twoImages.Files[0]), string(twoImages.Files[1])
	assert.Equal(t, []string{one, two, one}, images)
}

func TestV2SendsTensors(t *testing.T) {
	f := func(metadata string, change func(*Options), want tensorMetadata, bytes int) []byte {
		t.Helper()
		o, got := fakeV2(t, metadata)
		change(&o)
		sendEach(t, o, 1)
		q := <-got
		assert.NotContains(t, q.Parameters, "timeout")
		assert.Equal(t, want, q.Inputs[0].tensorMetadata)
		assert.Len(t, q.raw, bytes)
		return q.raw
	}
	f(torchlitMetadata, func(o *Options) { o.Input = Pixels; o.Batch = 2 }, tensorMetadata{"input", "UINT8", []int64{2, 4, 5, 3}}, 2*60)
	f(torchlitMetadata, func(o *Options) { o.Input = Tensor; o.Batch = 2 }, tensorMetadata{"input", "FP32", []int64{2, 3, 4, 5}}, 2*240)
	f(`{"inputs":[{"name":"INPUT__0","datatype":"FP32","shape":[3,2,2]}]}`, func(o *Options) { o.Input = Tensor },
		tensorMetadata{"INPUT__0", "FP32", []int64{3, 2, 2}}, 48)
	f(`{"inputs":[{"name":"x","datatype":"FP32","shape":[-1,3,-1,-1]}]}`, func(o *Options) { o.Input = Tensor; o.Shape = []int64{3, 2, 2} },
		tensorMetadata{"x", "FP32", []int64{1, 3, 2, 2}}, 48)
	f(`{"inputs":[{"name":"x","datatype":"UINT8","shape":[-1,2,3,3]}]}`, func(o *Options) { o.Input = Pixels },
		tensorMetadata{"x", "UINT8", []int64{1, 2, 3, 3}}, 18)

	// Real images: their channels are apart in a tensor.
	decode := func(data []byte, height, width int) ([]byte, error) {
		assert.Equal(t, []int{1, 2}, []int{height, width})
		return []byte{0, 128, 255, 255, 0, 0}, nil
	}
	raw := f(`{"inputs":[{"name":"x","datatype":"FP32","shape":[-1,3,1,2]}]}`, func(o *Options) { o.Input = Tensor; o.Decode = decode },
		tensorMetadata{"x", "FP32", []int64{1, 3, 1, 2}}, 24)
	var back []int
	for i := range 6 {
		back = append(back, int(math.Round(float64((math.Float32frombits(binary.LittleEndian.Uint32(raw[4*i:]))*0.225+0.45)*255))))
	}
	assert.Equal(t, []int{0, 255, 128, 0, 255, 0}, back)
}

func TestV2SendsJSON(t *testing.T) {
	pixels := []byte{0, 51, 255}
	f := func(input, want string) {
		t.Helper()
		var got string
		o, _ := fake(t, func(w http.ResponseWriter, r *http.Request) {
			if r.Method == "GET" {
				io.WriteString(w, `{"inputs":[{"name":"f","datatype":"FP32","shape":[-1,3,1,1]},{"name":"u","datatype":"UINT8","shape":[-1,1,1,3]},{"name":"b","datatype":"BYTES","shape":[-1,1]}]}`)
				return
			}
			assert.Empty(t, r.Header.Get(headerLength))
			assert.Equal(t, "application/json", r.Header.Get("Content-Type"))
			got = string(body(t, r))
		})
		o.Protocol, o.Model, o.Input, o.JSON, o.Batch = V2, "m", input, true, 2
		o.Decode = func([]byte, int, int) ([]byte, error) { return pixels, nil }
		replies, _ := sendEach(t, o, 1)
		assert.Equal(t, Reply{Images: 2}, replies[0])
		assert.JSONEq(t, want, got)
	}
	f(Image, `{"inputs":[{"name":"b","datatype":"BYTES","shape":[2,1],"data":["/9j/b25l","/9j/dGhlIG90aGVy"]}]}`)
	f(Pixels, `{"inputs":[{"name":"u","datatype":"UINT8","shape":[2,1,1,3],"data":[0,51,255,0,51,255]}]}`)
	pixels = []byte{0, 0, 0}
	f(Tensor, `{"inputs":[{"name":"f","datatype":"FP32","shape":[2,3,1,1],"data":[-2,-2,-2,-2,-2,-2]}]}`)
	_, err := Open(context.Background(), Options{URL: "x", Images: twoImages, JSON: true})
	assert.ErrorContains(t, err, "for v2 alone")
}

func TestV2Refuses(t *testing.T) {
	f := func(says, metadata string, change func(*Options)) {
		t.Helper()
		o, _ := fakeV2(t, metadata)
		change(&o)
		_, err := Open(context.Background(), o)
		assert.ErrorContains(t, err, says)
	}
	f(`the model has no input of BYTES, which image would be; it has "x" FP32 [-1 3 4 5]`, `{"inputs":[{"name":"x","datatype":"FP32","shape":[-1,3,4,5]}]}`, func(*Options) {})
	f("give the shape of an image", `{"inputs":[{"name":"x","datatype":"FP32","shape":[-1,3,-1,-1]}]}`, func(o *Options) { o.Input = Tensor })
	f("takes one image a request", `{"inputs":[{"name":"x","datatype":"FP32","shape":[3,4,5]}]}`, func(o *Options) { o.Input = Tensor; o.Batch = 2 })
	f("it has none", `{}`, func(*Options) {})
	f("answers GET", torchlitMetadata, func(o *Options) { o.Model = "other" })
	f("cannot read the description", `[]`, func(*Options) {})
}
