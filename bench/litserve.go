package bench

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// placeholder is what a template has in the image's place.
const placeholder = "{{image}}"

// openLitServe makes a target of a JSON API like LitServe's: POST /predict, or the address's own path, with the images in base64.
func openLitServe(o Options) (Target, error) {
	u, err := o.address()
	if err != nil {
		return nil, err
	}
	t, err := openHTTP(o, u)
	if err != nil {
		return nil, err
	}
	path := u.EscapedPath()
	if path == "" {
		path = "/predict"
	}
	before, after, err := o.template()
	if err != nil {
		return nil, err
	}
	var payloads []payload
	for group := range groups(o.Images.Files, o.Batch) {
		payloads = append(payloads, payload{body: appendBase64([]byte(before), group, after)})
	}
	uri := u.Scheme + "://" + u.Host + path
	if u.RawQuery != "" {
		uri += "?" + u.RawQuery
	}
	t.send(uri, "application/json", payloads)
	return t, nil
}

// template returns what goes before the image and behind it.
func (o *Options) template() (before, after string, err error) {
	text := o.Template
	if text == "" {
		name, err := json.Marshal(o.Field)
		if err != nil {
			return "", "", fmt.Errorf("cannot use the field %q: %w", o.Field, err)
		}
		text = "{" + string(name) + ":" + placeholder + "}"
	}
	before, after, ok := strings.Cut(text, placeholder)
	if !ok {
		return "", "", fmt.Errorf("the template %q has no %s", text, placeholder)
	}
	if !json.Valid([]byte(before + `"x"` + after)) {
		return "", "", errors.New("the template is no JSON once " + placeholder + " is replaced by a string; do not put it in quotes")
	}
	return before, after, nil
}

// appendBase64 adds a string, or a list of them for several images.
func appendBase64(out []byte, images [][]byte, after string) []byte {
	if len(images) > 1 {
		out = append(out, '[')
	}
	for i, image := range images {
		if i > 0 {
			out = append(out, ',')
		}
		out = append(out, '"')
		out = base64.StdEncoding.AppendEncode(out, image)
		out = append(out, '"')
	}
	if len(images) > 1 {
		out = append(out, ']')
	}
	return append(out, after...)
}
