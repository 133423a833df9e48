package dataset

import (
	"fmt"
	"math"
	"os"
	"strings"
)

// InMemory says whether decoded images are kept in memory.
type InMemory string

// The values of Options.InMemory.
const (
	// InMemoryAuto ("" too) keeps a set that fits Options.MaxBytes: as a *Set where
	// all images have one size, as a *Cache filled in the first epoch otherwise.
	InMemoryAuto InMemory = "auto"
	// InMemoryAlways is an error where the set does not fit.
	InMemoryAlways InMemory = "always"
	// InMemoryNever decodes each image each time. CIFAR is a *Set all the same.
	InMemoryNever InMemory = "never"
)

// need is the memory that a source's images take in bytes, and whether they have
// one size, as far as some of them tell.
func (o *Options) need(s Source) (bytes int64, uniform bool) {
	switch {
	case o.InMemory == InMemoryNever:
		return 0, false
	case o.Size > 0:
		return int64(s.Len()) * int64(o.Size) * int64(o.Size) * 3, true
	}
	return estimate(s)
}

// cache keeps a source in memory if it may.
func (o *Options) cache(path string, s Source, need int64) (Source, error) {
	switch {
	case o.InMemory == InMemoryNever || o.InMemory != InMemoryAlways && need > o.spare():
		return s, nil
	case o.InMemory == InMemoryAlways && need > o.maxBytes():
		return nil, fmt.Errorf("cannot hold data set %q in memory: %d images need some %d MB and the limit is %d MB; use a smaller size, or data.in_memory=auto",
			path, s.Len(), need>>20, o.maxBytes()>>20)
	}
	budget := o.spare()
	if o.InMemory == InMemoryAlways {
		budget = math.MaxInt64
	}
	c := NewCache(s, budget)
	c.expected = need
	return c, nil
}

// spare is the memory that images may take when nobody has asked for it.
func (o *Options) spare() int64 {
	if o.MaxBytes > 0 {
		return o.MaxBytes
	}
	return min(defaultMaxBytes, availableMemory()/2)
}

// availableMemory is what the system says that programs can still take, in bytes;
// 4 GiB where it does not say.
func availableMemory() int64 {
	data, err := os.ReadFile("/proc/meminfo")
	if err == nil {
		for line := range strings.Lines(string(data)) {
			var kb int64
			if n, _ := fmt.Sscanf(line, "MemAvailable: %d kB", &kb); n == 1 {
				return kb << 10
			}
		}
	}
	return 4 << 30
}

// shared is MaxBytes for a part where the others have left so much. Whoever asks for
// all in memory has said how much a part may take.
func (o *Options) shared(left int64) int64 {
	if o.InMemory == InMemoryAlways {
		return o.MaxBytes
	}
	return max(left, 1)
}

// holds is the memory that a source takes for pixels, or will in an epoch.
func holds(s Source) int64 {
	switch s := s.(type) {
	case *Set:
		return int64(len(s.Images))
	case *Cache:
		return s.expected
	}
	return 0
}

// estimate is the number of bytes of a source's pixels, by some of its images,
// evenly spread over it. uniform tells whether those have one size.
func estimate(source Source) (total int64, uniform bool) {
	const samples = 64
	n := source.Len()
	var sum, count int64
	width, height := 0, 0
	uniform = true
	for k := range min(samples, n) {
		img, err := source.Load(k * n / min(samples, n))
		if err != nil {
			continue // said by whoever needs the image
		}
		uniform = uniform && (count == 0 || img.Width == width && img.Height == height)
		width, height = img.Width, img.Height
		sum += int64(len(img.Pix))
		count++
		img.Release()
	}
	return sum * int64(n) / max(count, 1), uniform && count > 0
}
