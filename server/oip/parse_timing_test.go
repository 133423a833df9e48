package oip

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

// BenchmarkParseRequest reads an image of 224×224 pixels in each form that it may come in.
func BenchmarkParseRequest(b *testing.B) {
	const n = 3 * 224 * 224
	head := `{"inputs":[{"name":"input","shape":[1,3,224,224],"datatype":"FP32",`
	floats := strings.TrimSuffix(strings.Repeat("-1.2345679,", n), ",")
	bytes := strings.TrimSuffix(strings.Repeat("[0,127,255],", n/3), ",")
	inBinary := head + fmt.Sprintf(`"parameters":{"binary_data_size":%d}}]}`, 4*n)
	for _, r := range []struct {
		name   string
		body   string
		header int
	}{
		{"binary", inBinary + strings.Repeat("\x00", 4*n), len(inBinary)},
		{"json-fp32", head + `"data":[` + floats + `]}]}`, -1},
		{"json-uint8", `{"inputs":[{"name":"input","shape":[1,224,224,3],"datatype":"UINT8","data":[` + bytes + `]}]}`, -1},
	} {
		b.Run(r.name, func(b *testing.B) {
			body := []byte(r.body)
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			for b.Loop() {
				var req InferRequest
				if err := ParseRequest(&req, body, r.header); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("json-fp32-standard-library", func(b *testing.B) { // what there is to beat
		body := []byte(head + `"data":[` + floats + `]}]}`)
		b.SetBytes(int64(len(body)))
		b.ReportAllocs()
		for b.Loop() {
			var req struct{ Inputs []struct{ Data []float32 } }
			if err := json.Unmarshal(body, &req); err != nil {
				b.Fatal(err)
			}
			raw := make([]byte, 0, 4*n)
			for _, f := range req.Inputs[0].Data {
				raw = binary.LittleEndian.AppendUint32(raw, uint32(f))
			}
		}
	})
}
