package main

import (
	"bytes"
	"image"
	"image/color"
	"image/png"
	"testing"
)

func encode(t *testing.T, img image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestShrink(t *testing.T) {
	// A few colours stay as they are.
	few := image.NewRGBA(image.Rect(0, 0, 20, 20))
	// Of many, each is near.
	many := image.NewRGBA(image.Rect(0, 0, 200, 200))
	for y := range 200 {
		for x := range 200 {
			few.Set(x, y, color.RGBA{uint8(x % 3 * 90), uint8(y % 5 * 60), 7, 255})
			many.Set(x, y, color.RGBA{uint8(x), uint8(y), uint8(x / 2), 255})
		}
	}
	f := func(img image.Image, within int) {
		t.Helper()
		before := encode(t, img)
		after, err := shrink(before)
		if err != nil {
			t.Fatal(err)
		}
		got, err := png.Decode(bytes.NewReader(after))
		if err != nil {
			t.Fatal(err)
		}
		b := img.Bounds()
		for y := range b.Dy() {
			for x := range b.Dx() {
				was, is := rgbAt(img, x, y), rgbAt(got, x, y)
				for _, d := range []int{int(was.R) - int(is.R), int(was.G) - int(is.G), int(was.B) - int(is.B)} {
					if d > within || d < -within {
						t.Fatalf("at %d,%d %v became %v", x, y, was, is)
					}
				}
			}
		}
	}
	f(few, 0)
	f(many, 12)
	if _, err := shrink([]byte("no picture")); err == nil {
		t.Error("no picture was shrunk")
	}
}
