package vision

import (
	"os"
	"path/filepath"
	"testing"
)

// TestSizeIsThatOfTheDecodedPicture: for every file of the tests that can be decoded.
func TestSizeIsThatOfTheDecodedPicture(t *testing.T) {
	seen := map[string]bool{}
	err := filepath.WalkDir("testdata", func(name string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		m, err := Decode(data, Limits{})
		if err != nil {
			return nil
		}
		defer m.Release()
		w, h, ok := Size(data)
		if !ok || w != m.Width || h != m.Height {
			t.Errorf("%s: got %d x %d, %v; it is decoded to %d x %d", name, w, h, ok, m.Width, m.Height)
		}
		seen[sniff(data)] = true
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, format := range []string{"JPEG", "PNG", "GIF", "WebP", "BMP"} {
		if !seen[format] {
			t.Errorf("no %s was tried", format)
		}
	}
	for _, data := range [][]byte{nil, []byte("text"), []byte("\xff\xd8\xff"), []byte("\x89PNG\r\n\x1a\n"), []byte("GIF89a"), []byte("RIFF0000WEBP")} {
		if w, h, ok := Size(data); ok {
			t.Errorf("%q: got %d x %d", data, w, h)
		}
	}
}
