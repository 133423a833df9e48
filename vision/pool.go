package vision

import (
	"fmt"
	"math/bits"
	"sync"
)

// A server that decodes 500 photos of 500x375 a second would hand the garbage collector 280 MB a second. So pixel memory goes
// round: Acquire takes it from a pool, Release puts it back. Releasing is never needed for correctness (an Image that is not
// released is collected like any other value), only for speed.
//
// Buffers are kept by size class, four classes an octave, so that a recycled buffer is at most a quarter larger than needed
// and one huge picture does not keep serving thumbnails. sync.Pool lets the collector take back what a quiet server no longer
// uses. Buffers above maxPooled are left to the collector: a few of them would outweigh everything else.
const (
	minClassBits = 12 // the smallest class is 4 KiB
	maxPooled    = 64 << 20
)

var pools [(26 - minClassBits + 1) * 4]sync.Pool // of *Image; class sizes run from 4 KiB to 112 MiB

// Acquire returns an Image of the given size from the pool. Its pixels hold anything: the caller writes all of them.
// It panics if a side is negative or the picture exceeds 2^40 pixels: sizes from outside are checked against Limits before.
func Acquire(width, height int) *Image {
	if width < 0 || height < 0 || uint64(width) > 1<<40 || uint64(height) > 1<<40 || (height > 0 && width > 1<<40/height) {
		panic(fmt.Sprintf("BUG: vision.Acquire(%d, %d)", width, height))
	}
	n := width * height * 3
	if n > maxPooled {
		return &Image{Width: width, Height: height, Pix: make([]byte, n)}
	}
	class := classAbove(n)
	m, _ := pools[class].Get().(*Image)
	if m == nil {
		m = &Image{Pix: make([]byte, classSize(class))}
	}
	m.Width, m.Height, m.Pix = width, height, m.Pix[:n]
	m.cutRight, m.cutBelow = 0, 0
	return m
}

// Release gives the pixel memory back for reuse. Neither m nor m.Pix may be touched afterwards, so only the last holder
// releases; a slice of Pix that went elsewhere counts as a holder. Releasing nil does nothing.
func (m *Image) Release() {
	if m == nil || len(m.Pix) == 0 {
		return // also catches a second Release, which would hand the same memory to two callers
	}
	m.held.release()
	pix := m.Pix
	m.Width, m.Height, m.Pix = 0, 0, pix[:0]
	if m.lent {
		return
	}
	if c := cap(pix); c >= classSize(0) && c <= maxPooled {
		pools[classBelow(c)].Put(m)
	}
}

// classSize is (4+q) << k for class 4k+q, in units of a quarter of the smallest class.
func classSize(class int) int { return (4 + class%4) << (class/4 + minClassBits - 2) }

// classBelow is the largest class whose size is at most n.
func classBelow(n int) int {
	k := bits.Len(uint(n)) - 1 // n is in [2^k, 2^(k+1))
	return (k-minClassBits)*4 + n>>(k-2)&3
}

// classAbove is the smallest class whose size is at least n.
func classAbove(n int) int {
	if n <= classSize(0) {
		return 0
	}
	class := classBelow(n)
	if classSize(class) < n {
		class++
	}
	return class
}
