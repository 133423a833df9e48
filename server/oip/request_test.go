package oip

import (
	"errors"
	"reflect"
	"strings"
	"testing"
)

func TestParseRequest(t *testing.T) {
	f := func(text, binary string, want InferRequest) {
		t.Helper()
		header := -1
		if binary != "" {
			header = len(text)
		}
		var got InferRequest
		if err := ParseRequest(&got, []byte(text+binary), header); err != nil {
			t.Errorf("%s: %v", text, err)
		} else if !reflect.DeepEqual(got, want) {
			t.Errorf("%s:\n got %+v\nwant %+v", text, got, want)
		}
	}
	one := func(in Tensor) InferRequest { return InferRequest{Inputs: []Tensor{in}} }

	// Values of each datatype, flat and nested.
	f(`{"inputs":[{"name":"x","datatype":"UINT8","shape":[2,2],"data":[[0,1],[2,255]]}]}`, "",
		one(Tensor{Name: "x", Datatype: Uint8, Shape: []int64{2, 2}, Raw: []byte{0, 1, 2, 255}}))
	f(`{"inputs":[{"name":"x","datatype":"INT8","shape":[2],"data":[-128,127]}]}`, "",
		one(Tensor{Name: "x", Datatype: Int8, Shape: []int64{2}, Raw: []byte{0x80, 0x7f}}))
	f(`{"inputs":[{"name":"x","datatype":"INT16","shape":[2],"data":[-2,258]}]}`, "",
		one(Tensor{Name: "x", Datatype: Int16, Shape: []int64{2}, Raw: []byte{0xfe, 0xff, 2, 1}}))
	f(`{"inputs":[{"name":"x","datatype":"UINT32","shape":[1],"data":[4294967295]}]}`, "",
		one(Tensor{Name: "x", Datatype: Uint32, Shape: []int64{1}, Raw: []byte{255, 255, 255, 255}}))
	f(`{"inputs":[{"name":"x","datatype":"INT64","shape":[1],"data":[-9223372036854775808]}]}`, "",
		one(Tensor{Name: "x", Datatype: Int64, Shape: []int64{1}, Raw: []byte{0, 0, 0, 0, 0, 0, 0, 0x80}}))
	f(`{"inputs":[{"name":"x","datatype":"UINT64","shape":[1],"data":[18446744073709551615]}]}`, "",
		one(Tensor{Name: "x", Datatype: Uint64, Shape: []int64{1}, Raw: []byte{255, 255, 255, 255, 255, 255, 255, 255}}))
	f(`{"inputs":[{"name":"x","datatype":"FP32","shape":[2],"data":[1,-0.5]}]}`, "",
		one(Tensor{Name: "x", Datatype: FP32, Shape: []int64{2}, Raw: []byte{0, 0, 0x80, 0x3f, 0, 0, 0, 0xbf}}))
	f(`{"inputs":[{"name":"x","datatype":"FP64","shape":[1],"data":[1]}]}`, "",
		one(Tensor{Name: "x", Datatype: FP64, Shape: []int64{1}, Raw: []byte{0, 0, 0, 0, 0, 0, 0xf0, 0x3f}}))
	f(`{"inputs":[{"name":"x","datatype":"BOOL","shape":[2],"data":[true,false]}]}`, "",
		one(Tensor{Name: "x", Datatype: Bool, Shape: []int64{2}, Raw: []byte{1, 0}}))
	f(`{"inputs":[{"name":"x","datatype":"BYTES","shape":[2],"data":["a","\u00e9"]}]}`, "",
		one(Tensor{Name: "x", Datatype: Bytes, Shape: []int64{2}, Text: true, Elements: [][]byte{[]byte("a"), []byte("é")}}))

	// Binary tensors, in the order listed; what only has a binary form; an empty one.
	f(`{"inputs":[{"name":"x","datatype":"FP16","shape":[1],"parameters":{"binary_data_size":2}},`+
		`{"name":"y","datatype":"BYTES","shape":[2],"parameters":{"binary_data_size":9,"why":"not"}}]}`, "\x00\x3c"+"\x01\x00\x00\x00z"+"\x00\x00\x00\x00",
		InferRequest{Inputs: []Tensor{
			{Name: "x", Datatype: FP16, Shape: []int64{1}, Parameters: map[string]any{}, Raw: []byte{0, 0x3c}},
			{Name: "y", Datatype: Bytes, Shape: []int64{2}, Parameters: map[string]any{"why": "not"}, Elements: [][]byte{[]byte("z"), {}}},
		}})

	// All the rest.
	f(`{"id":"7","parameters":{"timeout":5,"a":true,"b":"c","d":1.5,"e":18446744073709551615},"inputs":[],`+
		`"outputs":[{"name":"p","parameters":{"classification":3,"binary_data":false}}],"unknown":[]}`, "",
		InferRequest{ID: "7", Parameters: map[string]any{"timeout": int64(5), "a": true, "b": "c", "d": 1.5, "e": uint64(1<<64 - 1)},
			Outputs: []RequestedOutput{{Name: "p", Classification: 3, Parameters: map[string]any{"classification": int64(3), "binary_data": false}}}})
}

func TestParseRequestRefuses(t *testing.T) {
	f := func(text string, words string) {
		t.Helper()
		var req InferRequest
		header := -1
		text, binary, hasBinary := strings.Cut(text, "|")
		if hasBinary {
			header = len(text)
		}
		err := ParseRequest(&req, []byte(text+binary), header)
		if e := new(Error); !errors.As(err, &e) || e.HTTP != 400 || !strings.Contains(e.Sentence, words) {
			t.Errorf("%s: got %v; want a 400 with %q", text, err, words)
		}
	}
	input := func(rest string) string { return `{"inputs":[{"name":"x",` + rest + `}]}` }
	f(`{`, "not valid JSON")
	f(`[]`, "JSON object")
	f(`{}`, `no "inputs"`)
	f(`{"inputs":7}`, "must be a list")
	f(`{"inputs":[7]}`, "must be an object")
	f(`{"id":7,"inputs":[]}`, `"id"`)
	f(`{"inputs":[{}]}`, "no \"name\"")
	f(input(`"datatype":"FP31","shape":[1],"data":[1]`), "FP31")
	f(input(`"datatype":"FP32","data":[1]`), "shape")
	f(input(`"datatype":"FP32","shape":["a"],"data":[1]`), "whole numbers")
	f(input(`"datatype":"FP32","shape":[-1],"data":[1]`), "not negative")
	f(input(`"datatype":"FP32","shape":[65536,65536],"data":[1]`), "more than a request can hold")
	f(input(`"datatype":"FP32","shape":[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1],"data":[1]`), "more than 16 dimensions")
	f(input(`"datatype":"FP32","shape":[2],"data":[1]`), "has 1 elements; its shape [2] makes 2")
	f(input(`"datatype":"FP32","shape":[1],"data":[1,2]`), "more elements than its shape [1] makes")
	f(input(`"datatype":"FP32","shape":[2],"parameters":{"binary_data_size":4}`)+"|abcd", "has 4 bytes; its shape [2] of FP32 makes 8")
	f(input(`"data":["a"],"datatype":"FP32","shape":[1]`), `"a"`)
	f(input(`"datatype":"FP32","shape":[1],"data":["a"]`), `"a"`)
	f(input(`"datatype":"FP32","shape":[1],"data":[1e39]`), `1e39`)
	f(input(`"datatype":"FP32","shape":[1],"data":[1],"data":[1]`), `twice`)
	f(`{"inputs":[],"inputs":[]}`, `twice`)
	f(input(`"datatype":"FP16","shape":[1],"data":[1]`), "no JSON form")
	f(input(`"datatype":"UINT8","shape":[1],"data":[256]`), "no UINT8")
	f(input(`"datatype":"INT8","shape":[1],"data":[-129]`), "no INT8")
	f(input(`"datatype":"UINT8","shape":[1],"data":[1.5]`), "no UINT8")
	f(input(`"datatype":"BYTES","shape":[1],"data":[1]`), "no BYTES")
	f(input(`"datatype":"BYTES","shape":[2],"data":["a"]`), "has 1 elements")
	f(input(`"datatype":"UINT8","shape":[1]`), `no "data"`)
	f(input(`"datatype":"UINT8","shape":[1],"data":[1],"parameters":{"binary_data_size":1}`)+"|a", "both")
	f(input(`"datatype":"UINT8","shape":[1],"parameters":{"binary_data_size":-1}`)+"|a", "not negative")
	f(input(`"datatype":"UINT8","shape":[2],"parameters":{"binary_data_size":2}`)+"|a", "only 1 bytes are left")
	f(input(`"datatype":"UINT8","shape":[1],"parameters":{"binary_data_size":1}`)+"|ab", "1 more bytes")
	f(input(`"datatype":"BYTES","shape":[1],"parameters":{"binary_data_size":5}`)+"|\x02\x00\x00\x00a", "only 1 bytes follow")
	f(input(`"datatype":"BYTES","shape":[1],"parameters":{"binary_data_size":2}`)+"|ab", "middle of an element's length")
	f(input(`"datatype":"UINT8","shape":[1],"data":[1],"parameters":{"a":[]}`), `parameter "a"`)
	f(input(`"datatype":"UINT8","shape":[1],"data":[1],"parameters":7`), "must be an object")
	f(`{"inputs":[],"outputs":[{}]}`, "An output has no")
	f(`{"inputs":[],"outputs":[{"name":"p","parameters":{"classification":-1}}]}`, "classification")
	f(`{"inputs":[{"name":"x","datatype":"FP32","shape":[1],"data":`+strings.Repeat("[", 400)+strings.Repeat("]", 400)+`}]}`, "100 deep")

	var req InferRequest
	if err := ParseRequest(&req, []byte(`{}`), 3); err == nil || !strings.Contains(err.Error(), "the body has 2 bytes") {
		t.Errorf("a JSON longer than the body: %v", err)
	}
}

// FuzzParseRequest: whatever comes, the parser does not panic, and what it accepts is as its shapes say.
func FuzzParseRequest(f *testing.F) {
	f.Add([]byte(`{"id":"a","inputs":[{"name":"x","datatype":"FP32","shape":[1,2],"data":[[1,2e3]]}],"outputs":[{"name":"p"}]}`), -1)
	binary := `{"inputs":[{"name":"x","datatype":"BYTES","shape":[1],"parameters":{"binary_data_size":5}}]}`
	f.Add([]byte(binary+"\x01\x00\x00\x00a"), len(binary))
	f.Add([]byte(`{"inputs":[{"name":"x","datatype":"INT64","shape":[0],"data":[]}],"parameters":{"timeout":1}}`), -1)
	f.Fuzz(func(t *testing.T, body []byte, header int) {
		var req InferRequest
		if err := ParseRequest(&req, body, max(header, -1)); err != nil {
			if e := new(Error); !errors.As(err, &e) || e.Sentence == "" || e.HTTP != 400 {
				t.Fatalf("not an error for a caller: %v", err)
			}
			return
		}
		for i := range req.Inputs {
			if err := req.Inputs[i].Check(); err != nil {
				t.Fatal(err)
			}
		}
	})
}
