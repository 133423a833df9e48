//go:build ignore

package operators

// Multinomial draws samples (Long) from the rows of a, weights [n] or [N, n], with or
// without replacement.
//
//torch:op aten::multinomial(a, samples, replacement, generator)
//torch:method
func Multinomial(a Tensor, samples int64, replacement bool, generator ...*Generator) Tensor

// Bernoulli draws 0 or 1, 1 with the probability that is each element of a.
//
//torch:op aten::bernoulli(a, generator)
//torch:method
func Bernoulli(a Tensor, generator ...*Generator) Tensor

// Exponential draws from the exponential distribution with that rate, in a's shape.
//
//torch:op aten::exponential(a, rate, generator)
//torch:inplace
func Exponential(a Tensor, rate float64, generator ...*Generator) Tensor

// Poisson draws from the Poisson distributions whose means are the elements of a.
//
//torch:op aten::poisson(a, generator)
//torch:method
func Poisson(a Tensor, generator ...*Generator) Tensor
