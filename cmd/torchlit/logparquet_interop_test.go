//go:build interop

package main

import (
	"encoding/json"
	"fmt"
	"math"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/torchlit/torchlit/internal/interop"
	"github.com/torchlit/torchlit/monitor"
	"github.com/torchlit/torchlit/monitor/predlog"
)

// TestInteropParquet: pyarrow reads what is exported, with the types that one works with, and finds in it what JSON lines have.
func TestInteropParquet(t *testing.T) {
	python := interop.Python(t, "parquet")
	dir := filepath.Join(t.TempDir(), "log")
	l, err := predlog.Open(predlog.Config{Dir: dir, Vectors: 0.5, Queue: 1 << 15})
	require.NoError(t, err)
	const n = rowGroup + 100
	var labels []monitor.Label
	for i := range n {
		a := monitor.Answer{
			Time: time.UnixMilli(1_800_000_000_123 + int64(i)), RequestID: fmt.Sprint("id", i), Model: "m", Version: "1", Labels: []string{"a", "ö"},
			Probabilities: []float32{0.25, 0.75}, Embedding: []float32{1, float32(i % 8), -0.5}, OOD: float32(i) / 4, Image: monitor.NoImage(), Shadow: i%10 == 9,
		}
		if i%3 == 0 {
			a.Image = monitor.Image{Width: 640, Height: 480, Bytes: 3_000_000_000, Brightness: 0.5, Contrast: 0.25, Saturation: 0.125, Sharpness: 2}
			a.OOD, a.Embedding = float32(math.NaN()), nil
		}
		l.Record(&a)
		if i%10 == 0 {
			labels = append(labels, monitor.Label{RequestID: a.RequestID, Index: i / 10 % 2})
		}
	}
	_, err = l.Feedback(t.Context(), "m", labels)
	require.NoError(t, err)
	require.NoError(t, l.Close(t.Context()))
	parquet, lines := filepath.Join(t.TempDir(), "answers.parquet"), filepath.Join(t.TempDir(), "answers.jsonl")
	for format, file := range map[string]string{"parquet": parquet, "jsonl": lines} {
		_, err := run(t, "log", "--dir", dir, "export", "--shadows", "--format", format, "-o", file)
		require.NoError(t, err)
	}
	var said struct {
		Rows, Groups, Vectors, Embeddings int
		Compression                       []string
		Types                             map[string]string
		Different                         []string
	}
	require.NoError(t, json.Unmarshal([]byte(interop.Run(t, python, "testdata/parquet.py", parquet, lines)), &said))
	assert.Equal(t, n, said.Rows)
	assert.Equal(t, 2, said.Groups)
	assert.Empty(t, said.Different)
	assert.Equal(t, []string{"ZSTD"}, said.Compression)
	assert.InDelta(t, n/2, said.Vectors, n/10)
	assert.InDelta(t, n/3, said.Embeddings, n/10)
	for name, want := range map[string]string{
		"time": "timestamp[ms, tz=UTC]", "request_id": "string", "label": "string", "index": "int32", "confidence": "double", "true_label": "string", "true_index": "int32",
		"bytes": "int64", "brightness": "float", "ood": "float", "shadow": "bool", "probabilities": "list<element: float not null>", "embedding": "list<element: float not null>",
	} {
		assert.Equal(t, want, said.Types[name], name)
	}
}
