package main

import (
	"fmt"

	"github.com/torchlit/torchlit/server"
)

// limit puts the limits into cfg.
func (s *serveSettings) limit(cfg *server.Config) {
	cfg.MaxBodyBytes = s.MaxBodyBytes
	cfg.MaxPixels = s.MaxPixels
	cfg.MaxImagesPerRequest = s.MaxImages
	cfg.MaxDecodeQueue = s.MaxDecodeQueue
	cfg.MaxHeaderBytes = s.MaxHeaderBytes
	cfg.MaxConns = s.MaxConns
	cfg.MaxConnsPerClient = s.MaxConnsPerClient
	cfg.BodyMemory = int64(s.BodyMemory)
	cfg.DecodeMemory = int64(s.DecodeMemory)
	cfg.HeaderTimeout = min(s.HeaderTimeout, s.ReadTimeout)
	cfg.ReadTimeout = s.ReadTimeout
	cfg.MinUploadRate = s.MinUploadRate
	cfg.WriteTimeout = s.WriteTimeout
	cfg.IdleTimeout = s.IdleTimeout
	cfg.MaxTimeout = s.MaxTimeout
}

// checkLimits finds a limit that would let nothing through.
func (s *serveSettings) checkLimits() error {
	for _, l := range []struct {
		flag   string
		v, min int64
	}{
		{"max-body-bytes", int64(s.MaxBodyBytes), 1}, {"max-pixels", int64(s.MaxPixels), 1}, {"max-images", int64(s.MaxImages), 1},
		{"max-decode-queue", int64(s.MaxDecodeQueue), 1}, {"max-header-bytes", int64(s.MaxHeaderBytes), 1024}, {"max-conns", int64(s.MaxConns), 1}, {"max-conns-per-client", int64(s.MaxConnsPerClient), 0},
		{"body-memory", int64(s.BodyMemory), int64(s.MaxBodyBytes)}, {"decode-memory", int64(s.DecodeMemory), 1 << 20},
	} {
		if l.v < l.min {
			return fmt.Errorf("--%s must be at least %d", l.flag, l.min)
		}
	}
	for _, l := range []struct {
		flag string
		v    int64
	}{
		{"header-timeout", int64(s.HeaderTimeout)}, {"read-timeout", int64(s.ReadTimeout)}, {"write-timeout", int64(s.WriteTimeout)},
		{"idle-timeout", int64(s.IdleTimeout)}, {"max-timeout", int64(s.MaxTimeout)},
	} {
		if l.v <= 0 {
			return fmt.Errorf("--%s must be positive", l.flag)
		}
	}
	if s.Timeout > s.MaxTimeout {
		return fmt.Errorf("--timeout must not be above --max-timeout, which is %s", s.MaxTimeout)
	}
	return nil
}
