package supervise

import (
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
)

// inheritance is what this process has from its supervisor.
type inheritance struct {
	supervised bool
	takeover   bool
	restarts   int
	sockets    map[string]net.Listener
	ready      *os.File
}

// inherited takes the inheritance over, once: nobody else may use its descriptors, and processes that this one starts find nothing of it.
var inherited = sync.OnceValues(func() (*inheritance, error) {
	names, supervised := os.LookupEnv(socketsVariable)
	if !supervised {
		return &inheritance{}, nil
	}
	in := &inheritance{supervised: true, sockets: map[string]net.Listener{}, ready: os.NewFile(readyDescriptor, "ready")}
	syscall.CloseOnExec(readyDescriptor)
	in.restarts, _ = strconv.Atoi(os.Getenv(restartsVariable))
	in.takeover = os.Getenv(takeoverVariable) != ""
	_ = os.Unsetenv(takeoverVariable)
	_ = os.Unsetenv(socketsVariable)
	_ = os.Unsetenv(restartsVariable)
	descriptor := uintptr(readyDescriptor)
	for name := range strings.SplitSeq(names, ":") {
		if name == "" {
			continue
		}
		descriptor++
		f := os.NewFile(descriptor, name)
		ln, err := net.FileListener(f)
		_ = f.Close() // the listener has a descriptor of its own
		if err != nil {
			return nil, fmt.Errorf("cannot use the socket %q of the supervisor: %w", name, err)
		}
		in.sockets[name] = ln
	}
	return in, nil
})

// Supervised reports whether this process is a worker.
func Supervised() bool {
	_, ok := os.LookupEnv(socketsVariable)
	in, err := inherited()
	return ok || err != nil || in.supervised
}

// Listener returns the socket of that name, nil if there is none. The caller owns it.
func Listener(name string) (net.Listener, error) {
	in, err := inherited()
	if err != nil {
		return nil, err
	}
	return in.sockets[name], nil
}

// TakesOver reports whether another worker serves until this one is ready.
func TakesOver() bool {
	in, err := inherited()
	return err == nil && in.takeover
}

// Restarts is how many workers there were before this one.
func Restarts() int {
	in, err := inherited()
	if err != nil {
		return 0
	}
	return in.restarts
}

// Ready tells the supervisor, if there is one, that this process serves.
func Ready() {
	if in, err := inherited(); err == nil && in.ready != nil {
		_, _ = in.ready.Write([]byte{1})
		_ = in.ready.Close()
		in.ready = nil
	}
}
