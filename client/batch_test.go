package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
)

// listFor answers a form with one result for each of its files, labelled with the file's bytes; "text" is no image.
func listFor(_ int, req *http.Request) (int, string, string) {
	body, _ := req.GetBody()
	b, _ := io.ReadAll(body)
	again := &http.Request{Method: "POST", Header: req.Header, Body: io.NopCloser(strings.NewReader(string(b)))}
	form, err := again.MultipartReader()
	if err != nil {
		return 200, "", strings.Replace(catAnswer, "cat", string(b), 1)
	}
	var results []string
	for {
		part, err := form.NextPart()
		if err != nil {
			return 200, "", `{"results":[` + strings.Join(results, ",") + `]}`
		}
		b, _ := io.ReadAll(part)
		if string(b) == "text" {
			results = append(results, textAnswer)
			continue
		}
		results = append(results, strings.Replace(catAnswer, `"label":"cat"`, fmt.Sprintf(`"label":%q`, b), 1))
	}
}

// Many images go in as many requests as are needed, and the outcomes are in their order.
func TestClassifyBatch(t *testing.T) {
	f := &fakeServer{answer: listFor}
	c := open(t, f, WithRequestLimits(4, 50))
	var images [][]byte
	for i := range 10 {
		images = append(images, fmt.Appendf(nil, "image %d", i))
	}
	images[5] = []byte("text")
	images[7] = []byte(strings.Repeat("large", 15))
	got, err := c.ClassifyBatch(context.Background(), images, TopK(1))
	if err != nil || len(got) != 10 {
		t.Fatal(err)
	}
	for i, o := range got {
		switch {
		case i == 5:
			if !errors.Is(o.Err, ErrNotAnImage) || o.Result != nil {
				t.Errorf("image %d: %+v", i, o)
			}
		case o.Err != nil || i != 7 && o.Top().Label != string(images[i]):
			t.Errorf("image %d: %+v", i, o)
		}
	}
	if len(f.requests) != 4 { // 0-3, 4-6, 7, 8-9
		t.Errorf("sent %q", f.bodies)
	}
	for _, r := range f.requests {
		if r.URL.RawQuery != "top_k=1" || r.ContentLength < 1 {
			t.Errorf("%s, %d bytes", r.URL, r.ContentLength)
		}
	}
	if got, err := c.ClassifyBatch(context.Background(), nil); err != nil || len(got) != 0 {
		t.Errorf("of no images: %v, %v", got, err)
	}
}

// When a request fails, its images have the error, and the others their answers.
func TestBatchFailsInPart(t *testing.T) {
	f := func(says error, status int, body string) {
		t.Helper()
		fs := &fakeServer{answer: func(n int, req *http.Request) (int, string, string) {
			if b, _ := req.GetBody(); b != nil {
				if text, _ := io.ReadAll(b); strings.Contains(string(text), "image 2") {
					return status, "", body
				}
			}
			return listFor(n, req)
		}}
		got, err := open(t, fs, WithRequestLimits(2, 1000)).ClassifyBatch(context.Background(), [][]byte{
			[]byte("image 0"), []byte("image 1"), []byte("image 2"), []byte("image 3"),
		})
		if err == nil || says != nil && !errors.Is(err, says) {
			t.Errorf("got %v; want %v", err, says)
		}
		for i, o := range got {
			if (o.Err != nil) != (i > 1) || (o.Result == nil) != (i > 1) {
				t.Errorf("image %d: %+v", i, o)
			}
		}
	}
	f(ErrLoading, 503, `{"error":"Loading.","code":"loading"}`)
	f(ErrQueueFull, 503, `{"results":[`+busyAnswer+`,`+busyAnswer+`]}`)
	f(nil, 200, `{"results":[`+catAnswer+`]}`)
	f(nil, 200, `{"results":[{},{}]}`)
	f(nil, 200, `<html>`)
	f(nil, 502, `<html>`)
}
