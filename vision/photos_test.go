package vision

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Real photos say what drawn ones cannot: odd encoders, cameras' metadata, size. The list of what Pillow and timm make of them is
// written by testdata/make_goldens.py.
func TestPhotosEqualPillow(t *testing.T) {
	dir := os.Getenv("TORCHLIT_PHOTOS")
	if dir == "" {
		t.Skip("skipped: set TORCHLIT_PHOTOS to a folder of photos that `testdata/make_goldens.py <folder>` has listed")
	}
	needTurbo(t)
	list, err := os.Open(filepath.Join(dir, "pillow.sha256"))
	if err != nil {
		t.Fatal(err)
	}
	defer list.Close()
	p := &Preprocess{Width: 224, Height: 224, CropPct: 0.875, Std: [3]float32{1, 1, 1}}
	crop := make([]byte, p.Size())
	n, bad := 0, 0
	for lines := bufio.NewScanner(list); lines.Scan(); n++ {
		fields := strings.SplitN(lines.Text(), " ", 3)
		data, err := os.ReadFile(filepath.Join(dir, fields[2]))
		if err != nil {
			t.Fatal(err)
		}
		m, err := Decode(data, Limits{})
		if err == nil {
			err = p.Apply(m, PillowResizer, crop)
		}
		if err != nil || digest(m.Pix) != fields[0] || digest(crop) != fields[1] {
			bad++
			t.Errorf("%s differs from Pillow: %v", fields[2], err)
		}
		m.Release()
	}
	t.Logf("%d photos, %d differ", n, bad)
}

func digest(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}
