// The surroundings of the report in docs/source/evaluate.md.
package main

import (
	"fmt"
	"time"

	"github.com/torchlit/torchlit/evaluate"
	"github.com/torchlit/torchlit/report"
)

func write(labels []string, truth []int, probabilities, logits [][]float32) {
	// here
	fmt.Println(T, before, after, card, err)
}

func main() {}
