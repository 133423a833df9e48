package pickle

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/big"
	"strings"
)

// mark is what the instruction MARK puts on the stack.
type mark struct{}

// machine runs a pickle.
type machine struct {
	*Reader
	code  []byte
	at    int
	stack []any
	memo  memo
}

// memo keeps values by number. The numbers are nearly always 0, 1, 2, …
type memo struct {
	dense  []any
	sparse map[uint32]any
	count  uint32
}

func (m *memo) set(i uint32, v any) {
	_, old := m.get(i)
	switch {
	case int(i) < len(m.dense):
		m.dense[i] = v
	case int(i) == len(m.dense):
		m.dense = append(m.dense, v)
	default:
		if m.sparse == nil {
			m.sparse = map[uint32]any{}
		}
		m.sparse[i] = v
	}
	if !old {
		m.count++
	}
}

func (m *memo) get(i uint32) (any, bool) {
	if int(i) < len(m.dense) {
		return m.dense[i], true
	}
	v, ok := m.sparse[i]
	return v, ok
}

// failed carries an error out of the machine: its instructions read as in the manual
// then, without a check behind each.
type failed struct{ error }

func fail(format string, args ...any) { panic(failed{fmt.Errorf(format, args...)}) }

func check(err error) {
	if err != nil {
		panic(failed{err})
	}
}

// run returns the object that the program leaves.
func (m *machine) run() (v any, err error) {
	defer func() {
		if r := recover(); r != nil {
			f, ok := r.(failed)
			if !ok {
				panic(r)
			}
			err = f.error
		}
	}()
	for range maxSteps {
		op := m.take(1)[0]
		if op == '.' {
			return m.pop(), nil
		}
		m.step(op)
	}
	return nil, fmt.Errorf("the object's description has more than %d instructions", maxSteps)
}

func (m *machine) take(n int) []byte {
	if n < 0 || n > len(m.code)-m.at {
		fail("the object's description ends early")
	}
	m.at += n
	return m.code[m.at-n : m.at]
}

// maxLine bounds a name or number that is written as text.
const maxLine = 1024

func (m *machine) line() string {
	i := strings.IndexByte(string(m.code[m.at:min(len(m.code), m.at+maxLine)]), '\n')
	if i < 0 {
		fail("the object's description has a line without an end")
	}
	s := string(m.take(i + 1))
	return s[:i]
}

func (m *machine) byte() int      { return int(m.take(1)[0]) }
func (m *machine) uint32() uint32 { return binary.LittleEndian.Uint32(m.take(4)) }
func (m *machine) length32() int  { return int(min(m.uint32(), math.MaxInt32)) }
func (m *machine) length64() int {
	return int(min(binary.LittleEndian.Uint64(m.take(8)), math.MaxInt32))
}
func (m *machine) text(n int) any    { return string(m.take(n)) }
func (m *machine) bytes(n int) any   { return append(Bytes{}, m.take(n)...) }
func (m *machine) push(v any)        { m.stack = append(m.stack, v) }
func (m *machine) remember(i uint32) { m.memo.set(i, m.top()) }

func (m *machine) pop() any {
	v := m.top()
	m.stack = m.stack[:len(m.stack)-1]
	return v
}

func (m *machine) top() any {
	if len(m.stack) == 0 {
		fail("the object's description takes what it has not put")
	}
	return m.stack[len(m.stack)-1]
}

// sinceMark takes what lies above the last mark, and the mark.
func (m *machine) sinceMark() []any {
	for i := len(m.stack) - 1; i >= 0; i-- {
		if _, ok := m.stack[i].(mark); ok {
			items := append([]any(nil), m.stack[i+1:]...)
			m.stack = m.stack[:i]
			return items
		}
	}
	fail("the object's description takes what it has not put")
	return nil
}

func (m *machine) tuple(n int) {
	items := make(Tuple, n)
	for i := n - 1; i >= 0; i-- {
		items[i] = m.pop()
	}
	m.push(items)
}

func (m *machine) recall(i uint32) {
	v, ok := m.memo.get(i)
	if !ok {
		fail("the object's description refers to what it has not made")
	}
	m.push(v)
}

func (m *machine) global(module, name string) {
	g := Global{module, name}
	check(harmful(g))
	m.push(g)
}

// make pushes the value of a call. What is called is a name, or with Opaque whatever an
// unknown call would have returned.
func (m *machine) make(f any, args Tuple) {
	g, ok := f.(Global)
	if !ok {
		if !m.Opaque {
			fail("the object's description calls %s", Describe(f))
		}
		m.push(&Object{Class: Global{"", Describe(f)}, Args: args})
		return
	}
	v, err := m.call(g, args)
	check(err)
	m.push(v)
}

func (m *machine) persistent(id any) {
	if m.Persistent == nil {
		fail("the object refers to something outside of the file")
	}
	v, err := m.Persistent(id)
	check(err)
	m.push(v)
}

// pairs makes entries of keys and values that lie one after the other.
func (m *machine) pairs(items []any) []Item {
	if len(items)%2 != 0 {
		fail("the object's description has a dictionary with a key and no value")
	}
	entries := make([]Item, 0, len(items)/2)
	for i := 0; i < len(items); i += 2 {
		if !plain(items[i]) && !m.Opaque {
			fail("a dictionary of the object has a key that is neither a string nor a number")
		}
		entries = append(entries, Item{items[i], items[i+1]})
	}
	return entries
}

func (m *machine) setItems(entries []Item) {
	switch to := m.top().(type) {
	case *Dict:
		to.Items = append(to.Items, entries...)
	case *Object:
		to.Entries = append(to.Entries, entries...)
	default:
		fail("the object's description sets the keys of %s", Describe(to))
	}
}

func (m *machine) append(items ...any) {
	switch to := m.top().(type) {
	case *List:
		to.Items = append(to.Items, items...)
	case *Object:
		to.Items = append(to.Items, items...)
	default:
		fail("the object's description appends to %s", Describe(to))
	}
}

// pop takes a value of one type.
func pop[T any](m *machine) T {
	v := m.pop()
	t, ok := v.(T)
	if !ok {
		fail("the object's description wants a %T where it has %s", t, Describe(v))
	}
	return t
}

// long reads a little-endian integer in two's complement.
func (m *machine) long(b []byte) any {
	if len(b) > 8 {
		if !m.Opaque {
			fail("the object holds an integer of more than 64 bits")
		}
		reversed := make([]byte, len(b))
		for i, x := range b {
			reversed[len(b)-1-i] = x
		}
		n := new(big.Int).SetBytes(reversed)
		if reversed[0] >= 0x80 {
			n.Sub(n, new(big.Int).Lsh(big.NewInt(1), uint(8*len(b))))
		}
		if n.IsInt64() {
			return n.Int64()
		}
		return n
	}
	var n uint64
	for i, x := range b {
		n |= uint64(x) << (8 * i)
	}
	if len(b) > 0 && len(b) < 8 && b[len(b)-1] >= 0x80 {
		n |= math.MaxUint64 << (8 * len(b))
	}
	return int64(n)
}
