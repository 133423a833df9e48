// The surroundings of the loader in docs/source/data.md.
package main

import (
	"context"
	"fmt"

	"github.com/torchlit/torchlit/dataset"
)

func read(ctx context.Context, transform dataset.Transform, seed uint64, epoch, batch int) {
	// here
	fmt.Println(stats, tolerance, err)
}

func main() {}
