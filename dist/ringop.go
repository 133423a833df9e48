package dist

import (
	"encoding/binary"
	"fmt"
	"net"
	"runtime"
	"time"

	"github.com/torchlit/torchlit/torch"
	"github.com/torchlit/torchlit/torch/distributed"
)

// What an operation of the ring is.
const (
	opAllReduce = 1 + iota
	opBroadcast
	opAllGather
	opBarrier
)

var opNames = [...]string{opAllReduce: "AllReduce", opBroadcast: "Broadcast", opAllGather: "AllGather", opBarrier: "Barrier"}

// header goes around before an operation's data. That of the rank before must be one's
// own; otherwise the ranks run different programs, and the data would be nonsense.
type header struct {
	seq   uint64
	op    uint32
	dtype int32  // of AllReduce
	bytes uint64 // of a tensor
	root  uint32 // of Broadcast
}

const headerSize = 28

func (h header) encode() []byte {
	b := binary.LittleEndian.AppendUint64(nil, h.seq)
	b = binary.LittleEndian.AppendUint32(b, h.op)
	b = binary.LittleEndian.AppendUint32(b, uint32(h.dtype))
	b = binary.LittleEndian.AppendUint64(b, h.bytes)
	return binary.LittleEndian.AppendUint32(b, h.root)
}

func decodeHeader(b []byte) header {
	le := binary.LittleEndian
	return header{le.Uint64(b), le.Uint32(b[8:]), int32(le.Uint32(b[12:])), le.Uint64(b[16:]), le.Uint32(b[24:])}
}

func (h header) String() string {
	name := "something unknown"
	if int(h.op) < len(opNames) && h.op > 0 {
		name = opNames[h.op]
	}
	return fmt.Sprintf("%s of %d bytes (dtype %d, root %d) as its operation %d", name, h.bytes, h.dtype, h.root, h.seq)
}

// operate runs an operation: body, after the ranks have agreed on it.
func (r *ring) operate(h header, body func() error) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.broken(); err != nil {
		return err
	}
	r.seq++
	h.seq = r.seq
	var got [headerSize]byte
	err := r.step(h.encode(), got[:])
	if other := decodeHeader(got[:]); err == nil && other != h {
		err = fmt.Errorf("the ranks disagree: rank %d runs %v, rank %d %v; run the same program with the same settings and versions everywhere",
			r.rank, h, r.prevRank(), other)
	}
	if err == nil {
		err = body()
	}
	if err != nil {
		err = r.fail(err)
		r.sends.Wait() // ends with the connection; out is the caller's
	}
	return err
}

// piece is how much is read before it is worked on, and written before the deadline is
// set anew.
const piece = 128 << 10

// step sends to the next rank while it receives from the one before.
func (r *ring) step(out, in []byte) error {
	return r.exchange(out, len(in), func(at int, b []byte) { copy(in[at:], b) }, in)
}

// exchange sends out while it receives n bytes, and calls take with each piece of them,
// and where it begins. With direct, which has n bytes, the pieces are read right into
// it, and take has nothing left to do.
func (r *ring) exchange(out []byte, n int, take func(at int, b []byte), direct []byte) error {
	sent := make(chan error, 1)
	r.sends.Go(func() { sent <- r.send(out) })
	if err := r.receive(n, take, direct); err != nil {
		return r.lost(r.prevRank(), err)
	}
	if err := <-sent; err != nil {
		return r.lost(r.nextRank(), err)
	}
	return nil
}

func (r *ring) send(b []byte) error {
	for len(b) > 0 {
		part := b[:min(piece, len(b))]
		r.next.SetWriteDeadline(time.Now().Add(r.timeout))
		if _, err := r.next.Write(part); err != nil {
			return err
		}
		b = b[len(part):]
	}
	return nil
}

func (r *ring) receive(n int, take func(at int, b []byte), direct []byte) error {
	if r.scratch == nil {
		r.scratch = make([]byte, piece)
	}
	for at := 0; at < n; {
		b := r.scratch[:min(piece, n-at)]
		if direct != nil {
			b = direct[at : at+len(b)]
		}
		if err := readFull(r.prev, b, r.timeout); err != nil {
			return err
		}
		if direct == nil {
			take(at, b)
		}
		at += len(b)
	}
	return nil
}

// readFull is io.ReadFull with a deadline for each read: a slow rank is no lost one.
func readFull(conn net.Conn, b []byte, timeout time.Duration) error {
	for len(b) > 0 {
		conn.SetReadDeadline(time.Now().Add(timeout))
		n, err := conn.Read(b)
		if err != nil {
			return err
		}
		b = b[n:]
	}
	return nil
}

// AllReduce implements Group.
func (r *ring) AllReduce(tensors ...torch.Tensor) error {
	for _, t := range tensors {
		data, err := distributed.Elements(t)
		if err != nil {
			return fmt.Errorf("cannot add up a tensor over the ranks: %w", err)
		}
		dtype := t.Dtype()
		sum, err := sumOf(dtype)
		if err != nil {
			return err
		}
		err = r.operate(header{op: opAllReduce, dtype: int32(dtype), bytes: uint64(len(data))}, func() error {
			return sum(r, data)
		})
		runtime.KeepAlive(t.T)
		if err != nil {
			return err
		}
	}
	return nil
}

// Broadcast implements Group. Each rank hands on what it receives while more comes.
func (r *ring) Broadcast(root int, tensors ...torch.Tensor) error {
	if root < 0 || root >= r.size {
		return fmt.Errorf("cannot broadcast from rank %d of %d", root, r.size)
	}
	for _, t := range tensors {
		data, err := distributed.Elements(t)
		if err != nil {
			return fmt.Errorf("cannot broadcast a tensor to the ranks: %w", err)
		}
		err = r.operate(header{op: opBroadcast, bytes: uint64(len(data)), root: uint32(root)}, func() error {
			return r.relay(data, root)
		})
		runtime.KeepAlive(t.T)
		if err != nil {
			return err
		}
	}
	return nil
}

func (r *ring) relay(data []byte, root int) error {
	for len(data) > 0 {
		part := data[:min(piece, len(data))]
		if r.rank != root {
			if err := readFull(r.prev, part, r.timeout); err != nil {
				return r.lost(r.prevRank(), err)
			}
		}
		if r.nextRank() != root {
			if err := r.send(part); err != nil {
				return r.lost(r.nextRank(), err)
			}
		}
		data = data[len(part):]
	}
	return nil
}

// maxValue is the most that AllGather takes from a rank.
const maxValue = 64 << 20

// AllGather implements Group. In each step the values move on by one rank.
func (r *ring) AllGather(value []byte) ([][]byte, error) {
	if len(value) > maxValue {
		return nil, fmt.Errorf("cannot gather %d bytes from each rank: at most %d", len(value), maxValue)
	}
	values := make([][]byte, r.size)
	values[r.rank] = value
	err := r.operate(header{op: opAllGather}, func() error {
		for s := range r.size - 1 {
			out := values[(r.rank-s+r.size)%r.size]
			var length [4]byte
			if err := r.step(binary.LittleEndian.AppendUint32(nil, uint32(len(out))), length[:]); err != nil {
				return err
			}
			n := binary.LittleEndian.Uint32(length[:])
			if n > maxValue {
				return fmt.Errorf("rank %d sent a value of %d bytes, more than the %d allowed", r.prevRank(), n, maxValue)
			}
			in := make([]byte, n)
			if err := r.step(out, in); err != nil {
				return err
			}
			values[(r.rank-s-1+r.size)%r.size] = in
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return values, nil
}

// Barrier implements Group: who has heard from the rank before n-1 times has heard of
// all.
func (r *ring) Barrier() error {
	return r.operate(header{op: opBarrier}, func() error {
		for range r.size - 1 {
			var in [1]byte
			if err := r.step([]byte{1}, in[:]); err != nil {
				return err
			}
		}
		return nil
	})
}
