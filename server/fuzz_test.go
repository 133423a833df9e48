package server

import (
	"bytes"
	"encoding/json"
	"net/textproto"
	"testing"
	"time"
)

// Whatever the body, parse returns images within the limits or one apiError of status 4xx, and the error is valid JSON.
func FuzzUpload(f *testing.F) {
	img := pngOf(picture(2, 2, red))
	ct, body := form(map[string]string{"top_k": "3"}, img, []byte("x"))
	f.Add(ct, body)
	f.Add(ct, body[:len(body)-9])
	f.Add("multipart/form-data", body)
	f.Add("multipart/form-data; boundary=\"", body)
	f.Add("multipart/form-data; boundary=b", []byte("--b\r\nContent-Disposition: form-data; name=image; filename*=UTF-8''a\r\n\r\nx\r\n--b--"))
	f.Add("application/json", []byte(`{"image":"aGVsbG8=","top_k":3,"timeout_ms":100,"priority":"low"}`))
	f.Add("application/json", []byte(`{"images":["aGVsbG8","_-_-"],"top_k":1e9}`))
	f.Add("application/json", []byte(`{"image":"data:;base64,\u0061GVsbG8="}`))
	f.Add("application/ld+json;;", bytes.Repeat([]byte("["), 400))
	f.Add("", []byte(`{"`))
	f.Add("image/png", img)

	f.Fuzz(func(t *testing.T, contentType string, body []byte) {
		lim := limits{images: 4, timeout: time.Minute}
		u := &upload{topK: defaultTopK}
		defer u.release()
		err := u.parse(contentType, body, lim)
		if err != nil {
			e := public(err)
			if e.status < 400 || e.status > 499 || !json.Valid(appendError(nil, e)) {
				t.Fatalf("%+v for %q %q", e, contentType, body)
			}
			return
		}
		if len(u.images) == 0 || len(u.images) > lim.images || len(u.images) > 1 && !u.list {
			t.Fatalf("%d images, list %v", len(u.images), u.list)
		}
		if u.topK < 1 || u.timeout < 0 || u.timeout > lim.timeout {
			t.Fatalf("top_k %d, timeout %s", u.topK, u.timeout)
		}
	})
}

// An id that is sane can stand in a header and in JSON as it is.
func FuzzRequestID(f *testing.F) {
	for _, s := range []string{"a", "0190a3c2-7f00", "", "a b", "\"", "é", "a\r\nb", "\x00"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, id []byte) {
		if !saneRequestID(id) {
			return
		}
		if len(id) > maxRequestID || textproto.TrimString(string(id)) != string(id) || string(appendString(nil, string(id))) != `"`+string(id)+`"` {
			t.Fatalf("%q is not sane", id)
		}
	})
}
