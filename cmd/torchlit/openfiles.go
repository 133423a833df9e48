package main

import (
	"syscall"

	"go.uber.org/zap"
)

// filesBesideConns is how many descriptors a server has use for beside those of its connections: models while they are loaded, logs,
// what it sends traces to, the runtime's own.
const filesBesideConns = 128

// fitConns lowers --max-conns to what the limit of open files has room for: a connection that is one too many is told so, which
// one without a descriptor cannot be. Go has raised the soft limit to the hard one.
func (s *serveSettings) fitConns(logger *zap.Logger) {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return
	}
	most := connsWithin(uint64(limit.Cur), s.GRPCAddr != "")
	if s.MaxConns <= most {
		return
	}
	logger.Warn("--max-conns is lowered: the limit of open files has room for fewer; raise it with ulimit -n, or LimitNOFILE= of a systemd unit",
		zap.Uint64("open_files", uint64(limit.Cur)), zap.Int("asked", s.MaxConns), zap.Int("max_conns", most))
	s.MaxConns = most
}

// connsWithin is how many connections each protocol may have where so many files may be open.
func connsWithin(files uint64, grpc bool) int {
	files = min(files, 1<<30)
	rest := int(files) - filesBesideConns
	if rest < int(files)/2 {
		rest = int(files) / 2
	}
	if grpc {
		rest /= 2
	}
	return max(rest, 1)
}
