package imageops

import (
	"slices"
	"testing"
)

// BenchmarkOperations changes a picture of ImageNet's training size.
func BenchmarkOperations(b *testing.B) {
	var names []string
	for name := range every {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		b.Run(name, func(b *testing.B) {
			m := noise(224, 224)
			b.ReportAllocs()
			for b.Loop() {
				every[name](m)
			}
		})
	}
	b.Run("kernel_blur", func(b *testing.B) {
		m := noise(224, 224)
		for b.Loop() {
			KernelBlur(m, 23, 1)
		}
	})
}
