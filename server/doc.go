// Package server answers HTTP: an image in, labels out.
//
// It knows nothing of tensors. Each model arrives as a [Model]: labels, a preprocessing recipe, and one function
// that takes the pixels of one image and returns the probability of each label, which in practice is (*batching.Batcher).Do. What the
// package does itself is everything around that call: it reads the three body forms, decodes images on a bounded
// set of workers, keeps each request's deadline, notices clients that leave, turns errors into statuses, counts,
// serves the upload page, and stops without losing a request.
//
// # Memory
//
// Whatever lives in a fasthttp.RequestCtx is valid only until the handler returns. So the handler never returns
// before every goroutine it started for the request has, and what outlives it (pixels handed to the batcher) is
// memory of our own.
//
// # Lifecycle
//
//	s, err := server.Open(server.Config{Addr: ":8080", Models: models})
//	err = s.Start()       // listens; serves in the background
//	err = s.Drain(ctx)    // not ready, grace time, stop accepting, finish, return
//	s.Close()             // releases what Open took; after a Drain nothing is cut off
package server
