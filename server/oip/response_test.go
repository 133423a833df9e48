package oip

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
)

func floats(values ...float32) []byte {
	var b []byte
	for _, v := range values {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(v))
	}
	return b
}

func TestAppendResponse(t *testing.T) {
	r := &InferResponse{Model: "m", Version: "1", ID: "a\"b", Parameters: map[string]any{"k": "v"}, Outputs: []Tensor{
		{Name: "p", Datatype: FP32, Shape: []int64{1, 2}, Raw: floats(0.25, 1e-7)},
		{Name: "l", Datatype: Bytes, Shape: []int64{2}, Elements: [][]byte{[]byte("é"), []byte("<b>")}},
	}}
	f := func(inBinary func(int) bool, want, wantBinary string) {
		t.Helper()
		body, header, err := AppendResponse([]byte("kept"), r, inBinary)
		if err != nil {
			t.Fatal(err)
		}
		body = body[len("kept"):]
		text, rest := body, []byte(nil)
		if header > 0 {
			text, rest = body[:header], body[header:]
		}
		var got, wanted any
		if err := json.Unmarshal(text, &got); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		if err := json.Unmarshal([]byte(want), &wanted); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, wanted) || string(rest) != wantBinary {
			t.Errorf("got %s and %q\nwant %s and %q", text, rest, want, wantBinary)
		}
	}
	head := `{"model_name":"m","model_version":"1","id":"a\"b","parameters":{"k":"v"},"outputs":[`
	f(func(int) bool { return false }, head+`{"name":"p","datatype":"FP32","shape":[1,2],"data":[0.25,1e-7]},`+
		`{"name":"l","datatype":"BYTES","shape":[2],"data":["é","<b>"]}]}`, "")
	f(func(i int) bool { return i == 0 }, head+`{"name":"p","datatype":"FP32","shape":[1,2],"parameters":{"binary_data_size":8}},`+
		`{"name":"l","datatype":"BYTES","shape":[2],"data":["é","<b>"]}]}`, string(floats(0.25, 1e-7)))
	f(func(int) bool { return true }, head+`{"name":"p","datatype":"FP32","shape":[1,2],"parameters":{"binary_data_size":8}},`+
		`{"name":"l","datatype":"BYTES","shape":[2],"parameters":{"binary_data_size":13}}]}`,
		string(floats(0.25, 1e-7))+"\x02\x00\x00\x00é\x03\x00\x00\x00<b>")
}

// What JSON cannot carry is told, not written.
func TestAppendResponseRefuses(t *testing.T) {
	f := func(out Tensor, words string) {
		t.Helper()
		_, _, err := AppendResponse(nil, &InferResponse{Outputs: []Tensor{out}}, func(int) bool { return false })
		if e := new(Error); !errors.As(err, &e) || !strings.Contains(e.Sentence, words) {
			t.Errorf("got %v; want %q", err, words)
		}
	}
	f(Tensor{Name: "p", Datatype: FP32, Raw: floats(float32(math.NaN()))}, "not finite")
	f(Tensor{Name: "p", Datatype: FP16, Raw: []byte{0, 0}}, "no JSON form")
	f(Tensor{Name: "p", Datatype: Bytes, Elements: [][]byte{{0xff}}}, "no UTF-8")
}

func TestClassify(t *testing.T) {
	labels := []string{"cat", "dog: big", "owl"}
	in := Tensor{Name: "p", Datatype: FP32, Shape: []int64{2, 3}, Raw: floats(0.5, 0.25, 0.5, 0, 1, 0)}
	f := func(k int, want ...string) {
		t.Helper()
		out := Classify(in, k, labels)
		var got []string
		for _, e := range out.Elements {
			got = append(got, string(e))
		}
		if !reflect.DeepEqual(got, want) || out.Datatype != Bytes || !reflect.DeepEqual(out.Shape, []int64{2, int64(len(want) / 2)}) {
			t.Errorf("got %q of %s %v; want %q", got, out.Datatype, out.Shape, want)
		}
	}
	f(1, "0.500000:0:cat", "1.000000:1:dog: big")
	f(2, "0.500000:0:cat", "0.500000:2:owl", "1.000000:1:dog: big", "0.000000:0:cat")
	f(9, "0.500000:0:cat", "0.500000:2:owl", "0.250000:1:dog: big", "1.000000:1:dog: big", "0.000000:0:cat", "0.000000:2:owl")
}

// Few classes are kept sorted, many are sorted: both ways agree.
func TestLargest(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for n := range 100 {
		values := make([]float32, n)
		for i := range values {
			values[i] = float32(r.IntN(20))
		}
		all := largest(nil, values, n)
		for k := range n {
			if got := largest(make([]int, 0, n), values, k); !slices.Equal(got, all[:k]) {
				t.Fatalf("%v: the %d largest are at %v; want %v", values, k, got, all[:k])
			}
		}
	}
	nan := float32(math.NaN())
	if got := largest(nil, []float32{nan, 1, nan, 2}, 3); !slices.Equal(got, []int{3, 1, 0}) {
		t.Errorf("got %v", got)
	}
}
