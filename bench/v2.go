package bench

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/url"
	"strconv"
)

// headerLength tells where a request's JSON ends and its tensors begin.
const headerLength = "Inference-Header-Content-Length"

// openV2 makes a target of the Open Inference Protocol over HTTP, with binary tensors both ways, as the clients of Triton send them.
// With Options.JSON both the request and the answer are JSON.
func openV2(o Options) (_ Target, err error) {
	u, err := o.address()
	if err != nil {
		return nil, err
	}
	t, err := openHTTP(o, u)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			t.Close()
		}
	}()
	base := u.Scheme + "://" + u.Host + u.EscapedPath() + "/v2"
	if o.Model == "" {
		if o.Model, err = t.onlyModel(base); err != nil {
			return nil, err
		}
		t.info.Model = o.Model
	}
	model := base + "/models/" + url.PathEscape(o.Model)
	answer, err := t.ask("GET", model)
	if err != nil {
		return nil, err
	}
	var metadata struct {
		Inputs []tensorMetadata `json:"inputs"`
	}
	if err := json.Unmarshal(answer, &metadata); err != nil {
		return nil, fmt.Errorf("cannot read the description of model %q: %w", o.Model, err)
	}
	in, err := o.oipInput(metadata.Inputs)
	if err != nil {
		return nil, err
	}
	contentType, make := "application/octet-stream", v2Payload
	if o.JSON {
		contentType, make = "application/json", v2JSON
	}
	var payloads []payload
	for _, raw := range in.contents {
		payloads = append(payloads, make(in, raw, o.Deadline.Microseconds()))
	}
	t.send(model+"/infer", contentType, payloads)
	return t, nil
}

// onlyModel asks for the names of the models: as KServe and Torchlit list them, or as Triton does.
func (t *httpTarget) onlyModel(base string) (string, error) {
	var names []string
	answer, err := t.ask("GET", base+"/models")
	var status *statusError
	switch {
	case err == nil:
		var list struct{ Models []string }
		err = json.Unmarshal(answer, &list)
		names = list.Models
	case errors.As(err, &status):
		if answer, err = t.ask("POST", base+"/repository/index"); err != nil {
			return "", err
		}
		var index []struct{ Name string }
		err = json.Unmarshal(answer, &index)
		for _, entry := range index {
			names = append(names, entry.Name)
		}
	}
	if err != nil {
		return "", fmt.Errorf("cannot find out which models there are: %w; name one", err)
	}
	return firstModel(names)
}

func firstModel(names []string) (string, error) {
	if len(names) == 0 {
		return "", errors.New("the server has no model")
	}
	for _, name := range names[1:] {
		if name != names[0] {
			return "", fmt.Errorf("the server has several models, %q; name one", names)
		}
	}
	return names[0], nil
}

type parameters map[string]any

// v2Payload is the JSON and, behind it, the tensor. timeout is in microseconds.
func v2Payload(in *oipInput, raw []byte, timeout int64) payload {
	p := parameters{"binary_data_output": true}
	head := v2Body(in, p, timeout, "parameters", parameters{"binary_data_size": len(raw)})
	return payload{append(head, raw...), [2]string{headerLength, strconv.Itoa(len(head))}}
}

// v2JSON is the request with the tensor in it.
func v2JSON(in *oipInput, raw []byte, timeout int64) payload {
	return payload{body: v2Body(in, parameters{}, timeout, "data", elements(in.Datatype, raw))}
}

func v2Body(in *oipInput, p parameters, timeout int64, key string, value any) []byte {
	if timeout > 0 {
		p["timeout"] = timeout
	}
	request := map[string]any{
		"inputs": []map[string]any{{"name": in.Name, "datatype": in.Datatype, "shape": in.Shape, key: value}},
	}
	if len(p) > 0 {
		request["parameters"] = p
	}
	out, err := json.Marshal(request)
	if err != nil {
		panic("BUG: " + err.Error()) // text and finite numbers
	}
	return out
}

// elements parts a raw tensor for JSON, flat: numbers, or images, of which encoding/json makes base64.
func elements(datatype string, raw []byte) any {
	switch datatype {
	case datatypes[Pixels]:
		out := make([]uint, len(raw))
		for i, v := range raw {
			out[i] = uint(v)
		}
		return out
	case datatypes[Tensor]:
		out := make([]float32, len(raw)/4)
		for i := range out {
			out[i] = math.Float32frombits(binary.LittleEndian.Uint32(raw[4*i:]))
		}
		return out
	}
	var out [][]byte
	for len(raw) > 0 {
		n := 4 + int(binary.LittleEndian.Uint32(raw))
		out = append(out, raw[4:n])
		raw = raw[n:]
	}
	return out
}
