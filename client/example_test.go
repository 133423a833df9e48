package client_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/torchlit/torchlit/client"
)

// photos stands in for a server and its photos.
func photos(status int, body string) (url string, photo []byte, stop func()) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "2")
		w.WriteHeader(status)
		fmt.Fprint(w, body)
	}))
	return srv.URL, []byte("…"), srv.Close
}

func ExampleClient_Classify() {
	url, photo, stop := photos(200, `{"model":"cifar10-resnet18","version":"1","predictions":[{"label":"cat","index":3,"probability":0.93}]}`)
	defer stop()

	c, err := client.New(url)
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second) // the server hears of it, too
	defer cancel()
	result, err := c.Classify(ctx, photo, client.TopK(3))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(result.Model, result.Top().Label, result.Top().Probability)
	// Output: cifar10-resnet18 cat 0.93
}

func ExampleClient_ClassifyBatch() {
	url, photo, stop := photos(200, `{"results":[{"predictions":[{"label":"cat"}]},{"error":"This is no image.","code":"not_an_image"}]}`)
	defer stop()

	c, err := client.New(url)
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	outcomes, err := c.ClassifyBatch(context.Background(), [][]byte{photo, []byte("hello")})
	if err != nil {
		log.Fatal(err) // not about an image: no connection, no such model, a refusal
	}
	for i, o := range outcomes {
		if o.Err != nil {
			fmt.Println(i, o.Err)
			continue
		}
		fmt.Println(i, o.Top().Label)
	}
	// Output:
	// 0 cat
	// 1 server: This is no image
}

func ExampleError() {
	url, photo, stop := photos(503, `{"error":"The server is busy: its queue is full.","code":"queue_full"}`)
	defer stop()

	c, err := client.New(url) // with client.WithRetry(client.Retry{Attempts: 5}) it would come again by itself
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	_, err = c.Classify(context.Background(), photo)
	var refused *client.Error
	switch {
	case errors.Is(err, client.ErrNotAnImage):
		fmt.Println("send a photo")
	case errors.As(err, &refused) && refused.RetryAfter > 0:
		fmt.Println(refused.Code, "- come again in", refused.RetryAfter)
	}
	// Output: queue full - come again in 2s
}
