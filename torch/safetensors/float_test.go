package safetensors

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"
)

// Every gap between two neighbouring binary16 values is tried: at its middle,
// where the even neighbour must win, and one float32 step to both sides of it.
// Together with the exact values this pins the rounding of all float32 values.
func TestFloat16RoundsToNearestEven(t *testing.T) {
	inf := float32(math.Inf(1))
	f := func(x float32, want uint16) {
		t.Helper()
		if got := toFloat16(x); got != want {
			t.Errorf("toFloat16(%g): got %#04x; want %#04x", x, got, want)
		}
		if got := toFloat16(-x); got != want|0x8000 {
			t.Errorf("toFloat16(%g): got %#04x; want %#04x", -x, got, want|0x8000)
		}
	}
	for lo := uint16(0); lo < 0x7c00; lo++ {
		hi := lo + 1
		next := float64(fromFloat16(hi))
		if hi == 0x7c00 {
			next = 65536 // infinity takes the place of the next power of two
		}
		middle := float32((float64(fromFloat16(lo)) + next) / 2)
		f(fromFloat16(lo), lo)
		f(math.Nextafter32(middle, 0), lo)
		f(middle, lo+lo&1)
		f(math.Nextafter32(middle, inf), hi)
	}
	f(65519.996, 0x7bff)
	f(65520, 0x7c00)
	f(math.MaxFloat32, 0x7c00)
	f(inf, 0x7c00)
	f(math.SmallestNonzeroFloat32, 0)
}

// An independent reading of the bits: value = mant × 2^(exp-25).
func TestFloat16Decodes(t *testing.T) {
	for h := range 0x10000 {
		exp, mant := h>>10&0x1f, h&0x3ff
		got := fromFloat16(uint16(h))
		want := math.Ldexp(float64(mant), -24)
		switch {
		case exp == 0x1f && mant != 0:
			require.True(t, got != got, "%#04x must be NaN", h)
			require.Equal(t, uint32(h>>15), math.Float32bits(got)>>31)
			require.Equal(t, uint16(h)|0x200, toFloat16(got), "sign and payload of a NaN must survive")
			continue
		case exp == 0x1f:
			want = math.Inf(1)
		case exp > 0:
			want = math.Ldexp(float64(mant|0x400), exp-25)
		}
		if h&0x8000 != 0 {
			want = -want
		}
		if float64(got) != want || math.Signbit(float64(got)) != (h&0x8000 != 0) {
			t.Fatalf("fromFloat16(%#04x): got %g; want %g", h, got, want)
		}
	}
}

func TestBFloat16RoundsToNearestEven(t *testing.T) {
	f := func(bits uint32, want uint16) {
		t.Helper()
		if got := toBFloat16(math.Float32frombits(bits)); got != want {
			t.Errorf("toBFloat16(%#08x): got %#04x; want %#04x", bits, got, want)
		}
	}
	for hi := uint32(0); hi < 0x10000; hi++ {
		if hi&0x7f80 == 0x7f80 {
			continue
		}
		f(hi<<16, uint16(hi))
		f(hi<<16|0x7fff, uint16(hi))
		f(hi<<16|0x8000, uint16(hi+hi&1))
		f(hi<<16|0x8001, uint16(hi+1))
	}
	f(0x7f800000, 0x7f80)
	f(0xff800000, 0xff80)
	f(0x7f800001, 0x7fc0) // the payload is cut, the NaN stays
	f(0xffffffff, 0xffff)
}

func TestFloat32RoundTrips(t *testing.T) {
	values := []float32{0, 1, -2, 0.5, 65504, 0x1p-24}
	for _, dtype := range []DType{F16, F32, F64} {
		v, err := FromFloat32("x", dtype, []int64{2, 3}, values)
		require.NoError(t, err)
		require.Equal(t, 6, v.Numel())
		got, err := Float32(v)
		require.NoError(t, err)
		require.Equal(t, values, got, dtype)
	}
	v, err := FromFloat32("x", BF16, []int64{1}, []float32{1 + 0x1p-8}) // a tie
	require.NoError(t, err)
	got, err := Float32(v)
	require.NoError(t, err)
	require.Equal(t, []float32{1}, got)
}

func TestFloat32Refuses(t *testing.T) {
	_, err := Float32(View{Name: "n", DType: I64, Shape: []int64{1}, Data: make([]byte, 8)})
	require.EqualError(t, err, `cannot decode tensor "n" as float32: its dtype is I64; want F16, BF16, F32 or F64`)
	require.ErrorContains(t, DecodeFloat32(make([]float32, 2), View{Name: "n", DType: F32, Data: make([]byte, 4)}), "it has 1 elements; want 2")
	_, err = FromFloat32("n", U8, nil, nil)
	require.ErrorContains(t, err, `cannot encode tensor "n" as U8`)
	_, err = FromFloat32("n", F16, []int64{3}, []float32{1})
	require.ErrorContains(t, err, "takes 6 bytes, but there are 2")
}
