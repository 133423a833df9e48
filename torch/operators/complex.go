//go:build ignore

package operators

// Complex returns the complex tensor of a real and an imaginary part.
//
//torch:op aten::complex(real, imag)
func Complex(real, imag Tensor) Tensor

// Real returns the real part of a, in the same memory when a is complex.
//
//torch:op aten::real(a)
//torch:method
func Real(a Tensor) Tensor

// Imag returns the imaginary part of a complex tensor, in the same memory.
//
//torch:op aten::imag(a)
//torch:method
func Imag(a Tensor) Tensor

// Angle returns the angle of each element in the complex plane, in radians.
//
//torch:op aten::angle(a)
//torch:method
func Angle(a Tensor) Tensor

// Conj returns the complex conjugates.
//
//torch:op aten::conj_physical(a)
//torch:method
func Conj(a Tensor) Tensor

// ViewAsReal returns a complex tensor as [..., 2], real and imaginary parts, in the
// same memory.
//
//torch:op aten::view_as_real(a)
//torch:method
func ViewAsReal(a Tensor) Tensor

// ViewAsComplex is the inverse of ViewAsReal.
//
//torch:op aten::view_as_complex(a)
//torch:method
func ViewAsComplex(a Tensor) Tensor

// FFT returns the discrete Fourier transform along dim, complex.
//
//torch:op aten::fft_fft(a, none, dim, none)
func FFT(a Tensor, dim int64) Tensor

// IFFT is the inverse of FFT.
//
//torch:op aten::fft_ifft(a, none, dim, none)
func IFFT(a Tensor, dim int64) Tensor

// RFFT is FFT of a real tensor without the half that mirrors the other.
//
//torch:op aten::fft_rfft(a, none, dim, none)
func RFFT(a Tensor, dim int64) Tensor

// IRFFT is the inverse of RFFT. n is the length of the real signal, which the
// transform does not tell: an even one and the odd one after it have the same.
//
//torch:op aten::fft_irfft(a, n, dim, none)
func IRFFT(a Tensor, n, dim int64) Tensor

// FFTN is FFT along each of the given dimensions, all when dims is nil.
//
//torch:op aten::fft_fftn(a, none, dims?, none)
func FFTN(a Tensor, dims []int64) Tensor

// IFFTN is the inverse of FFTN.
//
//torch:op aten::fft_ifftn(a, none, dims?, none)
func IFFTN(a Tensor, dims []int64) Tensor
