package safetensors

import (
	"fmt"
	"testing"
)

// BenchmarkFloat32 decodes a million elements, a tenth of a ResNet18.
func BenchmarkFloat32(b *testing.B) {
	values := make([]float32, 1<<20)
	for i := range values {
		values[i] = float32(i%2000-1000) * 1e-4
	}
	for _, dtype := range []DType{F32, F16, BF16} {
		b.Run(string(dtype), func(b *testing.B) {
			v, err := FromFloat32("x", dtype, []int64{1 << 20}, values)
			if err != nil {
				b.Fatal(err)
			}
			b.SetBytes(int64(len(v.Data)))
			b.ReportAllocs()
			for b.Loop() {
				if err := DecodeFloat32(values, v); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkParse reads the header of a file with as many tensors as a ResNet50.
func BenchmarkParse(b *testing.B) {
	header := "{"
	for i := range 320 {
		header += fmt.Sprintf(`"layer.%d.weight":{"dtype":"F32","shape":[0,3,3],"data_offsets":[0,0]},`, i)
	}
	data := file(header[:len(header)-1]+"}", "")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Parse(data); err != nil {
			b.Fatal(err)
		}
	}
}
