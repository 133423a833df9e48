package dist

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"time"
)

// How a ring is made. Each rank listens on a port that the system chooses, publishes
// it in the store, waits for the others to have done so, dials the next rank, and
// takes the connection of the one before.
//
// A dialer first says which rank it is of which ring, with a token that rank 0 put into
// the store: whatever else connects to the port is hung up on, and cannot be taken for
// a rank.

const (
	helloMagic = 0x746f7263686c6974 // "torchlit"
	tokenSize  = 16
	helloSize  = 8 + tokenSize + 4
)

func (r *ring) join(ctx context.Context) error {
	l, err := net.Listen("tcp", net.JoinHostPort(r.address(), "0"))
	if err != nil {
		return fmt.Errorf("cannot listen for the rank before: %w", err)
	}
	defer l.Close()
	if r.rank == 0 {
		token := make([]byte, tokenSize)
		rand.Read(token)
		if err := r.store.Set(ctx, r.name+"/token", token); err != nil {
			return err
		}
	}
	if err := r.store.Set(ctx, r.addrKey(r.rank), []byte(l.Addr().String())); err != nil {
		return err
	}
	if err := r.awaitAll(ctx); err != nil {
		return err
	}
	token, err := r.store.Get(ctx, r.name+"/token")
	if err != nil {
		return err
	}
	addr, err := r.store.Get(ctx, r.addrKey(r.nextRank()))
	if err != nil {
		return err
	}
	return r.connect(ctx, l, string(addr), token)
}

// address is where the rank before reaches this one: this machine's end of the connection
// to the store. On the machine of the store that may be the loopback, as Debian's
// /etc/hosts has it for a machine's own name, which is of no use to others.
func (r *ring) address() string {
	host := r.store.LocalHost()
	if !r.remote || !net.ParseIP(host).IsLoopback() {
		return host
	}
	addrs, _ := net.InterfaceAddrs()
	for _, a := range addrs {
		if n, ok := a.(*net.IPNet); ok && n.IP.IsGlobalUnicast() {
			return n.IP.String()
		}
	}
	return host
}

func (r *ring) addrKey(rank int) string { return r.name + "/addr/" + strconv.Itoa(rank) }

// awaitAll waits until all ranks have published their addresses; its error names those
// that have not.
func (r *ring) awaitAll(ctx context.Context) error {
	start := time.Now()
	keys := make([]string, r.size)
	for i := range keys {
		keys[i] = r.addrKey(i)
	}
	err := r.store.Wait(ctx, keys...)
	if err == nil || ctx.Err() == nil {
		return err
	}
	// The deadline has passed; asking who is there takes no time.
	ask, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	var missing []string
	for i, key := range keys {
		if there, err := r.store.Has(ask, key); err == nil && !there {
			missing = append(missing, strconv.Itoa(i))
		}
	}
	if missing == nil {
		return err
	}
	return fmt.Errorf("cannot form a group of %d ranks: rank %s did not come within %v: %w; see that it runs and reaches MASTER_ADDR",
		r.size, strings.Join(missing, ", "), time.Since(start).Round(10*time.Millisecond), ctx.Err())
}

// connect makes the two connections at once, as the neighbours do.
func (r *ring) connect(ctx context.Context, l net.Listener, addr string, token []byte) error {
	stop := context.AfterFunc(ctx, func() { l.Close() })
	defer stop()
	accepted := make(chan error, 1)
	go func() {
		var err error
		r.prev, err = r.accept(l, token)
		accepted <- err
	}()
	var d net.Dialer
	next, err := d.DialContext(ctx, "tcp", addr)
	if err == nil {
		r.next = next
		setAlive(next)
		_, err = next.Write(hello(token, r.rank))
	}
	if err != nil {
		l.Close()
		<-accepted
		return &LostError{Rank: r.nextRank(), Err: err}
	}
	if err := <-accepted; err != nil {
		return &LostError{Rank: r.prevRank(), Err: err}
	}
	return nil
}

func hello(token []byte, rank int) []byte {
	b := binary.LittleEndian.AppendUint64(nil, helloMagic)
	b = append(b, token...)
	return binary.LittleEndian.AppendUint32(b, uint32(rank))
}

// accept takes connections until one is that of the rank before.
func (r *ring) accept(l net.Listener, token []byte) (net.Conn, error) {
	want := string(hello(token, r.prevRank()))
	for {
		conn, err := l.Accept()
		if err != nil {
			return nil, err
		}
		var got [helloSize]byte
		conn.SetReadDeadline(time.Now().Add(10 * time.Second))
		if _, err := io.ReadFull(conn, got[:]); err != nil || string(got[:]) != want {
			conn.Close()
			continue
		}
		conn.SetReadDeadline(time.Time{})
		setAlive(conn)
		return conn, nil
	}
}
