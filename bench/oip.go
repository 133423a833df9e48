package bench

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
)

// tensorMetadata describes an input, as a server of the Open Inference Protocol does.
type tensorMetadata struct {
	Name     string  `json:"name"`
	Datatype string  `json:"datatype"`
	Shape    []int64 `json:"shape"`
}

// oipInput is the one input of a request, without the request around it.
type oipInput struct {
	tensorMetadata          // the shape with the batch, if the model has one
	contents       [][]byte // of each distinct request: the raw tensor
}

// datatypes of our inputs.
var datatypes = map[string]string{Image: "BYTES", Pixels: "UINT8", Tensor: "FP32"}

// noiseLimit is the number of distinct requests where the images are noise: no server looks at them closely.
const noiseLimit = 16

// oipInput picks the model's input and makes what is to be sent for it.
func (o *Options) oipInput(inputs []tensorMetadata) (*oipInput, error) {
	in, err := o.pickInput(inputs)
	if err != nil {
		return nil, err
	}
	if o.Input == Image {
		for group := range groups(o.Images.Files, o.Batch) {
			var raw []byte
			for _, image := range group {
				raw = binary.LittleEndian.AppendUint32(raw, uint32(len(image)))
				raw = append(raw, image...)
			}
			in.contents = append(in.contents, raw)
		}
		return in, nil
	}
	images, err := o.tensors(in)
	if err != nil {
		return nil, err
	}
	for group := range groups(images, o.Batch) {
		in.contents = append(in.contents, slices.Concat(group...))
	}
	return in, nil
}

// pickInput finds the input that takes what is to be sent, and its shape.
func (o *Options) pickInput(inputs []tensorMetadata) (*oipInput, error) {
	want := datatypes[o.Input]
	at := slices.IndexFunc(inputs, func(t tensorMetadata) bool { return t.Datatype == want })
	if at < 0 && o.Input == Pixels {
		// Torchlit takes the pixels by the name of its floats, and lists one datatype of an input.
		if at = slices.IndexFunc(inputs, func(t tensorMetadata) bool { return t.Datatype == "FP32" && len(t.Shape) == 4 && t.Shape[1] == 3 }); at >= 0 {
			t := inputs[at]
			inputs[at] = tensorMetadata{t.Name, want, []int64{t.Shape[0], t.Shape[2], t.Shape[3], 3}}
		}
	}
	if at < 0 {
		return nil, fmt.Errorf("the model has no input of %s, which %s would be; it has %s", want, o.Input, inWords(inputs))
	}
	t := inputs[at]
	shape := slices.Clone(t.Shape)
	rank := 3
	if o.Input == Image {
		rank = 0
	}
	if o.Shape != nil && o.Input != Image {
		shape = append([]int64{-1}, o.Shape...)
	}
	// The first of one size more than an image has, or of a size that is left open, is the batch.
	batched := len(shape) > rank && (shape[0] < 0 || len(shape) == rank+1)
	switch {
	case batched:
		shape[0] = int64(o.Batch)
	case o.Batch > 1:
		return nil, fmt.Errorf("input %q of %v takes one image a request", t.Name, t.Shape)
	}
	for i, n := range shape {
		if n > 0 || i == 0 && batched {
			continue
		}
		if o.Input == Image {
			shape[i] = 1
			continue
		}
		return nil, fmt.Errorf("the model does not say how large its input %q is, %v: give the shape of an image", t.Name, t.Shape)
	}
	return &oipInput{tensorMetadata: tensorMetadata{t.Name, t.Datatype, shape}}, nil
}

func inWords(inputs []tensorMetadata) string {
	var words []string
	for _, t := range inputs {
		words = append(words, fmt.Sprintf("%q %s %v", t.Name, t.Datatype, t.Shape))
	}
	if words == nil {
		return "none"
	}
	return strings.Join(words, ", ")
}

// tensors makes raw tensors of one image each: of the images if they can be decoded, else of noise.
func (o *Options) tensors(in *oipInput) ([][]byte, error) {
	dims := in.Shape[max(0, len(in.Shape)-3):]
	elements := 1
	for _, n := range dims {
		elements *= int(n)
	}
	if elements > bytesLimit/4 {
		return nil, fmt.Errorf("an image of %v is too large to be sent", dims)
	}
	if o.Decode == nil || len(o.Images.Files) == 0 {
		return noise(o.Input, elements, o.Seed), nil
	}
	height, width, channels := dims[0], dims[1], dims[2]
	if o.Input == Tensor {
		channels, height, width = dims[0], dims[1], dims[2]
	}
	if len(dims) != 3 || channels != 3 {
		return nil, fmt.Errorf("images cannot be made an input of %v; send noise", in.Shape)
	}
	var out [][]byte
	size := 0
	for i, f := range o.Images.Files {
		pixels, err := o.Decode(f, int(height), int(width))
		if err != nil {
			return nil, fmt.Errorf("cannot decode image %d of %s: %w", i, o.Images.About, err)
		}
		if len(pixels) != elements {
			return nil, errors.New("the decoder made an image of another size")
		}
		if o.Input == Tensor {
			pixels = planes(pixels)
		}
		out = append(out, pixels)
		if size += len(pixels); size > bytesLimit/2 {
			break
		}
	}
	return out, nil
}

// planes makes [3,H,W] float32, about as large as ImageNet's normalisation makes them, of [H,W,3] bytes.
func planes(pixels []byte) []byte {
	n := len(pixels) / 3
	out := make([]byte, 4*len(pixels))
	for i, p := range pixels {
		v := (float32(p)/255 - 0.45) / 0.225
		binary.LittleEndian.PutUint32(out[4*(i%3*n+i/3):], math.Float32bits(v))
	}
	return out
}

func noise(input string, elements int, seed uint64) [][]byte {
	random := rand.New(rand.NewPCG(seed, 0x6e6f6973))
	out := make([][]byte, noiseLimit)
	for i := range out {
		pixels := make([]byte, elements)
		for j := range pixels {
			pixels[j] = byte(random.Uint32())
		}
		if input == Tensor {
			pixels = floats(pixels)
		}
		out[i] = pixels
	}
	return out
}

// floats is planes of an image of any shape.
func floats(pixels []byte) []byte {
	out := make([]byte, 0, 4*len(pixels))
	for _, p := range pixels {
		out = binary.LittleEndian.AppendUint32(out, math.Float32bits((float32(p)/255-0.45)/0.225))
	}
	return out
}
