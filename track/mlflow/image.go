package mlflow

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"image"
	"image/png"
	"strings"

	"golang.org/x/image/draw"

	"github.com/torchlit/torchlit/track"
)

// thumbnailSide is the longest side of the small picture, in pixels: that of the
// Python client.
const thumbnailSide = 256

// image stores a picture the way MLflow's pages look for it: in full and small, under
// names that hold the key, step and time, with a tag that says there are pictures
// (mlflow.log_image with key and step). The caption has no place there.
func (s *sink) image(ctx context.Context, e *track.Event) error {
	small, err := thumbnail(e.PNG)
	if err != nil {
		return track.Refuse(fmt.Errorf("cannot upload picture %q: %w", e.Name, err))
	}
	// An id of the picture itself: when it comes twice it is stored once.
	id := sha256.Sum256(fmt.Appendf(nil, "%s %d %d", e.Name, e.Step, e.Time))
	key := strings.ReplaceAll(cleanName(e.Name), "/", "~")
	name := fmt.Sprintf("images/%s+step+%d+timestamp+%d+%s", strings.ReplaceAll(key, ":", "_"), e.Step, e.Time, hex.EncodeToString(id[:16]))
	if err := s.put(ctx, bytes.NewReader(e.PNG), int64(len(e.PNG)), name+".png"); err != nil {
		return err
	}
	if err := s.put(ctx, bytes.NewReader(small), int64(len(small)), name+"+compressed.png"); err != nil {
		return err
	}
	return s.batch(ctx, map[string]any{"tags": []keyValue{{"mlflow.loggedImages", "True"}}})
}

// thumbnail returns an encoded picture no larger than thumbnailSide: itself if it is
// that small.
func thumbnail(encoded []byte) ([]byte, error) {
	full, err := png.Decode(bytes.NewReader(encoded))
	if err != nil {
		return nil, err
	}
	width, height := full.Bounds().Dx(), full.Bounds().Dy()
	longest := max(width, height)
	if longest <= thumbnailSide {
		return encoded, nil
	}
	small := image.NewNRGBA(image.Rect(0, 0, max(1, width*thumbnailSide/longest), max(1, height*thumbnailSide/longest)))
	draw.ApproxBiLinear.Scale(small, small.Bounds(), full, full.Bounds(), draw.Src, nil)
	var b bytes.Buffer
	if err := png.Encode(&b, small); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}
