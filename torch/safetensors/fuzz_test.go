package safetensors

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

// FuzzOpen feeds whole files. Whatever Parse accepts must be sound: each byte
// of the payload belongs to exactly one tensor, and writing the tensors again
// and reading them back changes nothing.
func FuzzOpen(f *testing.F) {
	seeds, err := filepath.Glob("testdata/*.safetensors")
	if err != nil || len(seeds) == 0 {
		f.Fatalf("no seed files: %v", err)
	}
	for _, path := range seeds {
		data, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	for _, header := range []string{
		"", "{}", "{}   ", `{"a"`, `{"__metadata__":{"k":"v"}}`,
		`{"a":{"dtype":"U8","shape":[],"data_offsets":[0,1]}}`,
		`{"a":{"dtype":"F32","shape":[0],"data_offsets":[0,0]},"b":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}`,
		`{"a":{"dtype":"U8","shape":[9223372036854775807,9223372036854775807],"data_offsets":[0,1]}}`,
		`{"\ud800":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}`,
	} {
		f.Add(file(header, "x"))
		f.Add(file(header, ""))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		file, err := Parse(data)
		if err != nil {
			return
		}
		var entries []Entry
		total := 0
		for _, name := range file.Names() {
			v, ok := file.Tensor(name)
			if !ok || v.Name != name || v.Numel()*v.DType.Size() != len(v.Data) {
				t.Fatalf("tensor %q is not sound: %+v", name, v)
			}
			total += len(v.Data)
			entries = append(entries, v)
		}
		if _, payload, _ := split(data); len(payload) != total {
			t.Fatalf("the tensors hold %d bytes of %d", total, len(payload))
		}
		var b bytes.Buffer
		if err := Encode(&b, entries, file.Metadata()); err != nil {
			t.Fatalf("cannot write what was read: %s", err)
		}
		again, err := Parse(b.Bytes())
		if err != nil {
			t.Fatalf("cannot read what was written: %s", err)
		}
		for _, e := range entries {
			if v, ok := again.Tensor(e.Name); !ok || v.DType != e.DType || !bytes.Equal(v.Data, e.Data) {
				t.Fatalf("tensor %q changed on its way", e.Name)
			}
		}
	})
}
