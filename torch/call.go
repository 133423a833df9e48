package torch

import (
	"errors"
	"fmt"
	"math"
	"runtime"

	"github.com/torchlit/torchlit/torch/internal/libtorch"
)

// call is one call of an operator in the making: its arguments, and the tensors
// among them, which are thereby alive until it has run. No operator can forget to
// keep an operand. A tensor that is nil or closed becomes the call's error, which
// the running methods return.
type call struct {
	libtorch.Args
	kept [6]Tensor
	n    int
	more []Tensor
	err  error
}

func (c *call) tensor(t Tensor) *call {
	p, err := t.borrow()
	if err != nil {
		c.err = err
	}
	c.Args.Tensor(p)
	c.keep(t)
	return c
}

// optional adds a tensor that may be the zero Tensor.
func (c *call) optional(t Tensor) *call {
	if t.T == nil {
		c.None()
		return c
	}
	return c.tensor(t)
}

func (c *call) tensors(ts []Tensor) *call {
	c.Args.Tensors(len(ts))
	return c.list(ts, (*call).tensor)
}

// optionalTensors adds a list of tensors, any of which may be the zero Tensor.
func (c *call) optionalTensors(ts []Tensor) *call {
	c.Args.OptionalTensors(len(ts))
	return c.list(ts, (*call).optional)
}

func (c *call) list(ts []Tensor, add func(*call, Tensor) *call) *call {
	for _, t := range ts {
		add(c, t)
	}
	return c
}

// optionalInts adds a list of integers; nil is an absent one.
func (c *call) optionalInts(v []int64) {
	if v == nil {
		c.None()
		return
	}
	c.Ints(v...)
}

// scalar adds a number that meets a tensor. libtorch lets its type take part in the
// result's: an integer tensor plus 1 stays one, plus 1.0 it becomes float32, which
// cannot hold all integers. Go's parameter is a float64 either way, so a number
// without a fraction counts as an integer; tensors of floating point do not care.
func (c *call) scalar(x float64) {
	if x == math.Trunc(x) && math.Abs(x) <= 1<<53 {
		c.Int(int64(x))
		return
	}
	c.Float(x)
}

func (c *call) dtype(d int8) *call { return c.enum(int64(d), checkDType(d)) }

func (c *call) format(f MemoryFormat) *call {
	var err error
	if f != ContiguousFormat && f != ChannelsLast {
		err = &Error{Op: "torch", Text: fmt.Sprintf("%d is not a memory format", f)}
	}
	return c.enum(int64(f), err)
}

func (c *call) reduction(r Reduction) *call {
	var err error
	if r < ReduceNone || r > ReduceSum {
		err = &Error{Op: "torch", Text: fmt.Sprintf("%d is not a reduction", r)}
	}
	return c.enum(int64(r), err)
}

// enum adds a number that libtorch would take at its word.
func (c *call) enum(number int64, err error) *call {
	if err != nil {
		c.err = err
	}
	c.Int(number)
	return c
}

// oneGenerator adds the generator that a function's last, optional parameter holds.
func (c *call) oneGenerator(g []*Generator) {
	if len(g) == 0 {
		c.None()
		return
	}
	c.generator(g[0])
}

func (c *call) keep(t Tensor) {
	if c.n < len(c.kept) {
		c.kept[c.n] = t
		c.n++
		return
	}
	c.more = append(c.more, t)
}

// do runs the operator into results.
func (c *call) do(op *libtorch.Op, results []libtorch.Result) (n int, scope int64, err error) {
	if c.err != nil {
		return 0, 0, c.err
	}
	n, scope, err = op.Call(&c.Args, results)
	runtime.KeepAlive(c)
	return n, scope, err
}

// try runs the operator and returns its result.
func (c *call) try(op *libtorch.Op) (Tensor, error) {
	var r [1]libtorch.Result
	_, scope, err := c.do(op, r[:])
	if err != nil {
		return Tensor{}, err
	}
	return adopt(&r[0], scope), nil
}

func (c *call) try2(op *libtorch.Op) (a, b Tensor, err error) {
	var r [2]libtorch.Result
	_, scope, err := c.do(op, r[:])
	if err != nil {
		return Tensor{}, Tensor{}, err
	}
	return adopt(&r[0], scope), adopt(&r[1], scope), nil
}

func (c *call) try3(op *libtorch.Op) (x, y, z Tensor, err error) {
	var r [3]libtorch.Result
	_, scope, err := c.do(op, r[:])
	if err != nil {
		return Tensor{}, Tensor{}, Tensor{}, err
	}
	return adopt(&r[0], scope), adopt(&r[1], scope), adopt(&r[2], scope), nil
}

// tryList runs an operator whose result is a list of tensors. Its length is known
// only afterwards: libtorch refuses a buffer that is too small, and leaves nothing
// behind, so a longer one follows.
func (c *call) tryList(op *libtorch.Op) ([]Tensor, error) {
	for size := 16; ; size *= 16 {
		r := make([]libtorch.Result, size)
		n, scope, err := c.do(op, r)
		if err != nil && libtorch.IsTooManyResults(err) && size < 1<<20 {
			continue
		}
		if err != nil {
			return nil, err
		}
		list := make([]Tensor, n)
		for i := range list {
			list[i] = adopt(&r[i], scope)
		}
		return list, nil
	}
}

// tryNone runs an operator whose results are of no interest, such as an in-place
// update of many tensors.
func (c *call) tryNone(op *libtorch.Op) error {
	_, _, err := c.do(op, nil)
	return err
}

func (c *call) tryBool(op *libtorch.Op) (bool, error) {
	var r [1]libtorch.Result
	_, _, err := c.do(op, r[:])
	return r[0].Int() != 0, err
}

// The same for the functions that panic.

func (c *call) run(op *libtorch.Op) Tensor { return must(c.try(op)) }

func (c *call) exec(op *libtorch.Op) { check(c.tryNone(op)) }

// runInPlace runs an operator that overwrites t and returns t.
func (c *call) runInPlace(op *libtorch.Op, t Tensor) Tensor {
	c.exec(op)
	return t
}

// number runs an operator whose result is a number.
func (c *call) number(op *libtorch.Op) libtorch.Result {
	var r [1]libtorch.Result
	_, _, err := c.do(op, r[:])
	check(err)
	return r[0]
}

// Try runs body and returns the error that a function of this package panicked with
// in it (also the one that says that there is no libtorch, see [Available]), nil when
// none did. Other panics go through. With it, a block of functions
// that panic becomes one that returns an error:
//
//	err := torch.Try(func() { loss = net.Forward(x).Mean() })
func Try(body func()) (err error) {
	defer func() {
		switch r := recover().(type) {
		case nil:
		case *Error:
			err = r
		case error:
			if !errors.Is(r, libtorch.ErrUnavailable) {
				panic(r)
			}
			err = r
		default:
			panic(r)
		}
	}()
	body()
	return nil
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}

func must[T any](v T, err error) T {
	check(err)
	return v
}

func must2[A, B any](a A, b B, err error) (A, B) {
	check(err)
	return a, b
}

func must3[A, B, C any](a A, b B, c C, err error) (A, B, C) {
	check(err)
	return a, b, c
}
