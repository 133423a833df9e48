package labels

import (
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/torchlit/torchlit/monitor"
)

// all reads r to its end, or to the first error.
func all(r Reader) (labels []monitor.Label, lines []int, err error) {
	for {
		l, line, err := r.Next()
		if errors.Is(err, io.EOF) {
			return labels, lines, nil
		}
		if err != nil {
			return labels, lines, err
		}
		labels, lines = append(labels, l), append(lines, line)
	}
}

func readCSV(text string) ([]monitor.Label, []int, error) {
	r, err := NewCSV(strings.NewReader(text))
	if err != nil {
		return nil, nil, err
	}
	return all(r)
}

func TestCSV(t *testing.T) {
	f := func(text string, lines []int, want ...monitor.Label) {
		t.Helper()
		got, at, err := readCSV(text)
		if err != nil || !slices.Equal(got, want) || !slices.Equal(at, lines) {
			t.Errorf("%q: got %+v in lines %v, %v; want %+v in %v", text, got, at, err, want, lines)
		}
	}
	f("request_id,label\n", nil)
	f("request_id,label\na,cat\nb,dog", []int{2, 3}, monitor.Label{RequestID: "a", Name: "cat"}, monitor.Label{RequestID: "b", Name: "dog"})
	f("\xef\xbb\xbflabel,note,request_id\r\n\"cat, big\",x,a\r\n", []int{2}, monitor.Label{RequestID: "a", Name: "cat, big"})
	f("request_id,index\na,7\n\nb,0\n", []int{2, 4}, monitor.Label{RequestID: "a", Index: 7}, monitor.Label{RequestID: "b"})
	f("request_id,label,index\na,,7\nb,3,5\n", []int{2, 3}, monitor.Label{RequestID: "a", Index: 7}, monitor.Label{RequestID: "b", Name: "3"})
	f("request_id,label\n\"a\nb\",cat\nc,dog\n", []int{2, 4}, monitor.Label{RequestID: "a\nb", Name: "cat"}, monitor.Label{RequestID: "c", Name: "dog"})
}

func TestCSVErrors(t *testing.T) {
	f := func(text, want string) {
		t.Helper()
		if got, _, err := readCSV(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %+v, %v; want %q", text, got, err, want)
		}
	}
	f("", "no first line")
	f("request_id;label\na;cat\n", `"request_id;label"`)
	f("a,cat\n", `"a,cat"`)
	f("request_id,true_label,label\n", "export")
	f("time,request_id,label,confidence\n", "export")
	f("request_id,label\na,cat\n,dog\n", "line 3 has no request_id")
	f("request_id,label\na,\n", "line 2 has no label")
	f("request_id,index\na,-1\n", `"-1"`)
	f("request_id,index\na,first\n", `"first"`)
	f("request_id,label\na,cat\nb\n", "line 3 is no CSV")
	f("request_id,label\na,\"cat\n", "no CSV")
}

func TestJSON(t *testing.T) {
	f := func(text, problem string, want ...monitor.Label) {
		t.Helper()
		got, _, err := all(NewJSON(strings.NewReader(text)))
		if !slices.Equal(got, want) || (err == nil) != (problem == "") || err != nil && !strings.Contains(err.Error(), problem) {
			t.Errorf("%q: got %+v, %v; want %+v, %q", text, got, err, want, problem)
		}
	}
	f("", "")
	f("{\"request_id\": \"a\", \"label\": \"cat\"}\n\n {\"label\": 0, \"request_id\": \"b\"}", "", monitor.Label{RequestID: "a", Name: "cat"}, monitor.Label{RequestID: "b"})
	f(`{"request_id": "a", "label": 1}`+"\n[]", "line 2", monitor.Label{RequestID: "a", Index: 1})
	f(`{"request_id": "a"}`, "line 1 has no")
	f(`{"request_id": "", "label": 1}`, "line 1 has no")
	f(`{"request_id": "a", "label": null}`, "line 1 has no")
	f(`{"request_id": "a", "label": ""}`, "line 1 has no")
	f(`{"request_id": "a", "label": 1.5}`, "no index")
	f(`{"request_id": "a", "label": -1}`, "no index")
	f(`{"request_id": "a", "label": 1e30}`, "no index")
	f(strings.Repeat(" ", maxLine+1), "line 1")
}

// FuzzCSV: whatever the bytes, each label has an id and a class, lines go up, and the end is io.EOF or an error that is no longer than a line.
func FuzzCSV(f *testing.F) {
	for _, s := range []string{"request_id,label\na,cat\n", "index,request_id\n1,a\n", "request_id,label,index\n\"a\nb\",,3\n", "\xef\xbb\xbfrequest_id,label\r\na,\"c\"\"at\"", "request_id,confidence,label\n", ";\n", ""} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := NewCSV(strings.NewReader(string(data)))
		if err != nil {
			return
		}
		labels, lines, err := all(r)
		for i, l := range labels {
			if l.RequestID == "" || l.Name != "" && l.Index != 0 || l.Index < 0 {
				t.Fatalf("%q: %+v", data, l)
			}
			if i > 0 && lines[i] <= lines[i-1] {
				t.Fatalf("%q: lines %v", data, lines)
			}
		}
		if err != nil && len(err.Error()) > 1000 {
			t.Fatalf("%q: %v", data, err)
		}
	})
}
