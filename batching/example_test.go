package batching_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/torchlit/torchlit/batching"
)

// shouter answers a batch of words in capitals. A real Runner would own a model and its staging buffers.
type shouter struct{}

func (shouter) Run(in, out []string) error {
	for i, word := range in {
		out[i] = strings.ToUpper(word)
	}
	return nil
}

func (shouter) Close() {}

func Example() {
	b, err := batching.Open(batching.Config[string, string]{
		NewRunner: func(int) (batching.Runner[string, string], error) { return shouter{}, nil },
		MaxBatch:  8,
	})
	if err != nil {
		panic(err)
	}
	defer b.Close()

	words := []string{"a", "jpeg", "in", "a", "label", "out"}
	answers := make([]string, len(words))
	var wg sync.WaitGroup
	for i, word := range words {
		wg.Go(func() {
			ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
			defer cancel()
			res, err := b.Do(ctx, word)
			if err != nil {
				panic(err)
			}
			answers[i] = res.Value
		})
	}
	wg.Wait()
	fmt.Println(strings.Join(answers, " "))
	// Output: A JPEG IN A LABEL OUT
}
