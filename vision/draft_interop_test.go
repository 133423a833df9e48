//go:build interop

package vision

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/torchlit/torchlit/internal/interop"
)

// TestInteropDraft: a draft is, pixel by pixel, what Pillow makes after Image.draft.
func TestInteropDraft(t *testing.T) {
	needTurbo(t)
	python := interop.Python(t, "torch")
	script := filepath.Join(t.TempDir(), "draft.py")
	require.NoError(t, os.WriteFile(script, []byte(`
import sys
from PIL import Image
im = Image.open(sys.argv[1])
im.draft("RGB", (im.size[0] // int(sys.argv[2]), im.size[1] // int(sys.argv[2])))
im.convert("RGB").save(sys.argv[3])
`), 0o644))
	f := func(name string, scale, side int) {
		t.Helper()
		out := filepath.Join(t.TempDir(), "out.png")
		interop.Run(t, python, script, "testdata/"+name, string(rune('0'+scale)), out)
		data, err := os.ReadFile(out)
		require.NoError(t, err)
		want, err := Decode(data, Limits{})
		require.NoError(t, err)
		got, err := DecodeDraft(mustRead(t, name), Limits{}, side)
		require.NoError(t, err)
		require.Equal(t, []int{want.Width, want.Height}, []int{got.Width, got.Height})
		most, _ := distance(got.Pix, want.Pix)
		require.Zero(t, most, "%s at 1/%d", name, scale)
	}
	for _, name := range []string{"photo.jpg", "progressive_420.jpg", "baseline_422.jpg", "baseline_444.jpg"} {
		side := mustDecode(t, name)
		for _, scale := range []int{2, 4, 8} {
			f(name, scale, min(side.Width, side.Height)/scale)
		}
	}
}
