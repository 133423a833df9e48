package server

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"image/color"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/torchlit/torchlit/batching"
	"github.com/torchlit/torchlit/server/oip"
)

// mixed is a picture of 8×8 pixels with something of each colour, and its pixels.
func mixed() (png, rgb []byte) {
	c := color.RGBA{200, 50, 10, 255}
	for range 64 {
		rgb = append(rgb, c.R, c.G, c.B)
	}
	return pngOf(picture(8, 8, c)), rgb
}

// asPlanes are the pixels as floats, plane by plane, of so many bytes each.
func asPlanes(rgb []byte, put func(dst []byte, v float32) []byte) (raw []byte) {
	for c := range 3 {
		for i := c; i < len(rgb); i += 3 {
			raw = put(raw, float32(rgb[i]))
		}
	}
	return raw
}

func float32LE(dst []byte, v float32) []byte {
	return binary.LittleEndian.AppendUint32(dst, math.Float32bits(v))
}

func bfloat16LE(dst []byte, v float32) []byte {
	return binary.LittleEndian.AppendUint16(dst, uint16(math.Float32bits(v)>>16)) // exact up to 256
}

func float16LE(dst []byte, v float32) []byte {
	b := math.Float32bits(v)
	if b == 0 {
		return append(dst, 0, 0)
	}
	return binary.LittleEndian.AppendUint16(dst, uint16(b>>13&0x3ff|(b>>23-112)<<10)) // exact up to 2048
}

// tensor is an infer request with one binary input.
func tensor(name, datatype, shape string, raw []byte) (body []byte, length string) {
	text := fmt.Sprintf(`{"inputs":[{"name":%q,"datatype":%q,"shape":%s,"parameters":{"binary_data_size":%d}}]}`, name, datatype, shape, len(raw))
	return append([]byte(text), raw...), strconv.Itoa(len(text))
}

// probabilities are those of the first image in a response.
func (r reply) probabilities(t *testing.T) []float32 {
	t.Helper()
	text, raw := r.body, []byte(nil)
	if n := r.header.Get("Inference-Header-Content-Length"); n != "" {
		length, err := strconv.Atoi(n)
		if err != nil {
			t.Fatal(err)
		}
		text, raw = r.body[:length], r.body[length:]
	}
	var got struct{ Outputs []struct{ Data []float32 } }
	if err := json.Unmarshal(text, &got); err != nil || r.status != 200 {
		t.Fatalf("%d %s: %v", r.status, text, err)
	}
	for i := 0; i < len(raw); i += 4 {
		got.Outputs[0].Data = append(got.Outputs[0].Data, math.Float32frombits(binary.LittleEndian.Uint32(raw[i:])))
	}
	return got.Outputs[0].Data
}

// In whichever way an image comes, the answer is that of /v1/classify.
func TestV2InferForms(t *testing.T) {
	h := open(t, Config{})
	png, rgb := mixed()
	var want [3]float32
	for _, p := range h.do("POST", "/v1/classify", "", png).answer(t).Predictions {
		want[p.Index] = float32(p.Probability)
	}
	const path, length = "/v2/models/colours/infer", "Inference-Header-Content-Length"
	check := func(what string, r reply) {
		t.Helper()
		got := r.probabilities(t)
		for c := range want {
			if len(got) != 3 || math.Abs(float64(got[c]-want[c])) > 1e-5 {
				t.Fatalf("%s: got %v; want %v", what, got, want)
			}
		}
	}
	planes := asPlanes(rgb, float32LE)
	for what, raw := range map[string][]byte{"UINT8 [1,8,8,3]": rgb, "FP32 [1,3,8,8]": planes, "FP16 [1,3,8,8]": asPlanes(rgb, float16LE), "BF16 [1,3,8,8]": asPlanes(rgb, bfloat16LE)} {
		datatype, shape, _ := strings.Cut(what, " ")
		body, n := tensor("input", datatype, shape, raw)
		check(what, h.ask("POST", path, body, length, n))
	}
	element := append(binary.LittleEndian.AppendUint32(nil, uint32(len(png))), png...)
	body, n := tensor("image", "BYTES", "[1]", element)
	check("BYTES", h.ask("POST", path, body, length, n))
	for _, raw := range [][]byte{rgb, planes, png} {
		check("raw", h.ask("POST", path, raw, length, "0", "Content-Type", "image/png"))
	}

	numbers := strings.Trim(strings.Join(strings.Fields(fmt.Sprint(rgb)), ","), "[]")
	f := func(rest string) {
		t.Helper()
		check(rest, h.ask("POST", path, []byte(`{"inputs":[{`+rest+`}]}`)))
	}
	f(`"name":"input","datatype":"UINT8","shape":[1,8,8,3],"data":[` + numbers + `]`)
	f(`"data":[[` + numbers + `]],"shape":[1,8,8,3],"datatype":"UINT8","name":"input"`)
	f(`"name":"image","datatype":"BYTES","shape":[1,1],"data":["` + base64.StdEncoding.EncodeToString(png) + `"]`)
	f(`"name":"image","datatype":"BYTES","shape":[1],"data":["data:image/png;base64,` + base64.RawURLEncoding.EncodeToString(png) + `"]`)
}

func TestV2InferAnswers(t *testing.T) {
	h := open(t, Config{})
	const path, length = "/v2/models/colours/versions/1/infer", "Inference-Header-Content-Length"
	_, rgb := mixed()
	raw := append(slices.Clone(rgb), make([]byte, 192)...)
	f := func(rest string, parts ...string) reply {
		t.Helper()
		text := `{"inputs":[{"name":"input","datatype":"UINT8","shape":[2,8,8,3],"parameters":{"binary_data_size":384}}]` + rest + `}`
		r := h.ask("POST", path, append([]byte(text), raw...), length, strconv.Itoa(len(text)))
		r.want(t, 200, parts...)
		return r
	}
	isBinary := func(r reply, want bool) {
		t.Helper()
		if got := r.header.Get(length) != ""; got != want || (r.header.Get("Content-Type") == "application/octet-stream") != want {
			t.Errorf("got %v; want binary: %v", r.header, want)
		}
	}
	isBinary(f("", `{"model_name":"colours","model_version":"1","outputs":[{"name":"probabilities","datatype":"FP32","shape":[2,3],"data":[`), false)
	isBinary(f(`,"outputs":[{"name":"probabilities"}]`), false)
	isBinary(f(`,"outputs":[{"name":"probabilities","parameters":{"binary_data":true}}]`, `"parameters":{"binary_data_size":24}`), true)
	isBinary(f(`,"parameters":{"binary_data_output":true}`), true)
	isBinary(f(`,"parameters":{"binary_data_output":true},"outputs":[{"name":"probabilities","parameters":{"binary_data":false}}]`), false)
	isBinary(f(`,"outputs":[{"name":"probabilities","parameters":{"classification":2}}]`,
		`"datatype":"BYTES","shape":[2,2],"data":["0.769231:0:red","0.192308:1:green","0.000000:0:red","0.000000:1:green"]`), false)
	isBinary(f(`,"outputs":[{"name":"probabilities","parameters":{"classification":1,"binary_data":true}}]`, "0.769231:0:red"), true)

	// The request's id comes back, and names the request in the log if it is fit for that.
	if r := f(`,"id":"seven"`, `"id":"seven"`); r.header.Get("X-Request-Id") != "seven" {
		t.Errorf("got %v", r.header)
	}
	if r := f(`,"id":"a \"b\"\n"`, `"id":"a \"b\"\n"`); len(r.header.Get("X-Request-Id")) != 32 {
		t.Errorf("got %v", r.header)
	}
	text := `{"id":"mine","inputs":[{"name":"input","datatype":"UINT8","shape":[2,8,8,3],"parameters":{"binary_data_size":384}}]}`
	if r := h.ask("POST", path, append([]byte(text), raw...), length, strconv.Itoa(len(text)), "X-Request-Id", "header"); r.header.Get("X-Request-Id") != "header" {
		t.Errorf("got %v", r.header)
	}
}

func TestV2InferRefuses(t *testing.T) {
	h := open(t, Config{MaxTimeout: time.Minute})
	const path = "/v2/models/colours/infer"
	f := func(body string, status int, parts ...string) {
		t.Helper()
		h.ask("POST", path, []byte(body)).want(t, status, append(parts, `"error":`)...)
	}
	good := `"inputs":[{"name":"input","datatype":"UINT8","shape":[1,8,8,3],"data":[` + strings.TrimSuffix(strings.Repeat("1,", 192), ",") + `]}]`
	f(`{`+good+`}`+` x`, 400, `"code":"bad_json"`)
	f(``, 400, `"code":"empty_body"`)
	f(`{}`, 400, `"code":"no_inputs"`)
	f(`{"inputs":[]}`, 400, `has 0 inputs; model \"colours\" takes one`)
	f(`{"inputs":[{"name":"pixels","datatype":"UINT8","shape":[1],"data":[1]}]}`, 400, `no input \"pixels\" of UINT8 [1]; it takes \"input\" UINT8 [N,8,8,3], or FP32, FP16 or BF16 [N,3,8,8]`)
	f(`{"inputs":[{"name":"input","datatype":"INT32","shape":[1,8,8,3],"data":[1]}]}`, 400, "has 1 elements; its shape [1 8 8 3] makes 192")
	f(`{"inputs":[{"name":"input","datatype":"FP32","shape":[1,2],"data":[1,2]}]}`, 400, "FP32 [1 2]")
	f(`{"inputs":[{"name":"input","datatype":"UINT8","shape":[0,8,8,3],"data":[]}]}`, 400, `"code":"no_images"`)
	f(`{"inputs":[{"name":"image","datatype":"BYTES","shape":[0],"data":[]}]}`, 400, `"code":"no_images"`)
	f(`{"inputs":[{"name":"image","datatype":"BYTES","shape":[1],"data":["?"]}]}`, 400, `"code":"bad_base64"`, "Image 0")
	f(`{"inputs":[{"name":"image","datatype":"BYTES","shape":[1],"data":[""]}]}`, 400, `"code":"empty_image"`)
	f(`{"inputs":[{"name":"image","datatype":"BYTES","shape":[1],"data":["aGVsbG8="]}]}`, 415, `"code":"not_an_image"`)
	f(`{`+good+`,"outputs":[{"name":"logits"}]}`, 400, `no output \"logits\"; its output is \"probabilities\"`)
	f(`{`+good+`,"outputs":[{"name":"probabilities"},{"name":"probabilities"}]}`, 400, "2 outputs")
	f(`{`+good+`,"parameters":{"timeout":-1}}`, 400, `"code":"bad_timeout"`)
	f(`{`+good+`,"parameters":{"timeout":1.5}}`, 400, `"code":"bad_timeout"`)
	f(`{`+good+`,"parameters":{"timeout":60000001}}`, 400, "60000000")
	f(`{`+good+`,"parameters":{"priority":-1}}`, 400, `"code":"bad_priority"`)
	h.ask("POST", "/v2/models/colours/versions/9/infer", []byte(`{`+good+`}`)).want(t, 404, "version_not_found")
	h.ask("POST", "/v2/models/nobody/infer", []byte(`{`+good+`}`)).want(t, 404, "model_not_found")
	for _, n := range []string{"x", "-1", "1000000", "99999999999999999999"} {
		h.ask("POST", path, []byte(`{`+good+`}`), "Inference-Header-Content-Length", n).want(t, 400, `"code":"bad_header_length"`)
	}
	h.ask("POST", path, nil, "Inference-Header-Content-Length", "0").want(t, 400, `"code":"empty_body"`)
	h.ask("POST", path, []byte("neither tensor nor image"), "Inference-Header-Content-Length", "0").want(t, 415)

	// Of several images the bad one is named; its status is that of a bad image.
	body, n := tensor("image", "BYTES", "[3]", oip.AppendElements(nil, [][]byte{redPNG, []byte("no image"), redPNG}))
	h.ask("POST", path, body, "Inference-Header-Content-Length", n).want(t, 415, "Image 1 of the request: ")
	// So many images that the answer would be beyond bounds.
	many := maxAnswerBytes/12 + 1
	body, n = tensor("image", "BYTES", fmt.Sprintf("[%d]", many), make([]byte, 4*many))
	h.ask("POST", path, body, "Inference-Header-Content-Length", n).want(t, 413, `"code":"too_many_images"`)
}

// The parameters "priority" and "timeout" reach the batcher.
func TestV2Parameters(t *testing.T) {
	var priority batching.Priority
	m := colourModel("colours", "1")
	m.Infer = func(ctx context.Context, image []byte, p batching.Priority) (batching.Result[[]float32], error) {
		priority = p
		if d, ok := ctx.Deadline(); !ok || time.Until(d) > time.Minute {
			<-ctx.Done()
			return batching.Result[[]float32]{}, ctx.Err()
		}
		return byColour(ctx, image, p)
	}
	h := open(t, Config{Models: []Model{m}, DefaultTimeout: time.Second})
	_, rgb := mixed()
	ask := func(parameters string) reply {
		text := `{"inputs":[{"name":"input","datatype":"UINT8","shape":[1,8,8,3],"parameters":{"binary_data_size":192}}],"parameters":{` + parameters + `}}`
		return h.ask("POST", "/v2/models/colours/infer", append([]byte(text), rgb...), "Inference-Header-Content-Length", strconv.Itoa(len(text)))
	}
	for text, want := range map[string]batching.Priority{`"priority":0`: batching.Normal, `"priority":1`: batching.Normal, `"priority":2`: batching.Low, `"priority":9`: batching.Low, "": batching.Normal} {
		ask(text).want(t, 200)
		if priority != want {
			t.Errorf("%s: got %v; want %v", text, priority, want)
		}
	}
	m.Infer = func(ctx context.Context, _ []byte, _ batching.Priority) (batching.Result[[]float32], error) {
		<-ctx.Done()
		return batching.Result[[]float32]{}, ctx.Err()
	}
	if err := h.SetModels([]Model{m}); err != nil {
		t.Fatal(err)
	}
	ask(`"timeout":1000`).want(t, 504, `"code":"deadline_exceeded"`)
}

// batched is the colour model behind a batcher.
func batched(t *testing.T, metrics *Metrics, maxBatch, maxQueue int, runner batching.Runner[[]byte, []float32]) Model {
	t.Helper()
	b, err := batching.Open(batching.Config[[]byte, []float32]{
		NewRunner: func(int) (batching.Runner[[]byte, []float32], error) { return runner, nil },
		MaxBatch:  maxBatch, MaxQueue: maxQueue, Observer: metrics.Model("colours", "1").Observer(),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	m := colourModel("colours", "1")
	m.Infer, m.MaxBatch = b.DoPriority, maxBatch
	return m
}

// A request of more images than a batch holds, and than may wait, is answered, in batches. The statistics tell.
func TestV2OversizeIsSplit(t *testing.T) {
	metrics := NewMetrics(nil)
	pass := make(chan struct{})
	close(pass)
	h := open(t, Config{Models: []Model{batched(t, metrics, 4, 3, colourRunner{nil, pass})}, Metrics: metrics})
	const n = 100
	raw := make([]byte, n*192)
	for i := range n {
		for p := range 64 {
			raw[192*i+3*p+i%3] = 200
		}
	}
	body, length := tensor("input", "UINT8", "[100,8,8,3]", raw)
	got := h.ask("POST", "/v2/models/colours/infer", body, "Inference-Header-Content-Length", length).probabilities(t)
	for i := range n {
		for c := range 3 {
			if len(got) != 3*n || (got[3*i+c] > .99) != (c == i%3) {
				t.Fatalf("image %d is mistaken: %v", i, got)
			}
		}
	}
	if r := h.ask("POST", "/v2/models/colours/infer", []byte(`{}`)); r.status != 400 {
		t.Fatalf("got %d", r.status)
	}
	h.ask("POST", "/v2/models/colours/infer", []byte("no image"), "Inference-Header-Content-Length", "0").want(t, 415)
	stats, err := h.Backend().Statistics("colours", "")
	if err != nil || len(stats) != 1 {
		t.Fatal(stats, err)
	}
	s := stats[0]
	if i := s.InferStats; s.InferenceCount != n || i.Success.Count != 1 || i.Fail.Count != 1 || i.Queue.Count != 1 || i.ComputeInfer.Count != 1 || i.ComputeOutput.Count != 1 || i.ComputeInput.Count != 1 || s.LastInference == 0 {
		t.Errorf("got %+v", s)
	}
	images, runs := uint64(0), uint64(0)
	for _, b := range s.BatchStats {
		images, runs = images+b.BatchSize*b.ComputeInfer.Count, runs+b.ComputeInfer.Count
		if b.BatchSize > 4 {
			t.Errorf("a batch of %d", b.BatchSize)
		}
	}
	if images != n || runs != s.ExecutionCount {
		t.Errorf("batches: %+v", s.BatchStats)
	}
}

// When others fill the queue, a request of many images is refused at once, as one of a single image is.
func TestV2OversizeIsRefusedAtOnce(t *testing.T) {
	metrics := NewMetrics(nil)
	pass := make(chan struct{})
	began := make(chan struct{}, 1)
	m := batched(t, metrics, 1, 1, colourRunner{began, pass})
	t.Cleanup(func() { close(pass) })
	h := open(t, Config{Models: []Model{m}, Metrics: metrics})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	infer := func(ctx context.Context, n int) error {
		_, err := h.Backend().Infer(ctx, &oip.InferRequest{Model: "colours", Inputs: []oip.Tensor{{Name: "input", Datatype: oip.Uint8, Shape: []int64{int64(n), 8, 8, 3}, Raw: make([]byte, n*192)}}})
		return err
	}
	left := make(chan error, 8)
	go func() { left <- infer(ctx, 1) }()
	<-began
	for range cap(left) - 1 { // one waits, the others find no room
		go func() { left <- infer(ctx, 1) }()
	}
	for range cap(left) - 2 {
		if err := <-left; !errors.Is(err, batching.ErrQueueFull) {
			t.Fatalf("got %v", err)
		}
	}
	if err := infer(t.Context(), 5); !errors.Is(err, batching.ErrQueueFull) || h.Backend().Describe(err).HTTP != http.StatusServiceUnavailable {
		t.Fatalf("got %v", err)
	}
	cancel()
	for range 2 {
		if err := <-left; !errors.Is(err, context.Canceled) {
			t.Fatalf("got %v", err)
		}
	}
}

// What another front end asks is counted as what comes by HTTP is.
func TestV2BackendCounts(t *testing.T) {
	var asked atomic.Int64
	h := open(t, Config{Models: []Model{counting(&asked)}})
	b := h.Backend()
	req := &oip.InferRequest{Model: "colours", ID: "x", Inputs: []oip.Tensor{{Name: "image", Datatype: oip.Bytes, Shape: []int64{1}, Elements: [][]byte{redPNG}}}}
	resp, err := b.Infer(t.Context(), req)
	if err != nil || resp.Model != "colours" || resp.Version != "1" || resp.ID != "x" || resp.Outputs[0].Check() != nil || asked.Load() != 1 {
		t.Fatalf("got %+v, %v", resp, err)
	}
	req.Inputs[0].Elements[0] = []byte("no image")
	_, err = b.Infer(t.Context(), req)
	if st := b.Describe(err); st.HTTP != 415 || st.Code != "not_an_image" || st.Sentence == "" || st.RetryAfter != 0 {
		t.Fatalf("got %+v", st)
	}
	text := string(h.do("GET", "/metrics", "", nil).body)
	for _, line := range []string{
		`torchlit_requests_total{code="200",model="colours",version="1"} 1`,
		`torchlit_requests_total{code="415",model="colours",version="1"} 1`,
		`torchlit_inflight_requests 1`, // the one that asks
	} {
		if !strings.Contains(text, line+"\n") {
			t.Errorf("metrics lack %s:\n%s", line, text)
		}
	}
}

func TestWiden(t *testing.T) {
	f := func(h uint16, want float32) {
		t.Helper()
		if got := math.Float32frombits(float16Bits(h)); got != want && !(got != got && want != want) {
			t.Errorf("%#04x: got %v; want %v", h, got, want)
		}
	}
	f(0, 0)
	f(0x3c00, 1)
	f(0xc000, -2)
	f(0x3555, 0.333251953125)
	f(0x7bff, 65504)
	f(0x0001, 0x1p-24)
	f(0x83ff, -0x3ffp-24)
	f(0x0400, 0x1p-14)
	f(0x7c00, float32(math.Inf(1)))
	f(0xfc00, float32(math.Inf(-1)))
	f(0x7e00, float32(math.NaN()))
	if float16Bits(0x8000) != 1<<31 {
		t.Error("minus zero lost its sign")
	}
	got := make([]byte, 8)
	widenBFloat16(got, []byte{0x80, 0x3f, 0x49, 0xc0})
	if !slices.Equal(got, append(float32LE(nil, 1), float32LE(nil, -3.140625)...)) {
		t.Errorf("got %x", got)
	}
}
