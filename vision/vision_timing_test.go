package vision

import (
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
)

func BenchmarkDecode(b *testing.B) {
	f := func(name, file string, decode func([]byte) (*Image, error)) {
		b.Run(name, func(b *testing.B) {
			data := mustRead(b, file)
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					m, err := decode(data)
					if err != nil {
						b.Error(err)
						return
					}
					m.Release()
				}
			})
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "images/s")
		})
	}
	decode := func(data []byte) (*Image, error) { return Decode(data, Limits{}) }
	if HasTurboJPEG() {
		f("jpeg-turbo", "photo.jpg", decode)
	}
	f("jpeg-go", "photo.jpg", decodeJPEGGo)
	f("png", "landscape.png", decode)
	f("webp", "lossy_even.webp", decode)
}

// BenchmarkDecodePhotos decodes the JPEG files of a folder, in turns: what a server that is
// sent photos like these cannot exceed.
func BenchmarkDecodePhotos(b *testing.B) {
	names, _ := filepath.Glob(filepath.Join(os.Getenv("TORCHLIT_PHOTOS"), "*.jpg"))
	if len(names) == 0 {
		b.Skip("TORCHLIT_PHOTOS names no folder with JPEG files")
	}
	var photos [][]byte
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			b.Fatal(err)
		}
		photos = append(photos, data)
	}
	var next atomic.Int64
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			m, err := Decode(photos[int(next.Add(1))%len(photos)], Limits{})
			if err != nil {
				b.Error(err)
				return
			}
			m.Release()
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "images/s")
}

// BenchmarkPreprocess takes a decoded photo to 224 x 224.
func BenchmarkPreprocess(b *testing.B) {
	f := func(name string, resize Resizer) {
		b.Run(name, func(b *testing.B) {
			src := mustDecode(b, "photo.jpg")
			p := &Preprocess{Width: 224, Height: 224, Std: [3]float32{1, 1, 1}}
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				dst := make([]byte, p.Size())
				for pb.Next() {
					if err := p.Apply(src, resize, dst); err != nil {
						b.Error(err)
						return
					}
				}
			})
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "images/s")
		})
	}
	f("pillow", PillowResizer)
	f("nfnt", NfntResizer)
}
