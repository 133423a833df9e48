package oip

import (
	"strings"

	"github.com/valyala/fastjson"
)

// jsonParsers are pooled: a parser keeps its copy of the JSON, and values point into that.
var jsonParsers fastjson.ParserPool

// Limits bound what a request may ask for.
const (
	maxTensors = 64
	maxClasses = 100_000
)

// ParseRequest reads the body of an infer request, in JSON, or in JSON with binary tensors behind it: header is the
// length of the JSON then, and -1 when all is JSON. What the request holds may point into body.
func ParseRequest(req *InferRequest, body []byte, header int) error {
	text, binary := body, []byte(nil)
	if header >= 0 {
		if header > len(body) {
			return bad("bad_header_length", "Inference-Header-Content-Length is %d, and the body has %d bytes.", header, len(body))
		}
		text, binary = body[:header], body[header:]
	}
	p := jsonParsers.Get()
	defer jsonParsers.Put(p)
	v, err := p.ParseBytes(text)
	if err != nil {
		return bad("bad_json", "The request is not valid JSON: %s.", clip(strings.ReplaceAll(err.Error(), "\n", " ")))
	}
	o, err := v.Object()
	if err != nil {
		return bad("bad_json", "The request must be a JSON object with \"inputs\".")
	}
	r := reader{req: req, binary: binary}
	o.Visit(func(key []byte, v *fastjson.Value) {
		if r.err == nil {
			r.err = r.member(string(key), v)
		}
	})
	switch {
	case r.err != nil:
		return r.err
	case !r.inputs:
		return bad("no_inputs", "The request has no \"inputs\".")
	case len(r.binary) > 0:
		return bad("bad_binary", "The body has %d more bytes than its inputs take.", len(r.binary))
	}
	return nil
}

// reader takes a request's JSON apart; binary shrinks as the inputs take their shares.
type reader struct {
	req    *InferRequest
	binary []byte
	inputs bool // there was the member
	err    error
}

func (r *reader) member(key string, v *fastjson.Value) (err error) {
	switch key {
	case "id":
		b, err := v.StringBytes()
		if err != nil {
			return bad("bad_json", "The \"id\" must be a string.")
		}
		r.req.ID = string(b)
	case "parameters":
		r.req.Parameters, err = parameters("the request", v)
	case "inputs":
		r.inputs = true
		return each("inputs", v, r.input)
	case "outputs":
		return each("outputs", v, r.output)
	}
	return err
}

// each calls f for each object of a list.
func each(name string, v *fastjson.Value, f func(*fastjson.Value) error) error {
	list, err := v.Array()
	if err != nil {
		return bad("bad_json", "The %q must be a list.", name)
	}
	if len(list) > maxTensors {
		return bad("bad_json", "The list %q has %d entries; at most %d are allowed.", name, len(list), maxTensors)
	}
	for i, v := range list {
		if v.Type() != fastjson.TypeObject {
			return bad("bad_json", "Entry %d of %q must be an object.", i, name)
		}
		if err := f(v); err != nil {
			return err
		}
	}
	return nil
}

func (r *reader) input(v *fastjson.Value) error {
	t, err := describe(v)
	if err != nil {
		return err
	}
	n, err := Count(t.Name, t.Shape)
	if err != nil {
		return err
	}
	switch data, size := v.Get("data"), t.Parameters["binary_data_size"]; {
	case size != nil && data != nil:
		return bad("bad_tensor", "Input %q has both \"data\" and \"binary_data_size\".", clip(t.Name))
	case size != nil:
		err = r.takeBinary(&t, size, n)
		delete(t.Parameters, "binary_data_size")
	case data == nil:
		return bad("bad_tensor", "Input %q has no \"data\".", clip(t.Name))
	default:
		err = t.setJSON(data, n)
	}
	if err == nil {
		err = t.Check()
	}
	r.req.Inputs = append(r.req.Inputs, t)
	return err
}

// describe reads all of an input but its contents.
func describe(v *fastjson.Value) (t Tensor, err error) {
	name, datatype := v.GetStringBytes("name"), v.GetStringBytes("datatype")
	t.Name, t.Datatype = string(name), Datatype(datatype)
	if t.Name == "" {
		return t, bad("bad_tensor", "An input has no \"name\".")
	}
	if t.Datatype != Bytes && t.Datatype.Size() == 0 {
		return t, bad("bad_datatype", "Input %q has the datatype %q, which the protocol does not know.", clip(t.Name), clip(string(datatype)))
	}
	sizes := v.GetArray("shape")
	if shape := v.Get("shape"); shape == nil || shape.Type() != fastjson.TypeArray {
		return t, bad("bad_shape", "Input %q has no \"shape\", which is a list of sizes.", clip(t.Name))
	}
	for _, s := range sizes {
		d, err := s.Int64()
		if err != nil {
			return t, bad("bad_shape", "The shape of input %q must be made of whole numbers.", clip(t.Name))
		}
		t.Shape = append(t.Shape, d)
	}
	t.Parameters, err = parameters("input "+clip(t.Name), v.Get("parameters"))
	return t, err
}

func (r *reader) takeBinary(t *Tensor, size any, count int) error {
	n, ok := size.(int64)
	if !ok || n < 0 {
		return bad("bad_tensor", "The binary_data_size of input %q must be a whole number that is not negative.", clip(t.Name))
	}
	if n > int64(len(r.binary)) {
		return bad("bad_binary", "Input %q has a binary_data_size of %d, and only %d bytes are left in the body.", clip(t.Name), n, len(r.binary))
	}
	raw := r.binary[:n:n]
	r.binary = r.binary[n:]
	if t.Datatype != Bytes {
		t.Raw = raw
		return nil
	}
	var err error
	t.Elements, err = SplitElements(t.Name, raw, count)
	return err
}

func (r *reader) output(v *fastjson.Value) error {
	o := RequestedOutput{Name: string(v.GetStringBytes("name"))}
	if o.Name == "" {
		return bad("bad_output", "An output has no \"name\".")
	}
	var err error
	if o.Parameters, err = parameters("output "+clip(o.Name), v.Get("parameters")); err != nil {
		return err
	}
	if o.Classification, err = ClassCount(o.Name, o.Parameters); err != nil {
		return err
	}
	r.req.Outputs = append(r.req.Outputs, o)
	return nil
}

// ClassCount reads the parameter "classification" of an output; 0 when there is none.
func ClassCount(name string, parameters map[string]any) (int, error) {
	v, ok := parameters["classification"]
	if !ok {
		return 0, nil
	}
	n, ok := Whole(v)
	if !ok || n < 0 || n > maxClasses {
		return 0, bad("bad_classification", "The classification of output %q must be a number of classes, from 0 to %d.", clip(name), maxClasses)
	}
	return int(n), nil
}

// Whole is the whole number that a parameter holds.
func Whole(v any) (int64, bool) {
	switch v := v.(type) {
	case int64:
		return v, true
	case uint64:
		return int64(v), v <= 1<<62
	}
	return 0, false
}

// parameters reads the object of parameters of whom, nil for none.
func parameters(whom string, v *fastjson.Value) (map[string]any, error) {
	if v == nil || v.Type() == fastjson.TypeNull {
		return nil, nil
	}
	o, err := v.Object()
	if err != nil {
		return nil, bad("bad_parameters", "The parameters of %s must be an object.", whom)
	}
	out := make(map[string]any, o.Len())
	o.Visit(func(key []byte, v *fastjson.Value) {
		value, ok := scalar(v)
		if !ok {
			err = bad("bad_parameters", "The parameter %q of %s must be a string, a number or a boolean.", clip(string(key)), whom)
		}
		out[string(key)] = value
	})
	return out, err
}

func scalar(v *fastjson.Value) (any, bool) {
	switch v.Type() {
	case fastjson.TypeString:
		return string(v.GetStringBytes()), true
	case fastjson.TypeTrue, fastjson.TypeFalse:
		return v.GetBool(), true
	case fastjson.TypeNumber:
		if n, err := v.Int64(); err == nil {
			return n, true
		}
		if n, err := v.Uint64(); err == nil {
			return n, true
		}
		return v.GetFloat64(), true
	}
	return nil, false
}
