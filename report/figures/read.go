package main

import (
	"encoding/csv"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/torchlit/torchlit/evaluate"
	"github.com/torchlit/torchlit/report"
)

// tableAfter reads the lines of a page's Markdown table whose head begins like that, cell by cell.
func tableAfter(page, head string) (rows [][]string, err error) {
	lines, err := linesAfter(page, head)
	if err != nil {
		return nil, err
	}
	for _, line := range lines[min(1, len(lines)):] { // the first says how columns are aligned
		if !strings.HasPrefix(line, "|") {
			break
		}
		var cells []string
		for cell := range strings.SplitSeq(strings.Trim(line, "| "), "|") {
			cells = append(cells, strings.TrimSpace(cell))
		}
		if width := strings.Count(head, "|") - 1; len(cells) < width {
			return nil, fmt.Errorf("cannot read %s: %q has less than %d cells", page, line, width)
		}
		rows = append(rows, cells)
	}
	if len(rows) == 0 {
		return nil, fmt.Errorf("cannot read %s: the table %q is empty", page, head)
	}
	return rows, nil
}

func linesAfter(page, head string) ([]string, error) {
	b, err := os.ReadFile(page)
	if err != nil {
		return nil, err
	}
	_, rest, ok := strings.Cut(string(b), "\n"+head)
	if !ok {
		return nil, fmt.Errorf("cannot read %s: it has no line that begins with %q", page, head)
	}
	lines := strings.Split(rest, "\n")
	return lines[1:], nil
}

// matrix reads the confusions that torchlit eval prints: below a line of shortened labels, one for each class.
func matrix(page string) (labels []string, counts [][]int, err error) {
	lines, err := linesAfter(page, "confusion: a row a true class")
	if err != nil {
		return nil, nil, err
	}
	for _, line := range lines {
		fields := strings.Fields(line)
		switch {
		case strings.HasPrefix(line, "```"):
			return labels, counts, nil
		case len(fields) < 2:
			continue
		}
		if _, err := strconv.Atoi(fields[1]); err != nil {
			continue // the labels above the columns
		}
		var row []int
		for _, f := range fields[1:] {
			n, err := strconv.Atoi(f)
			if err != nil {
				return nil, nil, fmt.Errorf("cannot read %s: %q is no row of confusions", page, line)
			}
			row = append(row, n)
		}
		labels, counts = append(labels, fields[0]), append(counts, row)
	}
	return nil, nil, fmt.Errorf("cannot read %s: the block of confusions does not end", page)
}

// rates reads a name and its rates; ok is false where they are no rates.
func rates(cells []string) (bar report.Bar, ok bool, err error) {
	if strings.Contains(cells[0], ", of ") {
		return bar, false, nil
	}
	bar.Name = cells[0]
	for _, cell := range cells[1:] {
		v, err := number(cell)
		if err != nil {
			return bar, false, fmt.Errorf("%s: %w", bar.Name, err)
		}
		bar.Values = append(bar.Values, v)
	}
	return bar, true, nil
}

// number reads a number, which may be a percentage.
func number(s string) (float64, error) {
	plain, percent := strings.CutSuffix(s, " %")
	v, err := strconv.ParseFloat(plain, 64)
	if err != nil {
		return 0, fmt.Errorf("%q is no number", s)
	}
	if percent {
		v /= 100
	}
	return v, nil
}

// bins reads a table of calibration, as report.Write makes it.
func bins(name string) (out []evaluate.Bin, err error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil || len(rows) < 2 || strings.Join(rows[0], ",") != "low,high,n,confidence,accuracy" {
		return nil, fmt.Errorf("cannot read %s: want low,high,n,confidence,accuracy and lines of them: %v", name, err)
	}
	for _, row := range rows[1:] {
		var v [5]float64
		for i, cell := range row {
			if v[i], err = strconv.ParseFloat(cell, 64); err != nil {
				return nil, fmt.Errorf("cannot read %s: %w", name, err)
			}
		}
		out = append(out, evaluate.Bin{Low: v[0], High: v[1], N: int(v[2]), Confidence: v[3], Accuracy: v[4]})
	}
	return out, nil
}
