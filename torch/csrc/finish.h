// From sums of products to results in AVX-512, for 16 channels of a pixel. Included by
// the forms that are compiled for it.
#pragma once

#include <cmath>
#include <cstdint>

#include <immintrin.h>

#include "form.h"

#define TL_AVX512 __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl")))

namespace torchlit {

// Finish is an Epilogue from one output channel on.
struct Finish {
  const float *scale, *bias;
  float residual, floor;

  Finish(const Epilogue &e, int64_t channel)
      : scale(e.scale.defined() ? e.scale.const_data_ptr<float>() + channel : nullptr),
        bias(e.bias.const_data_ptr<float>() + channel), residual(e.residual), floor(e.floor) {}
};

// load_floats makes floats of 16 bytes, or of 16 bf16.
template <bool Bytes> TL_AVX512 inline __m512 load_floats(const char *p) {
  if constexpr (Bytes) {
    return _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i *>(p))));
  } else {
    const __m512i half = _mm512_cvtepu16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i *>(p)));
    return _mm512_castsi512_ps(_mm512_slli_epi32(half, 16));
  }
}

// finish makes 16 results, not rounded yet, of sums: 32-bit integers for bytes and floats for bf16, whose
// bits are given either way. Channels begin at f's plus first; add is the residual of those channels,
// null without one.
template <bool Bytes> TL_AVX512 inline __m512 finish(const Finish &f, __m512i sums, int64_t first, const char *add) {
  const __m512 bias = _mm512_loadu_ps(f.bias + first);
  __m512 v;
  if constexpr (Bytes) {
    v = _mm512_fmadd_ps(_mm512_cvtepi32_ps(sums), _mm512_loadu_ps(f.scale + first), bias);
    if (add) v = _mm512_fmadd_ps(load_floats<true>(add), _mm512_set1_ps(f.residual), v);
    v = _mm512_min_ps(v, _mm512_set1_ps(255)); // above 2^31 there is no integer
  } else {
    v = _mm512_add_ps(_mm512_castsi512_ps(sums), bias);
    if (add) v = _mm512_add_ps(v, load_floats<false>(add));
  }
  return _mm512_max_ps(v, _mm512_set1_ps(f.floor));
}

// store writes 16 results, rounded to the nearest, halves to even.
template <bool Bytes> TL_AVX512 inline void store(char *p, __m512 v) {
  if constexpr (Bytes) {
    _mm_storeu_si128(reinterpret_cast<__m128i *>(p), _mm512_cvtepi32_epi8(_mm512_cvtps_epi32(v)));
  } else {
    const __m512i bits = _mm512_castps_si512(v), odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
    const __m512i rounded = _mm512_add_epi32(bits, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff)));
    _mm256_storeu_si256(reinterpret_cast<__m256i *>(p), _mm512_cvtepi32_epi16(_mm512_srli_epi32(rounded, 16)));
  }
}

} // namespace torchlit
