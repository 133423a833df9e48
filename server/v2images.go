package server

import (
	"fmt"
	"slices"

	"github.com/torchlit/torchlit/server/oip"
)

// imagesOf finds the images in a request's one input. They point into the request. The list is in the memory of room if that holds it.
func (m *served) imagesOf(inputs []oip.Tensor, room [][]byte) ([][]byte, encoding, error) {
	if len(inputs) != 1 {
		return nil, 0, badRequest("bad_inputs", fmt.Sprintf("The request has %d inputs; model %q takes one, %q or %q.", len(inputs), m.Name, v2Input, v2Image))
	}
	t := &inputs[0]
	if t.Name == "" { // a raw binary request: the bytes tell
		return append(room, t.Raw), m.guess(t.Raw), nil
	}
	enc, ok := m.encodingOf(t)
	switch {
	case !ok:
		return nil, 0, badRequest("bad_inputs", fmt.Sprintf("Model %q has no input %q of %s %v; it takes %s.", m.Name, clip(t.Name), clip(string(t.Datatype)), t.Shape, m.inputsInWords()))
	case t.Shape[0] == 0:
		return nil, 0, badRequest("no_images", fmt.Sprintf("Input %q holds no image: its first size is 0.", t.Name))
	case enc == encoded && t.Text:
		images, err := imagesOfText(t.Elements)
		return images, enc, err
	case enc == encoded:
		return t.Elements, enc, nil
	}
	return cut(t.Raw, int(t.Shape[0]), room), enc, nil
}

// encodingOf tells by a tensor's name, datatype and shape how its images come.
func (m *served) encodingOf(t *oip.Tensor) (_ encoding, ok bool) {
	h, w := int64(m.Preprocess.Height), int64(m.Preprocess.Width)
	if t.Name == v2Image {
		return encoded, t.Datatype == oip.Bytes && (fits(t.Shape, -1) || fits(t.Shape, -1, 1))
	}
	if t.Name != v2Input {
		return 0, false
	}
	switch t.Datatype {
	case oip.Uint8:
		return pixels, fits(t.Shape, -1, h, w, 3)
	case oip.FP32:
		return planes, fits(t.Shape, -1, 3, h, w)
	case oip.FP16:
		return halves, fits(t.Shape, -1, 3, h, w)
	case oip.BF16:
		return brains, fits(t.Shape, -1, 3, h, w)
	}
	return 0, false
}

func (m *served) inputsInWords() string {
	h, w := m.Preprocess.Height, m.Preprocess.Width
	return fmt.Sprintf("%q UINT8 [N,%d,%d,3], or FP32, FP16 or BF16 [N,3,%d,%d]; or %q BYTES [N]", v2Input, h, w, h, w, v2Image)
}

// fits compares a shape; -1 is any size.
func fits(shape []int64, want ...int64) bool {
	if len(shape) != len(want) {
		return false
	}
	for i, w := range want {
		if w >= 0 && shape[i] != w {
			return false
		}
	}
	return true
}

// guess tells what a raw binary request holds: a tensor has exactly one of two lengths.
func (m *served) guess(raw []byte) encoding {
	switch size := m.Preprocess.Width * m.Preprocess.Height * 3; len(raw) {
	case size:
		return pixels
	case 4 * size:
		return planes
	}
	return encoded
}

// cut parts a tensor into n images.
func cut(raw []byte, n int, room [][]byte) [][]byte {
	images, size := slices.Grow(room, n), len(raw)/n
	for i := range n {
		images = append(images, raw[i*size:(i+1)*size])
	}
	return images
}

// imagesOfText decodes images that came in JSON, whose strings cannot hold an image's bytes: as base64, as KServe has it.
func imagesOfText(elements [][]byte) ([][]byte, error) {
	size := 0
	for _, e := range elements {
		size += len(e)*3/4 + 1
	}
	all, images := make([]byte, 0, size), make([][]byte, len(elements))
	for i, e := range elements {
		start := len(all)
		var err error
		if all, err = appendImageText(all, e); err != nil {
			return nil, badRequest("bad_base64", fmt.Sprintf("Image %d of the request %s. In JSON an image is base64; as binary data it goes as it is.", i, err))
		}
		images[i] = all[start:len(all):len(all)]
	}
	return images, nil
}
