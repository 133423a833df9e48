package main

import (
	"log"
	"net"
	"net/http"
	"time"

	"go.uber.org/zap"
)

// serveProofs answers an authority that looks for its proof by plain HTTP, on ln, and returns what ends that. Without ln or ACME it does nothing.
func serveProofs(ln net.Listener, handler http.Handler, logger *zap.Logger) (stop func()) {
	if ln == nil || handler == nil {
		return func() {}
	}
	const patience = 10 * time.Second // nobody has a body to send, and answers are short
	s := &http.Server{
		Handler: handler, ReadTimeout: patience, WriteTimeout: patience, MaxHeaderBytes: 16 << 10,
		ErrorLog: log.New(zapLines{logger}, "", 0),
	}
	s.SetKeepAlivesEnabled(false)
	stop = serveAside(s, ln, "an authority's proofs by HTTP are no longer answered", logger)
	logger.Info("listening for proofs by HTTP", zap.Stringer("acme_http_addr", ln.Addr()))
	return stop
}

// zapLines logs the lines that net/http has to say, which are about single connections.
type zapLines struct{ log *zap.Logger }

func (l zapLines) Write(line []byte) (int, error) {
	l.log.Debug("connection", zap.ByteString("message", line))
	return len(line), nil
}
