package predlog

import (
	"bytes"
	"image/png"
	"testing"

	"github.com/torchlit/torchlit/monitor"
)

// TestPictures: the newest come first, with their labels; those of other versions, of shadows, and answers without a picture do not.
func TestPictures(t *testing.T) {
	onEach(t, testPictures)
}

func testPictures(t *testing.T, cfg Config) {
	cfg.Pictures, cfg.Vectors = 1, 1
	l := open(t, cfg)
	for n := range 10 {
		a := answerTo(n)
		if n != 8 {
			a.Picture = &monitor.Picture{Width: 2, Height: 1, Pixels: []byte{byte(n), 0, 0, 0, 0, 0}}
		}
		a.Shadow = n == 7
		if n == 6 {
			a.Version = "2"
		}
		l.Record(a)
	}
	label(t, l, "r9", "dog")
	mustClose(t, l)
	r, err := l.OpenReader(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	all, err := r.Pictures(t.Context(), Filter{Model: "pets", Version: "1"}, 3)
	if err != nil || len(all) != 3 {
		t.Fatalf("got %d, %v", len(all), err)
	}
	for i, n := range []byte{9, 5, 4} {
		s := all[i]
		if err := whole(s); err != nil {
			t.Fatal(err)
		}
		img, err := png.Decode(bytes.NewReader(s.PNG))
		if err != nil {
			t.Fatal(err)
		}
		if red, _, _, _ := img.At(0, 0).RGBA(); byte(red>>8) != n || s.RequestID != answerTo(int(n)).RequestID {
			t.Errorf("picture %d is %s with red %d; want %d", i, s.RequestID, red>>8, n)
		}
	}
	if all[0].TrueClass != 1 || all[1].TrueClass != -1 {
		t.Errorf("true classes are %d and %d", all[0].TrueClass, all[1].TrueClass)
	}
	if all, err := r.Pictures(t.Context(), Filter{Model: "nobody"}, 3); err != nil || len(all) != 0 {
		t.Errorf("got %d, %v", len(all), err)
	}
}
