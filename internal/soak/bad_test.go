package soak

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"net/http"
	"strings"
	"time"
)

// checkError: the status, and a body that says why.
func checkError(r reply, status int, code string) error {
	var e struct{ Error, Code string }
	if err := json.Unmarshal(r.body, &e); err != nil {
		return fmt.Errorf("status %d with %.100q, which is no JSON", r.status, r.body)
	}
	if r.status != status || e.Code != code || e.Error == "" {
		return fmt.Errorf("got status %d, %+v; want %d, %s", r.status, e, status, code)
	}
	return nil
}

// bomb is a PNG of sixty bytes that claims 400 million pixels.
func bomb() []byte {
	chunk := func(name string, data []byte) []byte {
		b := binary.BigEndian.AppendUint32(nil, uint32(len(data)))
		b = append(append(b, name...), data...)
		return binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b[4:]))
	}
	head := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, 20000), 20000)
	png := append([]byte("\x89PNG\r\n\x1a\n"), chunk("IHDR", append(head, 8, 2, 0, 0, 0))...)
	return append(append(png, chunk("IDAT", []byte{0x78, 0x9c, 3, 0, 0, 0, 0, 1})...), chunk("IEND", nil)...)
}

// bad are the kinds that cannot be answered with labels.
func (m *maker) bad() []kind {
	f := func(name string, weight, status int, code string, data ...[]byte) kind {
		var pool []canned
		for _, d := range data {
			method, _, _ := strings.Cut(string(d[:8]), " ")
			pool = append(pool, canned{method, d, func(r reply) error { return checkError(r, status, code) }})
		}
		return fromPool(name, weight, pool)
	}
	v1 := func(contentType string, body []byte) []byte { return post(m.target().path, contentType, body) }
	p := m.of("image/jpeg")
	infer := "/v2/models/" + small + "/infer"
	return []kind{
		f("broken JPEG", 15, 422, "cannot_decode", m.broken()...),
		f("no image", 10, 415, "not_an_image", v1("image/jpeg", []byte("a text")), v1("image/png", []byte("<svg></svg>"))),
		f("nothing", 5, 400, "empty_body", v1("image/jpeg", nil)),
		f("bomb", 6, 413, "too_many_pixels", v1("image/png", bomb())),
		f("wrong JSON", 8, 400, "bad_json", v1("application/json", []byte(`{"image": `)), v1("application/json", []byte(`[1`))),
		f("JSON without an image", 4, 400, "no_image", v1("application/json", []byte(`{"picture": "x"}`))),
		f("wrong base64", 5, 400, "bad_base64", v1("application/json", []byte(`{"image": "!!!"}`))),
		f("wrong form", 5, 400, "bad_form", v1("multipart/form-data; boundary=x", []byte("--x\r\nno form"))),
		f("wrong top_k", 5, 400, "bad_top_k", post("/v1/classify?top_k=0", p.kind, p.data)),
		f("unknown model", 8, 404, "model_not_found", post("/v1/models/nobody/classify", p.kind, p.data), bare("GET", "/v1/models/nobody")),
		f("unknown address", 6, 404, "not_found", bare("GET", "/v1/nothing"), bare("GET", "/../../etc/passwd")),
		f("wrong method", 8, 405, "method_not_allowed", bare("GET", "/v1/classify"), post("/metrics", "text/plain", nil), bare("DELETE", "/v1/models")),
		f("large headers", 5, 431, "headers_too_large", bare("GET", "/healthz", "X-Long: "+strings.Repeat("x", 20<<10))),
		f("no HTTP", 5, 400, "bad_request", []byte("GET / FTP/1.1 what\r\nnonsense\r\n\r\n")),
		f("wrong tensor", 8, 400, "bad_tensor", post(infer, "application/json", []byte(`{"inputs":[{"name":"input","datatype":"UINT8","shape":[1,8,8,3],"data":[1,2]}]}`))),
		{name: "large body", weight: 4, do: tooLarge},
		{name: "no time", weight: 10, do: func(c *client) (int, error) { return noTime(c, m) }},
	}
}

// broken are JPEGs that end in their middle.
func (m *maker) broken() [][]byte {
	var all [][]byte
	for range 10 {
		p := m.of("image/jpeg")
		all = append(all, post(m.target().path, p.kind, p.data[:len(p.data)/3]))
	}
	return all
}

// tooLarge announces more than may be sent. The reply comes before the body, and then the connection ends.
func tooLarge(c *client) (int, error) {
	c.close()
	r, err := c.ask(http.MethodPost, []byte("POST /v1/classify HTTP/1.1\r\nHost: soak\r\nContent-Length: 40000000\r\n\r\nbegun"))
	if err != nil {
		return 0, err
	}
	c.close()
	return r.status, checkError(r, 413, "body_too_large")
}

// noTime has a deadline that can seldom be met.
func noTime(c *client, m *maker) (int, error) {
	p, to := c.load.pictures[c.rnd.IntN(len(c.load.pictures))], targets[c.rnd.IntN(len(targets))]
	r, err := c.ask(http.MethodPost, post(fmt.Sprintf("%s?timeout_ms=%d", to.path, 1+c.rnd.IntN(5)), p.kind, p.data))
	switch {
	case err != nil:
		return 0, err
	case r.status == 504:
		return 504, checkError(r, 504, "deadline_exceeded")
	case r.status == 503:
		return 503, checkError(r, 503, "queue_full")
	}
	return r.status, checkSingle(r, p, to, 5)
}

// moment is a time in which a request may just begin to be answered.
func (c *client) moment() time.Duration {
	return time.Duration(c.rnd.Int64N(int64(8 * time.Millisecond)))
}
