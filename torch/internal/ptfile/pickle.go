package ptfile

import (
	"encoding/binary"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// global is a name of a Python module that the program refers to.
type global struct{ module, name string }

func (g global) String() string { return g.module + "." + g.name }

// mark is what the opcode MARK puts on the stack.
type mark struct{}

// unpickler runs a pickle, a program for a stack machine. The memo gives it
// shared and even cyclic values, so what it makes is never walked without a
// bound. Time and memory are bounded by the program's length: no opcode makes
// more than it takes in.
type unpickler struct {
	code  []byte
	at    int
	stack []any
	memo  map[uint32]any

	// storage resolves a persistent id, call a function of Python.
	storage func(id Tuple) (any, error)
	call    func(f global, args Tuple) (any, error)
}

// failed carries an error out of the machine: its opcodes read as in the manual
// then, without a check behind each.
type failed struct{ error }

func fail(format string, args ...any) { panic(failed{fmt.Errorf(format, args...)}) }

func check(err error) {
	if err != nil {
		panic(failed{err})
	}
}

// run returns the object that the program leaves.
func (u *unpickler) run() (v any, err error) {
	defer func() {
		if r := recover(); r != nil {
			f, ok := r.(failed)
			if !ok {
				panic(r)
			}
			err = f.error
		}
	}()
	u.memo = map[uint32]any{}
	for {
		op := u.take(1)[0]
		if op == '.' {
			return u.pop(), nil
		}
		u.step(op)
	}
}

func (u *unpickler) take(n int) []byte {
	if n < 0 || n > len(u.code)-u.at {
		fail("the object's description ends early")
	}
	u.at += n
	return u.code[u.at-n : u.at]
}

func (u *unpickler) line() string {
	i := strings.IndexByte(string(u.code[u.at:min(len(u.code), u.at+1024)]), '\n')
	if i < 0 {
		fail("the object's description has a line without an end")
	}
	s := string(u.take(i + 1))
	return s[:i]
}

func (u *unpickler) uint32() uint32 { return binary.LittleEndian.Uint32(u.take(4)) }

// length is a uint64 that counts bytes to come.
func (u *unpickler) length() int {
	return int(min(binary.LittleEndian.Uint64(u.take(8)), math.MaxInt32))
}

func (u *unpickler) push(v any) { u.stack = append(u.stack, v) }

func (u *unpickler) pop() any {
	v := u.top()
	u.stack = u.stack[:len(u.stack)-1]
	return v
}

func (u *unpickler) top() any {
	if len(u.stack) == 0 {
		fail("the object's description takes what it has not put")
	}
	return u.stack[len(u.stack)-1]
}

// sinceMark takes what lies above the last mark, and the mark.
func (u *unpickler) sinceMark() []any {
	for i := len(u.stack) - 1; i >= 0; i-- {
		if _, ok := u.stack[i].(mark); ok {
			items := append([]any(nil), u.stack[i+1:]...)
			u.stack = u.stack[:i]
			return items
		}
	}
	fail("the object's description takes what it has not put")
	return nil
}

func (u *unpickler) tuple(n int) {
	items := make(Tuple, n)
	for i := n - 1; i >= 0; i-- {
		items[i] = u.pop()
	}
	u.push(items)
}

func (u *unpickler) remember(i uint32) { u.memo[i] = u.top() }

func (u *unpickler) recall(i uint32) {
	v, ok := u.memo[i]
	if !ok {
		fail("the object's description refers to what it has not made")
	}
	u.push(v)
}

func (u *unpickler) step(op byte) {
	switch op {
	case 0x80: // PROTO
		if v := u.take(1)[0]; v > 5 {
			fail("the object is described in version %d of pickle", v)
		}
	case 0x95: // FRAME
		u.take(8)
	case '(': // MARK
		u.push(mark{})
	case 'N': // NONE
		u.push(nil)
	case 0x88: // NEWTRUE
		u.push(true)
	case 0x89: // NEWFALSE
		u.push(false)
	case 'J': // BININT
		u.push(int64(int32(u.uint32())))
	case 'K': // BININT1
		u.push(int64(u.take(1)[0]))
	case 'M': // BININT2
		u.push(int64(binary.LittleEndian.Uint16(u.take(2))))
	case 0x8a: // LONG1
		u.push(long(u.take(int(u.take(1)[0]))))
	case 'G': // BINFLOAT
		u.push(math.Float64frombits(binary.BigEndian.Uint64(u.take(8))))
	case 'X': // BINUNICODE
		u.push(string(u.take(int(min(u.uint32(), math.MaxInt32)))))
	case 0x8c: // SHORT_BINUNICODE
		u.push(string(u.take(int(u.take(1)[0]))))
	case 0x8d: // BINUNICODE8
		u.push(string(u.take(u.length())))
	case '0': // POP
		u.pop()
	case '1': // POP_MARK
		u.sinceMark()
	case '2': // DUP
		u.push(u.top())
	default:
		u.build(op)
	}
}

// build runs the opcodes of what is made of other values.
func (u *unpickler) build(op byte) {
	switch op {
	case ')': // EMPTY_TUPLE
		u.push(Tuple{})
	case 0x85, 0x86, 0x87: // TUPLE1, 2, 3
		u.tuple(int(op - 0x84))
	case 't': // TUPLE
		u.push(Tuple(u.sinceMark()))
	case ']': // EMPTY_LIST
		u.push(&List{})
	case 'l': // LIST
		u.push(&List{u.sinceMark()})
	case 'a': // APPEND
		v := u.pop()
		list := top[*List](u)
		list.Items = append(list.Items, v)
	case 'e': // APPENDS
		items := u.sinceMark()
		list := top[*List](u)
		list.Items = append(list.Items, items...)
	case '}': // EMPTY_DICT
		u.push(&Dict{})
	case 'd': // DICT
		d := &Dict{}
		d.set(u.sinceMark())
		u.push(d)
	case 's': // SETITEM
		v, k := u.pop(), u.pop()
		top[*Dict](u).set([]any{k, v})
	case 'u': // SETITEMS
		items := u.sinceMark()
		top[*Dict](u).set(items)
	case 'b': // BUILD sets attributes, such as a state dict's _metadata: of no use here
		u.pop()
		u.top()
	case 'q': // BINPUT
		u.remember(uint32(u.take(1)[0]))
	case 'r': // LONG_BINPUT
		u.remember(u.uint32())
	case 0x94: // MEMOIZE
		u.remember(uint32(len(u.memo)))
	case 'h': // BINGET
		u.recall(uint32(u.take(1)[0]))
	case 'j': // LONG_BINGET
		u.recall(u.uint32())
	case 'c': // GLOBAL
		u.push(global{u.line(), u.line()})
	case 0x93: // STACK_GLOBAL
		name, module := pop[string](u), pop[string](u)
		u.push(global{module, name})
	case 'R', 0x81: // REDUCE, NEWOBJ
		args := pop[Tuple](u)
		v, err := u.call(pop[global](u), args)
		check(err)
		u.push(v)
	case 'Q': // BINPERSID
		v, err := u.storage(pop[Tuple](u))
		check(err)
		u.push(v)
	default:
		fail("the object is more than tensors, numbers, strings, lists and dictionaries (pickle opcode 0x%02x)", op)
	}
}

func pop[T any](u *unpickler) T {
	v, ok := u.pop().(T)
	if !ok {
		fail("the object's description wants a %T where it has something else", v)
	}
	return v
}

func top[T any](u *unpickler) T {
	v, ok := u.top().(T)
	if !ok {
		fail("the object's description wants a %T where it has something else", v)
	}
	return v
}

// set adds the pairs that lie one after the other in items. A key is a plain
// value: comparing anything else could panic.
func (d *Dict) set(items []any) {
	if len(items)%2 != 0 {
		fail("the object's description has a dictionary with a key and no value")
	}
	for i := 0; i < len(items); i += 2 {
		switch k := items[i].(type) {
		case nil, bool, int64, float64, string:
			d.Items = append(d.Items, Item{k, items[i+1]})
		default:
			fail("a dictionary of the object has a key that is neither a string nor a number")
		}
	}
}

// long reads a little-endian integer in two's complement.
func long(b []byte) int64 {
	if len(b) > 8 {
		fail("the object holds an integer of more than 64 bits")
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

// Describe names a value that Read returned in an error.
func Describe(v any) string {
	switch v := v.(type) {
	case nil:
		return "None"
	case bool:
		return "a boolean"
	case int64:
		return "the integer " + strconv.FormatInt(v, 10)
	case float64:
		return "a number"
	case string:
		return "a string"
	case *List, Tuple:
		return "a list"
	case *Dict:
		return "a dictionary"
	case *Tensor:
		return "a tensor"
	}
	return "something else"
}
