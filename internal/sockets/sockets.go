// Package sockets finds the listening sockets of a service: handed over by a supervisor, passed by systemd, or opened here.
//
// A socket outlives the process that accepts from it as long as somebody holds its descriptor. Connections then wait in its
// backlog while one process ends and the next begins, and nobody is refused. So whoever wants to restart without a gap opens the
// sockets once and hands the descriptors on; a process that opens its own has a gap at each restart.
package sockets

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"syscall"

	"github.com/coreos/go-systemd/v22/activation"
	"golang.org/x/sys/unix"
)

// Want is a socket that the service listens on, if it has an address or was handed over.
type Want struct {
	Name string // that systemd's FileDescriptorName= and a supervisor know it by, such as "http"
	Addr string // to open it at where nobody hands it over; "" for then not at all
	Flag string // that sets Addr, for errors
}

// Handed is a socket that a supervisor hands to its worker, by the number of the descriptor there.
type Handed struct {
	Name string `json:"name"`
	FD   int    `json:"fd"`
}

// Set holds listening sockets by name. It is not for use by several goroutines at once.
type Set struct {
	names     []string
	listeners map[string]net.Listener
}

// Open opens the sockets of wants that have an address, but those that systemd passed (LISTEN_FDS): they are taken as they are, by
// name, and one without a name that is known goes to the first want that has none yet. With reusePort, other processes may listen
// on the same ports, if they set it too. The caller closes the set.
func Open(wants []Want, reusePort bool) (*Set, error) {
	s := &Set{listeners: map[string]net.Listener{}}
	if err := s.take(wants, activation.Files(true)); err != nil {
		s.Close()
		return nil, err
	}
	for _, w := range wants {
		if w.Addr == "" || s.listeners[w.Name] != nil {
			continue
		}
		ln, err := listen(w.Addr, reusePort)
		if err != nil {
			s.Close()
			return nil, fmt.Errorf("cannot listen on %q: %w; choose another address with %s", w.Addr, err, w.Flag)
		}
		s.add(w.Name, ln)
	}
	return s, nil
}

// Inherit takes the sockets that a supervisor handed over. The caller closes the set.
func Inherit(handed []Handed) (*Set, error) {
	s := &Set{listeners: map[string]net.Listener{}}
	for _, h := range handed {
		ln, err := fromFile(os.NewFile(uintptr(h.FD), h.Name))
		if err != nil {
			s.Close()
			return nil, fmt.Errorf("cannot take over the socket %q: %w", h.Name, err)
		}
		s.add(h.Name, ln)
	}
	return s, nil
}

// take gives systemd's files to wants, and closes them.
func (s *Set) take(wants []Want, files []*os.File) error {
	var err error
	var nameless []*os.File
	for _, f := range files {
		known := slices.ContainsFunc(wants, func(w Want) bool { return w.Name == f.Name() })
		if !known || s.listeners[f.Name()] != nil {
			nameless = append(nameless, f)
			continue
		}
		err = errors.Join(err, s.takeFile(f.Name(), f))
	}
	for _, f := range nameless {
		i := slices.IndexFunc(wants, func(w Want) bool { return s.listeners[w.Name] == nil })
		if i < 0 {
			err = errors.Join(err, fmt.Errorf("cannot use the socket %q that systemd passed: there is no use for it; name sockets by FileDescriptorName= one of %s",
				f.Name(), nameList(wants)))
			_ = f.Close()
			continue
		}
		err = errors.Join(err, s.takeFile(wants[i].Name, f))
	}
	return err
}

func (s *Set) takeFile(name string, f *os.File) error {
	ln, err := fromFile(f)
	if err != nil {
		return fmt.Errorf("cannot use the socket %q that systemd passed: %w; it must be a stream that listens (ListenStream=)", name, err)
	}
	s.add(name, ln)
	return nil
}

// fromFile makes a listener of f, and closes f: the listener has a descriptor of its own, which a child does not inherit.
func fromFile(f *os.File) (net.Listener, error) {
	defer f.Close()
	return net.FileListener(f)
}

func (s *Set) add(name string, ln net.Listener) {
	s.names = append(s.names, name)
	s.listeners[name] = ln
}

// Listener is the socket of that name, nil when there is none. Whoever serves it may close it; closing the set does so too.
func (s *Set) Listener(name string) net.Listener { return s.listeners[name] }

// Names lists the sockets in the order of Files.
func (s *Set) Names() []string { return s.names }

// Files duplicates the descriptors, for handing over. The caller closes them.
func (s *Set) Files() ([]*os.File, error) {
	var files []*os.File
	for _, name := range s.names {
		f, err := file(s.listeners[name])
		if err != nil {
			for _, f := range files {
				_ = f.Close()
			}
			return nil, fmt.Errorf("cannot hand over the socket %q: %w", name, err)
		}
		files = append(files, f)
	}
	return files, nil
}

func file(ln net.Listener) (*os.File, error) {
	filer, ok := ln.(interface{ File() (*os.File, error) })
	if !ok {
		return nil, errors.ErrUnsupported
	}
	return filer.File()
}

// Close closes the sockets. Closing twice does nothing.
func (s *Set) Close() {
	for _, ln := range s.listeners {
		_ = ln.Close()
	}
}

func listen(addr string, reusePort bool) (net.Listener, error) {
	var cfg net.ListenConfig
	if reusePort {
		cfg.Control = func(_, _ string, raw syscall.RawConn) error {
			var err error
			if controlErr := raw.Control(func(fd uintptr) {
				err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEPORT, 1)
			}); controlErr != nil {
				return controlErr
			}
			return err
		}
	}
	return cfg.Listen(context.Background(), "tcp", addr)
}

func nameList(wants []Want) string {
	names := make([]string, len(wants))
	for i, w := range wants {
		names[i] = w.Name
	}
	return strings.Join(names, ", ")
}
