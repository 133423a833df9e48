package main

import (
	"context"
	"fmt"
	"net"
	"slices"
	"syscall"

	"github.com/coreos/go-systemd/v22/activation"

	"github.com/torchlit/torchlit/internal/supervise"
)

// Names of the listening sockets: of FileDescriptorName= in a systemd.socket unit, and of what a supervisor hands on.
const (
	httpSocket  = "http"
	grpcSocket  = "grpc"
	adminSocket = "admin"
)

// sockets opens what serve listens on. A socket that was handed over wins over an address: a supervisor's, or systemd's.
type sockets struct {
	reusePort bool
	systemd   map[string][]net.Listener
}

func newSockets(reusePort bool) (*sockets, error) {
	handed, err := activation.ListenersWithNames() // takes LISTEN_FDS out of the environment
	if err != nil {
		return nil, fmt.Errorf("cannot use the sockets of systemd: %w", err)
	}
	for name := range handed {
		if name != httpSocket && name != grpcSocket && name != adminSocket && len(handed) > 1 {
			return nil, fmt.Errorf("cannot tell what the socket %q of systemd is for; set FileDescriptorName= to %s, %s or %s in its unit", name, httpSocket, grpcSocket, adminSocket)
		}
	}
	return &sockets{reusePort, handed}, nil
}

// listen returns the socket of that name, or one on addr; flag is what names the address.
func (s *sockets) listen(name, addr, flag string) (net.Listener, error) {
	if ln, err := s.handed(name); ln != nil || err != nil {
		return ln, err
	}
	var cfg net.ListenConfig
	if s.reusePort {
		cfg.Control = func(_, _ string, raw syscall.RawConn) (err error) {
			controlErr := raw.Control(func(fd uintptr) { err = reusePort(int(fd)) })
			if controlErr != nil {
				return controlErr
			}
			return err
		}
	}
	ln, err := cfg.Listen(context.Background(), "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("cannot listen on %q: %w; choose another address with %s", addr, err, flag)
	}
	return ln, nil
}

// handed returns a socket that was handed over, nil if none was. The only one of systemd is HTTP's, whatever its name.
func (s *sockets) handed(name string) (net.Listener, error) {
	if ln, err := supervise.Listener(name); ln != nil || err != nil {
		return ln, err
	}
	all := s.systemd[name]
	if len(all) == 0 && name == httpSocket && len(s.systemd) == 1 {
		for only, lns := range s.systemd {
			if only != grpcSocket {
				all, name = lns, only
			}
		}
	}
	if len(all) == 0 {
		return nil, nil
	}
	s.systemd[name] = slices.Delete(all, 0, 1)
	return all[0], nil
}
