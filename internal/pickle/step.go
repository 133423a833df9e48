package pickle

import (
	"encoding/binary"
	"math"
	"math/big"
	"strconv"
	"strings"
)

// step runs an instruction that makes a plain value or moves values about.
func (m *machine) step(op byte) {
	switch op {
	case 0x80: // PROTO
		if v := m.byte(); v > 5 {
			fail("the object is described in version %d of pickle", v)
		}
	case 0x95: // FRAME
		m.take(8)
	case '(': // MARK
		m.push(mark{})
	case '0': // POP
		m.pop()
	case '1': // POP_MARK
		m.sinceMark()
	case '2': // DUP
		m.push(m.top())
	case 'N': // NONE
		m.push(nil)
	case 0x88: // NEWTRUE
		m.push(true)
	case 0x89: // NEWFALSE
		m.push(false)
	case 'J': // BININT
		m.push(int64(int32(m.uint32())))
	case 'K': // BININT1
		m.push(int64(m.byte()))
	case 'M': // BININT2
		m.push(int64(binary.LittleEndian.Uint16(m.take(2))))
	case 0x8a: // LONG1
		m.push(m.long(m.take(m.byte())))
	case 0x8b: // LONG4
		m.push(m.long(m.take(m.length32())))
	case 'G': // BINFLOAT
		m.push(math.Float64frombits(binary.BigEndian.Uint64(m.take(8))))
	case 'X': // BINUNICODE
		m.push(m.text(m.length32()))
	case 0x8c: // SHORT_BINUNICODE
		m.push(m.text(m.byte()))
	case 0x8d: // BINUNICODE8
		m.push(m.text(m.length64()))
	case 'T': // BINSTRING, a str of Python 2: text or bytes, nobody knows
		m.push(m.text(m.length32()))
	case 'U': // SHORT_BINSTRING
		m.push(m.text(m.byte()))
	case 'B': // BINBYTES
		m.push(m.bytes(m.length32()))
	case 'C': // SHORT_BINBYTES
		m.push(m.bytes(m.byte()))
	case 0x8e, 0x96: // BINBYTES8, BYTEARRAY8
		m.push(m.bytes(m.length64()))
	case 'q': // BINPUT
		m.remember(uint32(m.byte()))
	case 'r': // LONG_BINPUT
		m.remember(m.uint32())
	case 0x94: // MEMOIZE
		m.remember(m.memo.count)
	case 'h': // BINGET
		m.recall(uint32(m.byte()))
	case 'j': // LONG_BINGET
		m.recall(m.uint32())
	case 'I', 'L', 'F', 'S', 'V', 'p', 'g', 'P':
		m.textual(op, m.line())
	default:
		m.build(op)
	}
}

// textual runs the instructions of protocol 0, whose argument is a line of text.
func (m *machine) textual(op byte, line string) {
	number := func() uint32 {
		n, err := strconv.ParseUint(line, 10, 32)
		if err != nil {
			fail("the object's description has %q for a number", line)
		}
		return uint32(n)
	}
	switch op {
	case 'I': // INT; 00 and 01 are booleans
		if line == "00" || line == "01" {
			m.push(line == "01")
			return
		}
		fallthrough
	case 'L': // LONG
		line = strings.TrimSuffix(line, "L")
		n, err := strconv.ParseInt(line, 10, 64)
		if big, ok := new(big.Int).SetString(line, 10); err != nil && ok && m.Opaque {
			m.push(big)
			return
		}
		if err != nil {
			fail("the object's description has %q for an integer of 64 bits", line)
		}
		m.push(n)
	case 'F': // FLOAT
		x, err := strconv.ParseFloat(line, 64)
		if err != nil {
			fail("the object's description has %q for a number", line)
		}
		m.push(x)
	case 'S', 'V': // STRING, UNICODE: with Python's escapes, which are left as they are
		if op == 'S' && len(line) >= 2 {
			line = line[1 : len(line)-1]
		}
		if strings.Contains(line, `\`) && !m.Opaque {
			fail("the object has a string with escapes")
		}
		m.push(line)
	case 'p': // PUT
		m.remember(number())
	case 'g': // GET
		m.recall(number())
	case 'P': // PERSID
		m.persistent(line)
	}
}

// build runs an instruction that makes a value of other values.
func (m *machine) build(op byte) {
	switch op {
	case ')': // EMPTY_TUPLE
		m.push(Tuple{})
	case 0x85, 0x86, 0x87: // TUPLE1, 2, 3
		m.tuple(int(op - 0x84))
	case 't': // TUPLE
		m.push(Tuple(m.sinceMark()))
	case ']': // EMPTY_LIST
		m.push(&List{})
	case 'l': // LIST
		m.push(&List{m.sinceMark()})
	case 'a': // APPEND
		v := m.pop()
		m.append(v)
	case 'e': // APPENDS
		items := m.sinceMark()
		m.append(items...)
	case '}': // EMPTY_DICT
		m.push(&Dict{})
	case 'd': // DICT
		m.push(&Dict{m.pairs(m.sinceMark())})
	case 's': // SETITEM
		v, k := m.pop(), m.pop()
		m.setItems(m.pairs([]any{k, v}))
	case 'u': // SETITEMS
		items := m.sinceMark()
		m.setItems(m.pairs(items))
	case 0x8f: // EMPTY_SET
		m.push(&Set{})
	case 0x90: // ADDITEMS
		items := m.sinceMark()
		set, ok := m.top().(*Set)
		if !ok {
			fail("the object's description adds to %s", Describe(m.top()))
		}
		set.Items = append(set.Items, items...)
	case 0x91: // FROZENSET
		m.push(&Set{m.sinceMark()})
	default:
		m.object(op)
	}
}

// object runs the instructions with which Python makes instances.
func (m *machine) object(op byte) {
	switch op {
	case 'c': // GLOBAL
		m.global(m.line(), m.line())
	case 0x93: // STACK_GLOBAL
		name, module := pop[string](m), pop[string](m)
		m.global(module, name)
	case 'R', 0x81: // REDUCE, NEWOBJ
		args := pop[Tuple](m)
		m.make(m.pop(), args)
	case 0x92: // NEWOBJ_EX
		m.pop() // arguments by name
		args := pop[Tuple](m)
		m.make(m.pop(), args)
	case 'i': // INST
		m.global(m.line(), m.line())
		class := m.pop()
		m.make(class, Tuple(m.sinceMark()))
	case 'o': // OBJ
		items := m.sinceMark()
		if len(items) == 0 {
			fail("the object's description makes an instance of nothing")
		}
		m.make(items[0], Tuple(items[1:]))
	case 'b': // BUILD sets attributes; those of plain values, such as a state dict's _metadata, are of no use
		state := m.pop()
		if o, ok := m.top().(*Object); ok {
			o.State = state
		}
	case 'Q': // BINPERSID
		m.persistent(m.pop())
	default:
		fail("the object is more than plain values (pickle opcode 0x%02x)", op)
	}
}
