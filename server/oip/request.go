package oip

import (
	"strconv"
)

// Limits bound what a request may ask for.
const (
	maxTensors    = 64
	maxParameters = 256
	maxClasses    = 100_000
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
	r := reader{req: req, scanner: scanner{text: text}, binary: binary}
	switch c := r.next(); {
	case r.at == len(text):
		return bad("empty_body", "The request has no body; send JSON with \"inputs\".")
	case c != '{':
		return bad("bad_json", "The request must be a JSON object with \"inputs\".")
	}
	if err := r.object(r.member); err != nil {
		return err
	}
	if err := r.end(); err != nil {
		return err
	}
	switch {
	case !r.inputs:
		return bad("no_inputs", "The request has no \"inputs\".")
	case len(r.binary) > 0:
		return bad("bad_binary", "The body has %d more bytes than its inputs take.", len(r.binary))
	}
	return nil
}

// reader takes a request's JSON apart; binary shrinks as the inputs take their shares.
type reader struct {
	scanner
	req    *InferRequest
	binary []byte
	inputs bool // there was the member
}

func (r *reader) member(key []byte) (err error) {
	switch string(key) {
	case "id":
		r.req.ID, err = r.textOf("The \"id\"")
	case "parameters":
		r.req.Parameters, err = r.parameters("the request")
	case "inputs":
		if r.inputs {
			return bad("bad_json", "The request has \"inputs\" twice.")
		}
		r.inputs = true
		err = r.each("inputs", r.input)
	case "outputs":
		err = r.each("outputs", r.output)
	default:
		err = r.skip()
	}
	return err
}

// textOf reads what must be a string.
func (r *reader) textOf(what string) (string, error) {
	if r.next() != '"' {
		return "", bad("bad_json", "%s must be a string.", what)
	}
	b, err := r.str()
	return string(b), err
}

// each calls f for each object of a list.
func (r *reader) each(name string, f func() error) error {
	if r.next() != '[' {
		return bad("bad_json", "The %q must be a list.", name)
	}
	n := 0
	return r.array(func() error {
		if n++; n > maxTensors {
			return bad("bad_json", "The list %q has more than %d entries.", name, maxTensors)
		}
		if r.next() != '{' {
			return bad("bad_json", "Entry %d of %q must be an object.", n-1, name)
		}
		return f()
	})
}

func (r *reader) output() error {
	var o RequestedOutput
	err := r.object(func(key []byte) (err error) {
		switch string(key) {
		case "name":
			o.Name, err = r.textOf("The \"name\" of an output")
		case "parameters":
			o.Parameters, err = r.parameters("an output")
		default:
			err = r.skip()
		}
		return err
	})
	if err != nil {
		return err
	}
	if o.Name == "" {
		return bad("bad_output", "An output has no \"name\".")
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

// parameters reads the object of parameters of whom, nil for null.
func (r *reader) parameters(whom string) (map[string]any, error) {
	switch r.next() {
	case 'n':
		return nil, r.literal("null")
	case '{':
	default:
		return nil, bad("bad_parameters", "The parameters of %s must be an object.", whom)
	}
	out := map[string]any{}
	return out, r.object(func(key []byte) error {
		value, ok, err := r.scalar()
		switch {
		case err != nil:
			return err
		case !ok:
			return bad("bad_parameters", "The parameter %q of %s must be a string, a number or a boolean.", clip(string(key)), whom)
		case len(out) == maxParameters:
			return bad("bad_parameters", "There are more than %d parameters of %s.", maxParameters, whom)
		}
		out[string(key)] = value
		return nil
	})
}

// scalar reads a parameter's value. ok says that it is one that a parameter may have.
func (r *reader) scalar() (v any, ok bool, err error) {
	switch r.next() {
	case '"':
		b, err := r.str()
		return string(b), true, err
	case 't':
		return true, true, r.literal("true")
	case 'f':
		return false, true, r.literal("false")
	case '{', '[', 'n':
		return nil, false, nil
	}
	text, err := r.number()
	if err != nil {
		return nil, false, err
	}
	if n, err := strconv.ParseInt(string(text), 10, 64); err == nil {
		return n, true, nil
	}
	if n, err := strconv.ParseUint(string(text), 10, 64); err == nil {
		return n, true, nil
	}
	f, err := strconv.ParseFloat(string(text), 64)
	return f, err == nil, nil
}
