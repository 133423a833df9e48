// The surroundings of a few lines about tensors.
package main

import (
	"fmt"

	"github.com/torchlit/torchlit/torch"
)

func main() {
	// here
}
