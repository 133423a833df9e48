package bench

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strconv"
)

// headerLength tells where a request's JSON ends and its tensors begin.
const headerLength = "Inference-Header-Content-Length"

// openV2 makes a target of the Open Inference Protocol over HTTP, with binary tensors both ways, as the clients of Triton send them.
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
	var payloads []payload
	for _, raw := range in.contents {
		payloads = append(payloads, v2Payload(in, raw, o.Deadline.Microseconds()))
	}
	t.send(model+"/infer", "application/octet-stream", payloads)
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

// v2Payload is the JSON and, behind it, the tensor. timeout is in microseconds.
func v2Payload(in *oipInput, raw []byte, timeout int64) payload {
	type parameters map[string]any
	p := parameters{"binary_data_output": true}
	if timeout > 0 {
		p["timeout"] = timeout
	}
	head, err := json.Marshal(map[string]any{
		"parameters": p,
		"inputs": []map[string]any{{
			"name": in.Name, "datatype": in.Datatype, "shape": in.Shape,
			"parameters": parameters{"binary_data_size": len(raw)},
		}},
	})
	if err != nil {
		panic("BUG: " + err.Error())
	}
	return payload{append(head, raw...), [2]string{headerLength, strconv.Itoa(len(head))}}
}
