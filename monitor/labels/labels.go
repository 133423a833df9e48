// Package labels reads the true classes of answers as people keep them: in CSV, or as JSON with one label a line.
package labels

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/torchlit/torchlit/monitor"
)

// Reader reads labels one after the other. It belongs to one goroutine.
type Reader interface {
	// Next is the next label, which is the caller's to keep, and its line, counted from 1. After the last one the error is io.EOF. Any
	// other says which line cannot be read and why; then nothing more can be.
	Next() (l monitor.Label, line int, err error)
}

// Columns of CSV.
const (
	columnID    = "request_id"
	columnName  = "label"
	columnIndex = "index"
)

// exported are columns that only an export of a log has, where "label" and "index" are what the model said.
var exported = []string{"true_label", "true_index", "confidence"}

type csvReader struct {
	*csv.Reader
	id, name, index int // columns; -1 for none
}

// NewCSV reads CSV (RFC 4180) whose first line names its columns: request_id, and label (the name of the true class) or index (its place), in
// any order. Where a line has both, the name counts. Other columns are passed over. The error is of the first line.
func NewCSV(r io.Reader) (Reader, error) {
	b := bufio.NewReader(r)
	if mark, _ := b.Peek(3); bytes.Equal(mark, []byte("\xef\xbb\xbf")) { // spreadsheets begin so
		_, _ = b.Discard(3)
	}
	c := &csvReader{Reader: csv.NewReader(b)}
	c.ReuseRecord, c.TrimLeadingSpace = true, true
	header, err := c.Read()
	if errors.Is(err, io.EOF) {
		return nil, errors.New("there is no first line; name the columns there: request_id,label")
	}
	if err != nil {
		return nil, lineError(err)
	}
	c.id, c.name, c.index = slices.Index(header, columnID), slices.Index(header, columnName), slices.Index(header, columnIndex)
	if c.id < 0 || c.name < 0 && c.index < 0 {
		return nil, fmt.Errorf("the first line has no columns request_id and label (or index), separated by commas, but %q", clip(strings.Join(header, ",")))
	}
	for _, name := range exported {
		if slices.Contains(header, name) {
			return nil, fmt.Errorf("with a column %q it is an export, whose label is what the model said; send a file with request_id and the true class as label", name)
		}
	}
	return c, nil
}

// Next implements Reader.
func (c *csvReader) Next() (l monitor.Label, line int, err error) {
	record, err := c.Read()
	if errors.Is(err, io.EOF) {
		return l, 0, io.EOF
	}
	if err != nil {
		return l, 0, lineError(err)
	}
	line, _ = c.FieldPos(0)
	l.RequestID = strings.Clone(record[c.id]) // the record's fields are one string
	if l.RequestID == "" {
		return l, line, fmt.Errorf("line %d has no request_id", line)
	}
	if c.name >= 0 && record[c.name] != "" {
		l.Name = strings.Clone(record[c.name])
		return l, line, nil
	}
	if c.index < 0 {
		return l, line, fmt.Errorf("line %d has %w", line, ErrNoLabel)
	}
	if l.Index, err = strconv.Atoi(record[c.index]); err != nil || l.Index < 0 {
		return l, line, fmt.Errorf("line %d has no label, and its index is %q", line, clip(record[c.index]))
	}
	return l, line, nil
}

func lineError(err error) error {
	if e, ok := errors.AsType[*csv.ParseError](err); ok {
		return fmt.Errorf("line %d is no CSV: %w", e.Line, e.Err)
	}
	return err
}

// ErrNoLabel is what a line of CSV has whose label is still to be filled in: whoever reads may pass over it, and go on.
var ErrNoLabel = errors.New("no label")

// maxLine bounds a line of JSON.
const maxLine = 1 << 20

type jsonReader struct {
	*bufio.Scanner
	line int
}

// NewJSON reads JSON with one label a line, as the feedback route takes it: {"request_id": "…", "label": "cat"}, or with the class's index for
// its name. Empty lines are passed over.
func NewJSON(r io.Reader) Reader {
	s := bufio.NewScanner(r)
	s.Buffer(nil, maxLine)
	return &jsonReader{Scanner: s}
}

// Next implements Reader.
func (j *jsonReader) Next() (l monitor.Label, line int, err error) {
	for j.Scan() {
		j.line++
		text := bytes.TrimSpace(j.Bytes())
		if len(text) == 0 {
			continue
		}
		var v struct {
			RequestID string `json:"request_id"`
			Label     any    `json:"label"`
		}
		if err := json.Unmarshal(text, &v); err != nil {
			return l, j.line, fmt.Errorf("line %d is no JSON object with request_id and label: %w", j.line, err)
		}
		l.RequestID = v.RequestID
		switch label := v.Label.(type) {
		case string:
			l.Name = label
		case float64:
			if label != math.Trunc(label) || label < 0 || label > math.MaxInt32 {
				return l, j.line, fmt.Errorf("line %d has the label %v, which is no index", j.line, label)
			}
			l.Index = int(label)
		}
		if _, index := v.Label.(float64); l.RequestID == "" || l.Name == "" && !index {
			return l, j.line, fmt.Errorf("line %d has no request_id or no label; write {\"request_id\": \"…\", \"label\": \"…\"}", j.line)
		}
		return l, j.line, nil
	}
	if err := j.Err(); err != nil {
		return l, j.line, fmt.Errorf("line %d: %w", j.line+1, err)
	}
	return l, 0, io.EOF
}

// clip keeps a file's own words short enough to be repeated.
func clip(s string) string {
	const most = 64
	if len(s) > most {
		return s[:most] + "…"
	}
	return s
}
