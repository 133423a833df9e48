package main

import (
	"bufio"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/torchlit/torchlit/monitor/predlog"
)

func logExportCommand(place *logPlace) *cobra.Command {
	var by predlog.Filter
	var since, until, format, output string
	cmd := &cobra.Command{
		Use:   "export",
		Short: "Write answers as CSV, JSON lines or Parquet",
		Long: `Write answers as CSV, as JSON with one answer a line, or as Parquet, in the order in which they
were logged. JSON lines and Parquet have the probabilities of all classes and the embedding,
too, where they are kept. Times are UTC.`,
		Example: `  torchlit log export --output answers.csv
  torchlit log export --format jsonl --model cifar10-resnet18 --since 24h | jq .confidence
  torchlit log export --format parquet -o answers.parquet`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var err error
			if by.Since, by.Until, err = parsePeriod(since, until); err != nil {
				return usageError{err}
			}
			newWriter, ok := answerWriters[format]
			if !ok {
				return usageError{fmt.Errorf("--format is %q; write csv, jsonl or parquet", format)}
			}
			return exportLog(cmd, place, by, output, newWriter)
		},
	}
	f := cmd.Flags()
	f.StringVar(&format, "format", "csv", "csv, jsonl or parquet")
	f.StringVarP(&output, "output", "o", "", "file to write, for its owner alone (default: standard output)")
	f.StringVar(&by.Model, "model", "", "only answers of this model")
	f.StringVar(&by.Version, "version", "", "only answers of this version")
	f.StringVar(&since, "since", "", "only from then on: 24h for the last 24 hours, or a time such as 2026-11-27T10:00:00Z")
	f.StringVar(&until, "until", "", "only before, written likewise")
	f.BoolVar(&by.Labelled, "labelled", false, "only answers whose true class is known")
	f.BoolVar(&by.Shadows, "shadows", false, "also what shadow versions would have said")
	return cmd
}

// parsePeriod reads --since and --until.
func parsePeriod(since, until string) (from, to time.Time, err error) {
	if from, err = parseWhen(since); err == nil {
		to, err = parseWhen(until)
	}
	return from, to, err
}

// parseWhen reads a time, or how long ago it was.
func parseWhen(text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if ago, err := time.ParseDuration(text); err == nil {
		return time.Now().Add(-ago), nil
	}
	for _, layout := range []string{time.RFC3339Nano, time.DateOnly} {
		if t, err := time.Parse(layout, text); err == nil {
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf("%q is no time; write 24h for 24 hours ago, 2026-11-27 or 2026-11-27T10:00:00Z", text)
}

func exportLog(cmd *cobra.Command, place *logPlace, by predlog.Filter, output string, newWriter func(io.Writer) answerWriter) (err error) {
	r, err := place.open(cmd.Context())
	if err != nil {
		return err
	}
	defer r.Close()
	out := cmd.OutOrStdout()
	if output != "" {
		f, err := os.OpenFile(output, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
		if err != nil {
			return fmt.Errorf("cannot export the prediction log: %w; name another file with --output", err)
		}
		defer func() { err = errors.Join(err, f.Close()) }()
		out = f
	}
	b := bufio.NewWriter(out)
	w := newWriter(b)
	n := 0
	err = r.Each(cmd.Context(), by, false, func(s *predlog.Stored) error { n++; return w.write(s) })
	if err = errors.Join(err, w.end(), b.Flush()); err != nil {
		return fmt.Errorf("cannot export the prediction log: %w", err)
	}
	fmt.Fprintf(cmd.ErrOrStderr(), "%d answers\n", n)
	return nil
}

// answerWriter writes one file format.
type answerWriter interface {
	write(*predlog.Stored) error
	end() error
}

var answerWriters = map[string]func(io.Writer) answerWriter{
	"csv":     newCSVAnswers,
	"jsonl":   func(w io.Writer) answerWriter { return jsonAnswers{json.NewEncoder(w)} },
	"parquet": newParquetAnswers,
}

// exported is an answer as it is written. What is not known is null, in CSV empty.
type exported struct {
	Time       string   `json:"time"`
	RequestID  string   `json:"request_id"`
	Model      string   `json:"model"`
	Version    string   `json:"version"`
	Label      string   `json:"label"`
	Index      int      `json:"index"`
	Confidence float64  `json:"confidence"`
	Entropy    float64  `json:"entropy"`
	TrueLabel  *string  `json:"true_label"`
	TrueIndex  *int     `json:"true_index"`
	Width      *int     `json:"width"`
	Height     *int     `json:"height"`
	Bytes      *int     `json:"bytes"`
	Brightness *float32 `json:"brightness"`
	Contrast   *float32 `json:"contrast"`
	Saturation *float32 `json:"saturation"`
	Sharpness  *float32 `json:"sharpness"`
	Flatness   *float32 `json:"flatness"`
	OOD        *float32 `json:"ood"`
	Shadow     bool     `json:"shadow"`

	Probabilities []float32 `json:"probabilities,omitempty"`
	Embedding     []float32 `json:"embedding,omitempty"`
}

func export(s *predlog.Stored) exported {
	e := exported{
		Time: s.Time.Format("2006-01-02T15:04:05.000Z07:00"), RequestID: s.RequestID, Model: s.Model, Version: s.Version,
		Label: s.Labels[s.Class], Index: s.Class, Confidence: s.Confidence, Entropy: s.Entropy,
		Width: unlessZero(s.Image.Width), Height: unlessZero(s.Image.Height), Bytes: unlessZero(s.Image.Bytes),
		Brightness: ifKnown(s.Image.Brightness), Contrast: ifKnown(s.Image.Contrast),
		Saturation: ifKnown(s.Image.Saturation), Sharpness: ifKnown(s.Image.Sharpness), Flatness: ifKnown(s.Image.Flatness), OOD: ifKnown(s.OOD), Shadow: s.Shadow,
		Probabilities: finite(s.Probabilities), Embedding: finite(s.Embedding),
	}
	if s.TrueClass >= 0 {
		e.TrueLabel, e.TrueIndex = &s.Labels[s.TrueClass], &s.TrueClass
	}
	return e
}

// finite puts 0 for what JSON cannot say, as replies do. Only a broken model says it.
func finite(values []float32) []float32 {
	for i, v := range values {
		if math.IsNaN(float64(v)) || math.IsInf(float64(v), 0) {
			values[i] = 0
		}
	}
	return values
}

func unlessZero(n int) *int {
	if n == 0 {
		return nil
	}
	return &n
}

func ifKnown(f float32) *float32 {
	if math.IsNaN(float64(f)) {
		return nil
	}
	return &f
}

type jsonAnswers struct{ *json.Encoder }

func (w jsonAnswers) write(s *predlog.Stored) error { return w.Encode(export(s)) }
func (w jsonAnswers) end() error                    { return nil }

type csvAnswers struct{ *csv.Writer }

func newCSVAnswers(out io.Writer) answerWriter {
	w := csvAnswers{csv.NewWriter(out)}
	_ = w.Write([]string{ // an error shows at the end
		"time", "request_id", "model", "version", "label", "index", "confidence", "entropy", "true_label", "true_index",
		"width", "height", "bytes", "brightness", "contrast", "saturation", "sharpness", "flatness", "ood", "shadow",
	})
	return w
}

func (w csvAnswers) write(s *predlog.Stored) error {
	e := export(s)
	trueLabel := ""
	if e.TrueLabel != nil {
		trueLabel = *e.TrueLabel
	}
	return w.Write([]string{
		e.Time, e.RequestID, e.Model, e.Version, e.Label, strconv.Itoa(e.Index), decimal(e.Confidence), decimal(e.Entropy), trueLabel, whole(e.TrueIndex),
		whole(e.Width), whole(e.Height), whole(e.Bytes),
		fraction(e.Brightness), fraction(e.Contrast), fraction(e.Saturation), fraction(e.Sharpness),
		fraction(e.Flatness), fraction(e.OOD), strconv.FormatBool(e.Shadow),
	})
}

func (w csvAnswers) end() error {
	w.Flush()
	return w.Error()
}

func decimal(f float64) string { return strconv.FormatFloat(f, 'g', 6, 64) }

func whole(n *int) string {
	if n == nil {
		return ""
	}
	return strconv.Itoa(*n)
}

func fraction(f *float32) string {
	if f == nil {
		return ""
	}
	return decimal(float64(*f))
}
