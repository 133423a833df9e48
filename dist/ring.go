package dist

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/torchlit/torchlit/dist/store"
)

// ring is the group whose ranks are joined to a ring of TCP connections: each sends to
// the next and receives from the one before.
//
// A sum over n ranks takes two turns around it. Tensors are cut into n chunks. In the
// first turn each rank hands the chunk it has just added to on to the next, so that
// after n-1 steps each chunk has collected everybody's share on one rank; in the second
// turn the finished chunks go around. Every rank sends 2(n-1)/n of the data, however
// many ranks there are (Patarasuk and Yuan, Bandwidth optimal all-reduce algorithms for
// clusters of workstations, 2009).
//
// A chunk's sum is made once, by additions in the order of the ring, and copied: all
// ranks hold the same bits, and the same run gives the same bits again. A tree, or
// adding what comes first, would be no quicker for large tensors, and give neither.
//
// When a rank is lost, its neighbours see it at once, as the system closes the
// connections of a process that ended; those of a machine that vanished end within half
// a minute (setAlive). A rank that fails closes its own connections, and so the failure
// goes around; it first puts what it saw into the store, so that the others name the
// rank that was lost and not the one that told them.
type ring struct {
	rank, size int
	timeout    time.Duration
	hosted     bool   // the store, by the launcher
	remote     bool   // ranks on other machines take part
	run        string // prefix of this run's keys in the store
	name       string // of this group's
	store      *store.Client
	owner      bool          // closes the store; duplicates do not
	host       *store.Server // nil unless this rank hosts the store
	next, prev net.Conn
	scratch    []byte
	sends      sync.WaitGroup

	mu         sync.Mutex // held during an operation
	seq        uint64     // operations begun
	duplicates int

	failing sync.Mutex // of the two below
	failed  error      // sticky
	closed  bool
}

var errClosed = errors.New("the group of ranks is closed")

// openRing joins the ring of all ranks.
func openRing(ctx context.Context, env Env, timeout time.Duration) (*ring, error) {
	run := fmt.Sprintf("torchlit/%d", env.Attempt)
	r := &ring{rank: env.Rank, size: env.Size, timeout: timeout, hosted: env.Hosted, remote: env.LocalSize < env.Size, run: run, name: run + "/ring", owner: true}
	var err error
	if env.Rank == 0 && !env.Hosted {
		r.host, err = store.Host(env.Addr)
	}
	if err == nil {
		r.store, err = store.Dial(ctx, env.Addr)
	}
	if err == nil {
		err = r.join(ctx)
	}
	if err != nil {
		r.Close()
		return nil, err
	}
	return r, nil
}

// Rank implements Group.
func (r *ring) Rank() int { return r.rank }

// Size implements Group.
func (r *ring) Size() int { return r.size }

// Duplicate implements Group. The ring that it makes has connections of its own, and
// shares the store: it is closed first.
func (r *ring) Duplicate() (Group, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.broken(); err != nil {
		return nil, err
	}
	r.duplicates++
	d := &ring{
		rank: r.rank, size: r.size, timeout: r.timeout, hosted: r.hosted, remote: r.remote, store: r.store,
		run: r.run, name: r.name + "." + strconv.Itoa(r.duplicates),
	}
	ctx, cancel := context.WithTimeout(context.Background(), r.timeout)
	defer cancel()
	if err := d.join(ctx); err != nil {
		d.hangUp()
		return nil, r.fail(err)
	}
	return d, nil
}

// farewell is how long the rank that hosts the store waits for the others to leave it:
// they may be about to read what went wrong.
const farewell = 3 * time.Second

// Close implements Group.
func (r *ring) Close() error {
	r.failing.Lock()
	defer r.failing.Unlock()
	if r.closed {
		return nil
	}
	r.closed = true
	if r.failed == nil {
		r.failed = errClosed
	}
	r.hangUp()
	if r.owner && r.store != nil {
		r.store.Close()
	}
	if r.host != nil {
		ctx, cancel := context.WithTimeout(context.Background(), farewell)
		defer cancel()
		r.host.Drain(ctx)
		return r.host.Close()
	}
	return nil
}

// hangUp closes the connections, which ends what waits for them.
func (r *ring) hangUp() {
	for _, c := range []net.Conn{r.next, r.prev} {
		if c != nil {
			c.Close()
		}
	}
}

func (r *ring) nextRank() int { return (r.rank + 1) % r.size }
func (r *ring) prevRank() int { return (r.rank + r.size - 1) % r.size }

// broken returns the error of an earlier operation.
func (r *ring) broken() error {
	r.failing.Lock()
	defer r.failing.Unlock()
	return r.failed
}

// lost makes the error of a connection to a rank.
func (r *ring) lost(rank int, err error) error {
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		err = fmt.Errorf("no progress for %v: it hangs, or is much slower than the others", r.timeout)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		err = errors.New("it closed its connection")
	}
	return &LostError{Rank: rank, Err: err}
}

// fail ends the group with an error, or with the one that another rank saw first.
func (r *ring) fail(err error) error {
	r.failing.Lock()
	defer r.failing.Unlock()
	if r.failed == nil {
		r.failed = r.firstReason(err)
		r.hangUp()
	}
	return r.failed
}

// firstReason tells the other ranks of an error, unless one of them was quicker, and
// returns the first.
func (r *ring) firstReason(err error) error {
	ctx, cancel := context.WithTimeout(context.Background(), farewell)
	defer cancel()
	rank, text := -1, err.Error()
	var lost *LostError
	if errors.As(err, &lost) {
		rank, text = lost.Rank, lost.Err.Error()
	}
	first, storeErr := r.store.SetOnce(ctx, r.run+"/failed", fmt.Appendf(nil, "%d %d %s", r.rank, rank, text))
	switch {
	case storeErr != nil && !r.hosted && rank != 0: // rank 0 hosts it until all others have left
		return &LostError{Rank: 0, Err: fmt.Errorf("the store that it hosts is gone; before, %w", err)}
	case storeErr != nil:
		return err
	}
	fields := strings.SplitN(string(first), " ", 3)
	if len(fields) < 3 || fields[0] == strconv.Itoa(r.rank) {
		return err
	}
	seen := fmt.Errorf("rank %s reports: %s", fields[0], fields[2])
	if rank, err := strconv.Atoi(fields[1]); err == nil && rank >= 0 {
		return &LostError{Rank: rank, Err: seen}
	}
	return seen
}

// PeerLost tells whether a neighbour has gone, while no operation runs, which would see
// it itself.
func (r *ring) PeerLost() error {
	if !r.mu.TryLock() {
		return nil
	}
	defer r.mu.Unlock()
	if err := r.broken(); err != nil {
		return err
	}
	for rank, conn := range map[int]net.Conn{r.nextRank(): r.next, r.prevRank(): r.prev} {
		if gone(conn.(*net.TCPConn)) {
			return r.fail(r.lost(rank, io.EOF))
		}
	}
	return nil
}
