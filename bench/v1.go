package bench

import (
	"bytes"
	"fmt"
	"mime/multipart"
	"net/url"
)

// openV1 makes a target of Torchlit's own API: an image as the body, or several as a form.
func openV1(o Options) (Target, error) {
	u, err := o.address()
	if err != nil {
		return nil, err
	}
	t, err := openHTTP(o, u)
	if err != nil {
		return nil, err
	}
	path := "/v1/classify"
	if o.Model != "" {
		path = "/v1/models/" + url.PathEscape(o.Model) + "/classify"
	}
	uri := u.Scheme + "://" + u.Host + u.EscapedPath() + path
	t.deadline = o.Deadline
	if o.Batch == 1 {
		var payloads []payload
		for _, f := range o.Images.Files {
			payloads = append(payloads, payload{body: f})
		}
		t.send(uri, "application/octet-stream", payloads)
		return t, nil
	}
	payloads, contentType := forms(o.Images.Files, o.Batch)
	t.send(uri, contentType, payloads)
	t.broken = func(body []byte) int { return bytes.Count(body, []byte(`"error":`)) }
	return t, nil
}

// boundary parts the files of a form. It is the same in all, so that they have the same Content-Type.
const boundary = "torchlit-bench-7d0c6a1f9b3e4c58"

func forms(files [][]byte, batch int) ([]payload, string) {
	var out []payload
	for group := range groups(files, batch) {
		var b bytes.Buffer
		w := multipart.NewWriter(&b)
		if err := w.SetBoundary(boundary); err != nil {
			panic("BUG: " + err.Error())
		}
		for i, f := range group {
			part, err := w.CreateFormFile("image", fmt.Sprintf("%d", i))
			if err == nil {
				_, err = part.Write(f)
			}
			if err != nil {
				panic("BUG: " + err.Error()) // a buffer takes everything
			}
		}
		w.Close()
		out = append(out, payload{body: b.Bytes()})
	}
	return out, "multipart/form-data; boundary=" + boundary
}

// groups yields what the requests carry: each begins where the one before ended, until every item has begun a request or they
// are together as large as the images may be.
func groups(items [][]byte, batch int) func(yield func([][]byte) bool) {
	return func(yield func([][]byte) bool) {
		size := 0
		for i := range items {
			group := make([][]byte, batch)
			for j := range group {
				group[j] = items[(i*batch+j)%len(items)]
				size += len(group[j])
			}
			if !yield(group) || size > bytesLimit {
				return
			}
		}
	}
}
