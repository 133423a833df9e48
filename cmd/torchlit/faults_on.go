//go:build faults

package main

import (
	"bytes"
	"encoding/hex"
	"os"
	"sync"

	"github.com/torchlit/torchlit/torch"
)

// faultPixel is the colour, as TORCHLIT_FAULT_SEGV has it in hexadecimal, of pictures that crash the process.
var faultPixel = sync.OnceValue(func() []byte {
	pixel, err := hex.DecodeString(os.Getenv("TORCHLIT_FAULT_SEGV"))
	if err != nil {
		panic(err)
	}
	return pixel
})

// injectFault crashes in native code when the image begins with eight pixels of that colour. Builds with the tag faults have it, to
// test what is left then.
func injectFault(image []byte) {
	if p := faultPixel(); len(p) == 3 && bytes.HasPrefix(image, bytes.Repeat(p, 8)) {
		torch.Crash()
	}
}
