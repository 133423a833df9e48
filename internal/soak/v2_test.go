package soak

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"strconv"

	"github.com/stretchr/testify/require"
)

// v2 are the kinds of the Open Inference Protocol over HTTP.
func (m *maker) v2() []kind {
	return []kind{
		fromPool("v2 JSON", 50, m.pool(m.v2JSON)),
		fromPool("v2 binary files", 40, m.pool(func() canned { return m.v2Binary(m.files()) })),
		fromPool("v2 binary UINT8", 50, m.pool(func() canned { return m.v2Binary(m.pixels()) })),
		fromPool("v2 binary FP32", 40, m.pool(func() canned { return m.v2Binary(m.planes()) })),
	}
}

// tensor is an input for some pictures.
type tensor struct {
	model    string
	pictures []*picture
	name     string
	datatype string
	shape    []int64
	data     []byte
}

func (m *maker) model() string { return m.target().model }

func (m *maker) some() []*picture {
	some := make([]*picture, 1+m.rnd.IntN(3))
	for i := range some {
		some[i] = m.picture()
	}
	return some
}

// files are encoded images.
func (m *maker) files() tensor {
	in := tensor{model: m.model(), pictures: m.some(), name: "image", datatype: "BYTES"}
	for _, p := range in.pictures {
		in.data = binary.LittleEndian.AppendUint32(in.data, uint32(len(p.data)))
		in.data = append(in.data, p.data...)
	}
	in.shape = []int64{int64(len(in.pictures))}
	return in
}

// fitting returns pictures of the size of a model's input.
func (m *maker) fitting(model string) []*picture {
	side := map[string]int{bundled: 32, small: smallSide}[model]
	some := m.some()
	for i := range some {
		for some[i].side != side {
			some[i] = m.picture()
		}
	}
	return some
}

// pixels are UINT8 [N,H,W,3].
func (m *maker) pixels() tensor {
	in := tensor{model: m.model(), name: "input", datatype: "UINT8"}
	in.pictures = m.fitting(in.model)
	for _, p := range in.pictures {
		in.data = append(in.data, p.raw...)
	}
	side := int64(in.pictures[0].side)
	in.shape = []int64{int64(len(in.pictures)), side, side, 3}
	return in
}

// normal is how each model was trained to see its input.
var normal = map[string]struct{ mean, std [3]float32 }{
	bundled: {[3]float32{0.4914, 0.4822, 0.4465}, [3]float32{0.247, 0.2435, 0.2616}},
	small:   {[3]float32{0.5, 0.5, 0.5}, [3]float32{0.25, 0.25, 0.25}},
}

// planes are FP32 [N,3,H,W], normalised.
func (m *maker) planes() tensor {
	in := tensor{model: m.model(), name: "input", datatype: "FP32"}
	in.pictures = m.fitting(in.model)
	n := normal[in.model]
	for _, p := range in.pictures {
		for c := range 3 {
			for i := c; i < len(p.raw); i += 3 {
				in.data = binary.LittleEndian.AppendUint32(in.data, math.Float32bits((float32(p.raw[i])/255-n.mean[c])/n.std[c]))
			}
		}
	}
	side := int64(in.pictures[0].side)
	in.shape = []int64{int64(len(in.pictures)), 3, side, side}
	return in
}

// v2JSON sends files as base64 in JSON and is answered in JSON.
func (m *maker) v2JSON() canned {
	in := m.files()
	var data []string
	for _, p := range in.pictures {
		data = append(data, base64.StdEncoding.EncodeToString(p.data))
	}
	id := strconv.Itoa(m.rnd.Int())
	body, err := json.Marshal(map[string]any{"id": id, "inputs": []any{map[string]any{"name": "image", "datatype": "BYTES", "shape": in.shape, "data": data}}})
	require.NoError(m.t, err)
	return canned{http.MethodPost, post("/v2/models/"+in.model+"/infer", "application/json", body), func(r reply) error { return checkV2(r, in, id) }}
}

// v2Binary sends a tensor behind the JSON and is answered so.
func (m *maker) v2Binary(in tensor) canned {
	id := strconv.Itoa(m.rnd.Int())
	head, err := json.Marshal(map[string]any{"id": id, "parameters": map[string]any{"binary_data_output": true}, "inputs": []any{map[string]any{
		"name": in.name, "datatype": in.datatype, "shape": in.shape, "parameters": map[string]any{"binary_data_size": len(in.data)}}}})
	require.NoError(m.t, err)
	data := post("/v2/models/"+in.model+"/infer", "application/octet-stream", append(head, in.data...), fmt.Sprintf("Inference-Header-Content-Length: %d", len(head)))
	return canned{http.MethodPost, data, func(r reply) error { return checkV2(r, in, id) }}
}

// checkV2 holds a reply of either form to the engine's answers.
func checkV2(r reply, in tensor, id string) error {
	if err := wantStatus(200)(r); err != nil {
		return err
	}
	head, tail := r.body, []byte(nil)
	if n, err := strconv.Atoi(r.header.Get("Inference-Header-Content-Length")); err == nil {
		if n > len(r.body) {
			return fmt.Errorf("the JSON is said to have %d bytes of %d", n, len(r.body))
		}
		head, tail = r.body[:n], r.body[n:]
	}
	var got struct {
		ID           string
		ModelVersion string `json:"model_version"`
		Outputs      []struct {
			Name string
			Data []float32
		}
	}
	if err := json.NewDecoder(bytes.NewReader(head)).Decode(&got); err != nil {
		return err
	}
	if got.ID != id || len(got.Outputs) != 1 {
		return fmt.Errorf("got id %q, %d outputs; want %q, 1", got.ID, len(got.Outputs), id)
	}
	values := got.Outputs[0].Data
	if tail != nil {
		values = floats(tail)
	}
	return checkRows(values, in, got.ModelVersion)
}

func checkRows(values []float32, in tensor, version string) error {
	got := rows(values, len(in.pictures))
	if got == nil {
		return fmt.Errorf("got %d values for %d images", len(values), len(in.pictures))
	}
	for i, p := range in.pictures {
		if err := checkVector(got[i], p, in.model, version); err != nil {
			return err
		}
	}
	return nil
}

func floats(data []byte) []float32 {
	out := make([]float32, len(data)/4)
	for i := range out {
		out[i] = math.Float32frombits(binary.LittleEndian.Uint32(data[4*i:]))
	}
	return out
}
