package libtorch

import "unsafe"

const kindGenerator = kindScalars + 1 // TL_GENERATOR

// Generator is a handle: one reference to a random number generator.
type Generator = unsafe.Pointer

// Generator adds a random number generator; nil stands for the device's default
// one. The caller keeps g alive until Call has returned.
func (a *Args) Generator(g Generator) *Args {
	if g == nil {
		return a.None()
	}
	return a.add(kindGenerator, int64(uintptr(g)))
}

// NewGenerator makes a generator for a device; the caller frees it once.
func NewGenerator(kind, index int64) (g Generator, err error) {
	err = do("generator", func(e *errorText) int32 { return rawGeneratorNew(kind, index, &g, e) })
	return g, err
}

// FreeGenerator drops a reference. A failure would be a broken handle, which is
// our own mistake.
func FreeGenerator(g Generator) {
	e := acquire()
	defer release(e)
	if rawGeneratorFree(g, e) != 0 {
		panic("BUG: cannot free a generator: " + e.String())
	}
}

// SetSeed restarts the generator from a seed.
func SetSeed(g Generator, seed uint64) error {
	return do("generator_set_seed", func(e *errorText) int32 { return rawGeneratorSetSeed(g, seed, e) })
}

// Seed tells the seed that the generator was started from; with fresh, it is
// started again first, from one that the system chooses.
func Seed(g Generator, fresh bool) (seed uint64, err error) {
	err = do("generator_seed", func(e *errorText) int32 { return rawGeneratorSeed(g, fresh, &seed, e) })
	return seed, err
}

// GeneratorState copies the state out as a tensor of bytes.
func GeneratorState(g Generator) (r Result, scope int64, err error) {
	err = do("generator_state", func(e *errorText) (status int32) {
		scope, status = rawGeneratorState(g, &r, e)
		return status
	})
	return r, scope, err
}

// SetGeneratorState is the inverse of GeneratorState.
func SetGeneratorState(g Generator, state Tensor) error {
	return do("generator_set_state", func(e *errorText) int32 { return rawGeneratorSetState(g, state, e) })
}
