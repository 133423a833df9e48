package main

import (
	"io"
	"time"

	"github.com/parquet-go/parquet-go"

	"github.com/torchlit/torchlit/monitor/predlog"
)

// parquetAnswer is a row: what is in exported, with the same names. What is not known is null.
type parquetAnswer struct {
	Time          time.Time `parquet:"time,timestamp(millisecond)"`
	RequestID     string    `parquet:"request_id"`
	Model         string    `parquet:"model,dict"`
	Version       string    `parquet:"version,dict"`
	Label         string    `parquet:"label,dict"`
	Index         int32     `parquet:"index"`
	Confidence    float64   `parquet:"confidence"`
	Entropy       float64   `parquet:"entropy"`
	TrueLabel     *string   `parquet:"true_label,optional,dict"`
	TrueIndex     *int32    `parquet:"true_index,optional"`
	Width         *int32    `parquet:"width,optional"`
	Height        *int32    `parquet:"height,optional"`
	Bytes         *int64    `parquet:"bytes,optional"`
	Brightness    *float32  `parquet:"brightness,optional"`
	Contrast      *float32  `parquet:"contrast,optional"`
	Saturation    *float32  `parquet:"saturation,optional"`
	Sharpness     *float32  `parquet:"sharpness,optional"`
	Flatness      *float32  `parquet:"flatness,optional"`
	OOD           *float32  `parquet:"ood,optional"`
	Shadow        bool      `parquet:"shadow"`
	Probabilities []float32 `parquet:"probabilities,optional,list"`
	Embedding     []float32 `parquet:"embedding,optional,list"`
}

// rowGroup is how many rows are in memory until they are written. With a thousand classes one takes some 6 kB.
const rowGroup = 8192

type parquetAnswers struct {
	*parquet.GenericWriter[parquetAnswer]
}

func newParquetAnswers(out io.Writer) answerWriter {
	return parquetAnswers{parquet.NewGenericWriter[parquetAnswer](out,
		parquet.Compression(&parquet.Zstd), parquet.MaxRowsPerRowGroup(rowGroup), parquet.CreatedBy("torchlit", version, commit))}
}

func (w parquetAnswers) write(s *predlog.Stored) error {
	e := export(s)
	_, err := w.Write([]parquetAnswer{{
		Time: s.Time, RequestID: e.RequestID, Model: e.Model, Version: e.Version, Label: e.Label, Index: int32(e.Index),
		Confidence: e.Confidence, Entropy: e.Entropy, TrueLabel: e.TrueLabel, TrueIndex: narrow[int32](e.TrueIndex),
		Width: narrow[int32](e.Width), Height: narrow[int32](e.Height), Bytes: narrow[int64](e.Bytes),
		Brightness: e.Brightness, Contrast: e.Contrast, Saturation: e.Saturation, Sharpness: e.Sharpness, Flatness: e.Flatness, OOD: e.OOD, Shadow: e.Shadow,
		Probabilities: e.Probabilities, Embedding: e.Embedding,
	}})
	return err
}

func (w parquetAnswers) end() error { return w.Close() }

func narrow[T int32 | int64](n *int) *T {
	if n == nil {
		return nil
	}
	v := T(*n)
	return &v
}
