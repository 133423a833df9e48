// Package pickle reads Python's pickles and runs nothing of them.
//
// A pickle is a program for a stack machine: it makes numbers, strings, lists and
// dictionaries, and it may call any function of Python, which is why opening one with
// Python is as dangerous as running a program of a stranger. A [Reader] makes the plain
// values, asks its owner about each call, and has no way to make one. What it does not
// know it can represent as an [Object], which says what would be made of what.
//
// Time and memory are bounded by the length of the program: no instruction makes more
// than it takes in. The memo gives shared and even cyclic values, so whoever walks over
// what was read needs a bound of their own. Format: the instructions of protocol 0 to 5
// as Python's pickletools documents them.
package pickle

import (
	"errors"
	"fmt"
	"math/big"
	"strconv"
)

// The values of a pickle are nil, bool, int64, *big.Int, float64, string, [Bytes],
// [Tuple], *[List], *[Set], *[Dict], [Global], *[Object], and what the functions of a
// [Reader] return.
type (
	// Global is the name of a class or function of a Python module.
	Global struct{ Module, Name string }
	// Bytes is a bytes or bytearray.
	Bytes []byte
	// Tuple is a tuple.
	Tuple []any
	// List is a list; a pointer, as the program appends to it.
	List struct{ Items []any }
	// Set is a set or frozenset.
	Set struct{ Items []any }
	// Dict is a dictionary, in its order. A key may come twice: the last one counts.
	Dict struct{ Items []Item }
	// Item is an entry of a Dict.
	Item struct{ Key, Value any }
)

// Object is a value that only Python could make: a call of Class with Args, then State
// set on it, Items appended and Entries added.
type Object struct {
	Class   Global
	Args    Tuple
	State   any
	Items   []any
	Entries []Item
}

func (g Global) String() string { return g.Module + "." + g.Name }

// Get returns the value of a plain key; nil when there is none.
func (d *Dict) Get(key any) any {
	for i := len(d.Items) - 1; i >= 0; i-- { // the last one set wins
		if plain(d.Items[i].Key) && d.Items[i].Key == key {
			return d.Items[i].Value
		}
	}
	return nil
}

// plain is whether a key can be compared: comparing some others would panic.
func plain(key any) bool {
	switch key.(type) {
	case nil, bool, int64, float64, string:
		return true
	}
	return false
}

// ErrUnknown is what [Reader.Call] returns about a class or function that it does not
// know.
var ErrUnknown = errors.New("unknown class or function")

// Reader says what a pickle may hold. The zero Reader takes plain values only.
type Reader struct {
	// Call returns the value of a call of a class or function; [ErrUnknown] for one that
	// it does not know.
	Call func(f Global, args Tuple) (any, error)
	// Persistent returns the value of a persistent id, which refers to something outside
	// of the pickle.
	Persistent func(id any) (any, error)
	// Opaque turns calls of what nobody knows into Objects. Without it, they are errors.
	// Names that are only good for doing harm are errors with it, too.
	Opaque bool
}

// maxSteps bounds the instructions of one pickle. A checkpoint of ten thousand tensors
// has some half a million.
const maxSteps = 4 << 20

// Read returns the object of the pickle that code begins with, and its length in bytes.
func (r *Reader) Read(code []byte) (v any, length int, err error) {
	m := machine{Reader: r, code: code}
	v, err = m.run()
	return v, m.at, err
}

// call makes the value of a call.
func (r *Reader) call(f Global, args Tuple) (any, error) {
	if f == (Global{"_codecs", "encode"}) { // bytes, as protocols before 3 wrote them
		if b, ok := encode(args); ok {
			return b, nil
		}
	}
	err := ErrUnknown
	if r.Call != nil {
		var v any
		if v, err = r.Call(f, args); err == nil {
			return v, nil
		}
	}
	switch {
	case !errors.Is(err, ErrUnknown):
		return nil, err
	case !r.Opaque:
		return nil, fmt.Errorf("the file has a %s, which only Python can make; save a state dict instead", f)
	}
	return &Object{Class: f, Args: args}, nil
}

func encode(args Tuple) (Bytes, bool) {
	if len(args) != 2 || args[1] != any("latin1") && args[1] != any("latin-1") {
		return nil, false
	}
	s, ok := args[0].(string)
	b := make(Bytes, 0, len(s))
	for _, r := range s {
		if r > 0xff {
			return nil, false
		}
		b = append(b, byte(r))
	}
	return b, ok
}

// Describe names a value in an error.
func Describe(v any) string {
	switch v := v.(type) {
	case nil:
		return "None"
	case bool:
		return "a boolean"
	case int64:
		return "the integer " + strconv.FormatInt(v, 10)
	case *big.Int, float64:
		return "a number"
	case string:
		return "a string"
	case Bytes:
		return "a string of bytes"
	case *List, Tuple, *Set:
		return "a list"
	case *Dict:
		return "a dictionary"
	case Global:
		return "the name " + v.String()
	case *Object:
		return "a " + v.Class.String()
	}
	return "something else"
}
