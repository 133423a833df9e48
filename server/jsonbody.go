package server

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"math"

	"github.com/valyala/fastjson"
)

// jsonParsers are pooled: a parser keeps its copy of the body, and values point into that.
var jsonParsers fastjson.ParserPool

// maxJSONValues bounds the values of a body. A parsed one takes some hundred bytes, of "0," as well: without a bound the largest body would
// become gigabytes. Of what belongs into a body there are a few dozen.
const maxJSONValues = 10_000

// parseValues parses a body of at most maxJSONValues, and returns nil for what is no JSON, or more. p goes back to jsonParsers when its
// values are no longer used.
func parseValues(p *fastjson.Parser, body []byte) *fastjson.Value {
	values := 1
	for _, before := range []string{",", "[", "{"} { // each value but the first follows one of them; there may be more, in strings
		values += bytes.Count(body, []byte(before))
	}
	if values > maxJSONValues {
		return nil
	}
	v, err := p.ParseBytes(body)
	if err != nil {
		return nil
	}
	return v
}

// parseJSON reads {"image": "<base64>"} or {"images": ["<base64>", …]} with top_k, timeout_ms and priority. The images are
// decoded into buffers of u; nothing points into body afterwards.
func (u *upload) parseJSON(body []byte, lim limits) error {
	if err := lim.holds(3 * len(body)); err != nil { // the parser's copy, and the images
		return err
	}
	p := jsonParsers.Get()
	defer jsonParsers.Put(p)
	v := parseValues(p, body)
	if v == nil {
		return badRequest("bad_json", "The body is not valid JSON, or of thousands of values; send {\"image\": \"<base64>\"}.")
	}
	if v.Type() != fastjson.TypeObject {
		return badRequest("bad_json", "The body must be a JSON object such as {\"image\": \"<base64>\"}.")
	}
	for _, name := range []string{"top_k", "timeout_ms"} {
		if err := u.setJSONOption(name, v.Get(name), lim); err != nil {
			return err
		}
	}
	if p := v.Get("priority"); p != nil {
		text, _ := p.StringBytes() // none is no priority either
		if err := u.setPriority(string(text)); err != nil {
			return err
		}
	}
	one, many := v.Get("image"), v.Get("images")
	switch {
	case one != nil && many != nil:
		return badRequest("bad_json", "The body has both \"image\" and \"images\"; send one of them.")
	case one != nil:
		return u.addBase64(one, `"image"`)
	case many != nil:
		return u.addAll(many, lim)
	}
	return badRequest("no_image", "The JSON has no \"image\"; send {\"image\": \"<base64>\"} or {\"images\": [\"<base64>\", …]}.")
}

func (u *upload) setJSONOption(name string, v *fastjson.Value, lim limits) error {
	if v == nil {
		return nil
	}
	return u.setNumber(name, whole(v), lim)
}

// whole is the whole number that v is, and -1, which no option takes, if it is none. JSON does not tell 5.0 from 5.
func whole(v *fastjson.Value) int {
	f, err := v.Float64()
	if err != nil || f != math.Trunc(f) || math.Abs(f) > math.MaxInt32 {
		return -1
	}
	return int(f)
}

func (u *upload) addAll(v *fastjson.Value, lim limits) error {
	all, err := v.Array()
	if err != nil {
		return badRequest("bad_json", "\"images\" must be a list of base64 strings.")
	}
	if len(all) == 0 {
		return badRequest("no_image", "The list \"images\" is empty; send at least one.")
	}
	if len(all) > lim.images {
		return tooManyImages(len(all), lim.images)
	}
	for i, one := range all {
		if err := u.addBase64(one, fmt.Sprintf("\"images\"[%d]", i)); err != nil {
			return err
		}
	}
	u.list = true
	return nil
}

// addBase64 decodes one image.
func (u *upload) addBase64(v *fastjson.Value, where string) error {
	text, err := v.StringBytes()
	if err != nil {
		return badRequest("bad_json", where+" must be a string of base64.")
	}
	b := u.buffer()
	if b.B, err = appendImageText(b.B[:0], text); err != nil {
		return badRequest("bad_base64", where+" "+err.Error()+".")
	}
	if len(b.B) == 0 {
		return badRequest("empty_image", where+" is empty; send an image.")
	}
	u.images = append(u.images, b.B)
	return nil
}

// What appendImageText says of a text. These are for the client.
var (
	errNotBase64  = errors.New("is not valid base64")
	errNoDataInIt = errors.New("is a data: URL without base64; send its bytes as base64")
)

// appendImageText decodes an image that is text. It takes the standard and the URL alphabet, with or without padding and
// line breaks, and the "data:image/…;base64," that browsers put before it.
func appendImageText(dst, text []byte) ([]byte, error) {
	if bytes.HasPrefix(text, []byte("data:")) {
		_, after, found := bytes.Cut(text, []byte(";base64,"))
		if !found {
			return dst, errNoDataInIt
		}
		text = after
	}
	dst, err := appendBase64(dst, text)
	if err != nil {
		return dst, errNotBase64
	}
	return dst, nil
}

func appendBase64(dst, text []byte) ([]byte, error) {
	text = bytes.TrimRight(text, "=\r\n \t")
	enc := base64.RawStdEncoding
	if bytes.ContainsAny(text, "-_") {
		enc = base64.RawURLEncoding
	}
	return enc.AppendDecode(dst, text)
}
