//go:build !race

package oip

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
)

// A binary request costs a few small pieces, whatever the size of its tensors: names, shapes, the parameters. A tensor in JSON
// costs its contents besides, and nothing for each number.
func TestParseAllocations(t *testing.T) {
	f := func(what string, body []byte, header int, most float64) {
		t.Helper()
		req := InferRequest{Inputs: make([]Tensor, 0, 1)}
		got := testing.AllocsPerRun(20, func() {
			req = InferRequest{Inputs: req.Inputs[:0]}
			if err := ParseRequest(&req, body, header); err != nil {
				t.Fatal(err)
			}
		})
		if got > most {
			t.Errorf("%s: %.0f allocations; the budget is %.0f", what, got, most)
		}
	}
	const n = 224
	text := fmt.Sprintf(`{"inputs":[{"name":"input","shape":[1,%d,%d,3],"datatype":"UINT8","parameters":{"binary_data_size":%d}}],"parameters":{"binary_data_output":true}}`, n, n, n*n*3)
	f("binary", append([]byte(text), make([]byte, n*n*3)...), len(text), 16)
	row := "[" + strings.TrimSuffix(strings.Repeat("[0,127,255],", n), ",") + "],"
	text = fmt.Sprintf(`{"inputs":[{"name":"input","shape":[1,%d,%d,3],"datatype":"UINT8","data":[[%s]]}]}`, n, n, strings.TrimSuffix(strings.Repeat(row, n), ","))
	f("JSON", []byte(text), -1, 16)
}

// A few bytes that promise much take little memory.
func TestPromisesAllocateNothing(t *testing.T) {
	for _, text := range []string{
		`{"inputs":[{"name":"input","shape":[2147483647],"datatype":"FP64","data":[1]}]}`,
		`{"inputs":[{"name":"input","shape":[2147483647],"datatype":"BYTES","data":["a"]}]}`,
		`{"inputs":[{"name":"input","shape":[2147483647],"datatype":"BYTES","parameters":{"binary_data_size":0}}]}`,
	} {
		const runs = 100
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		for range runs {
			var req InferRequest
			if err := ParseRequest(&req, []byte(text), len(text)); err == nil {
				t.Fatal("taken")
			}
		}
		runtime.ReadMemStats(&after)
		got := (after.TotalAlloc - before.TotalAlloc) / runs
		if got > 4096 {
			t.Errorf("%s takes %d bytes", text, got)
		}
	}
}
