package main

import (
	"os"
	"path/filepath"
	"reflect"
	"testing"
)

func TestReadPages(t *testing.T) {
	page := filepath.Join(t.TempDir(), "page.md")
	write := func(text string) {
		if err := os.WriteFile(page, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("# A page\n\n| a | b |\n| --- | --- |\n| 1 | 2.5 % |\n| x | y |\n\n```\nconfusion: a row a true class, a column a predicted one\n\n" +
		"       cat  dog\n  cat    3    1\n  dog    0    4\n```\n| 9 | 9 |\n")
	rows, err := tableAfter(page, "| a |")
	if want := [][]string{{"1", "2.5 %"}, {"x", "y"}}; err != nil || !reflect.DeepEqual(rows, want) {
		t.Errorf("got %q, %v; want %q", rows, err, want)
	}
	if v, err := number(rows[0][1]); err != nil || v != 0.025 {
		t.Errorf("got %v, %v; want 0.025", v, err)
	}
	labels, counts, err := matrix(page)
	if err != nil || !reflect.DeepEqual(labels, []string{"cat", "dog"}) || !reflect.DeepEqual(counts, [][]int{{3, 1}, {0, 4}}) {
		t.Errorf("got %q, %v, %v", labels, counts, err)
	}
	if _, err := tableAfter(page, "| c |"); err == nil {
		t.Error("no error for a table that is not there")
	}
	write("\n| a | b |\n| --- | --- |\n")
	if rows, err := tableAfter(page, "| a |"); err == nil {
		t.Errorf("no error for an empty table, but %q", rows)
	}
	write("\nconfusion: a row a true class\n\n cat 1 x\n")
	if labels, _, err := matrix(page); err == nil {
		t.Errorf("no error for a broken matrix, but %q", labels)
	}
	write("low,high,n,confidence,accuracy\n0,0.5,4,0.3,0.25\n")
	if b, err := bins(page); err != nil || len(b) != 1 || b[0].N != 4 || b[0].Accuracy != 0.25 {
		t.Errorf("got %+v, %v", b, err)
	}
	write("low,high\n0,1\n")
	if b, err := bins(page); err == nil {
		t.Errorf("no error for another table, but %+v", b)
	}
}

func TestRates(t *testing.T) {
	if bar, ok, err := rates([]string{"ORT", "1", "2.5"}); err != nil || !ok || bar.Name != "ORT" || !reflect.DeepEqual(bar.Values, []float64{1, 2.5}) {
		t.Errorf("got %+v, %v, %v", bar, ok, err)
	}
	if _, ok, err := rates([]string{"Torchlit, of the best", "**1.1**"}); ok || err != nil {
		t.Errorf("a line of ratios is taken for rates: %v, %v", ok, err)
	}
	if _, _, err := rates([]string{"ORT", "fast"}); err == nil {
		t.Error("no error for a word")
	}
}
