// What Winograd's convolution computes, for vectors of one length. winograd.cc includes
// this file once for each instruction set, with TL_LANES floats in a vector, TL_COLUMNS
// vectors and TL_ROWS tiles in the registers of a product, and TL_TARGET to tell the
// compiler: a function without it may not use the instructions, not even inlined. So no
// header is included here and no lambda used.
//
// The transforms are those of A. Lavin and S. Gray, Fast Algorithms for Convolutional
// Neural Networks (2015), F(4×4, 3×3), with the points 0, ±1, ±2 and infinity.

typedef float Vector __attribute__((vector_size(4 * TL_LANES), aligned(4), may_alias));

TL_TARGET TL_INLINE void transform_line(const Vector *d, int64_t step, Vector *t) {
  const Vector d0 = d[0], d1 = d[step], d2 = d[2 * step], d3 = d[3 * step], d4 = d[4 * step], d5 = d[5 * step];
  const Vector even = d4 - 4.0f * d2, odd = d3 - 4.0f * d1;
  const Vector near = d4 - d2, far = 2.0f * (d3 - d1);
  t[0] = 4.0f * d0 - 5.0f * d2 + d4;
  t[1] = even + odd;
  t[2] = even - odd;
  t[3] = near + far;
  t[4] = near - far;
  t[5] = 4.0f * d1 - 5.0f * d3 + d5;
}

// transform_in writes one tile, whose 6×6 pixels begin at row and column of an image, to
// v[36][·][channels]; what is outside of the image is 0.
TL_TARGET void transform_in(const Image &image, int64_t row, int64_t column, float *v, int64_t stride) {
  const int64_t line = image.width * image.channels;
  for (int64_t c = 0; c < image.channels; c += TL_LANES) {
    Vector pixels[36], half[36];
    for (int64_t y = 0; y < 6; y++) {
      const bool in = row + y >= 0 && row + y < image.height;
      const float *p = image.data + (row + y) * line + column * image.channels + c;
      for (int64_t x = 0; x < 6; x++, p += image.channels) {
        const bool inside = in && column + x >= 0 && column + x < image.width;
        pixels[6 * y + x] = inside ? *reinterpret_cast<const Vector *>(p) : Vector{};
      }
    }
    for (int64_t x = 0; x < 6; x++) transform_line(pixels + x, 6, half + 6 * x);
    for (int64_t y = 0; y < 6; y++) {
      Vector out[6];
      transform_line(half + y, 6, out);
      for (int64_t x = 0; x < 6; x++) *reinterpret_cast<Vector *>(v + (6 * y + x) * stride + c) = out[x];
    }
  }
}

TL_TARGET TL_INLINE void sum_line(const Vector *m, int64_t step, Vector *y) {
  const Vector m0 = m[0], m1 = m[step], m2 = m[2 * step], m3 = m[3 * step], m4 = m[4 * step], m5 = m[5 * step];
  const Vector sum1 = m1 + m2, difference1 = m1 - m2, sum2 = m3 + m4, difference2 = m3 - m4;
  y[0] = m0 + sum1 + sum2;
  y[1] = difference1 + 2.0f * difference2;
  y[2] = sum1 + 4.0f * sum2;
  y[3] = difference1 + 8.0f * difference2 + m5;
}

// transform_out writes one tile's 4×4 results of m[36][·][channels], or as many of them
// as are inside of the image, with the bias, what was there before (add) and the rectifier.
TL_TARGET void transform_out(const float *m, int64_t stride, const float *bias, bool relu, const float *add,
                             const Image &image, int64_t row, int64_t column) {
  const int64_t line = image.width * image.channels, first = row * line + column * image.channels;
  const int64_t rows = image.height - row < 4 ? image.height - row : 4;
  const int64_t columns = image.width - column < 4 ? image.width - column : 4;
  for (int64_t c = 0; c < image.channels; c += TL_LANES) {
    Vector half[24], out[4];
    for (int64_t x = 0; x < 6; x++) {
      Vector in[6];
      for (int64_t y = 0; y < 6; y++) in[y] = *reinterpret_cast<const Vector *>(m + (6 * y + x) * stride + c);
      sum_line(in, 1, half + 4 * x);
    }
    const Vector b = *reinterpret_cast<const Vector *>(bias + c);
    for (int64_t y = 0; y < rows; y++) {
      sum_line(half + y, 4, out);
      for (int64_t x = 0; x < columns; x++) {
        const int64_t at = first + y * line + x * image.channels + c;
        Vector sum = out[x] + b;
        if (add) sum += *reinterpret_cast<const Vector *>(add + at);
        if (relu) sum = sum > 0.0f ? sum : Vector{};
        *reinterpret_cast<Vector *>(image.data + at) = sum;
      }
    }
  }
}

// product is [Rows, depth] × [depth, columns] with the results in registers.
template <int Rows>
TL_TARGET void product(const float *v, const float *u, float *m, int64_t depth, int64_t width) {
  Vector sums[Rows][TL_COLUMNS] = {};
  for (int64_t d = 0; d < depth; d++, u += TL_COLUMNS * TL_LANES) {
    Vector weights[TL_COLUMNS];
#pragma GCC unroll 8
    for (int c = 0; c < TL_COLUMNS; c++) weights[c] = *reinterpret_cast<const Vector *>(u + c * TL_LANES);
#pragma GCC unroll 8
    for (int r = 0; r < Rows; r++) {
      const float x = v[r * depth + d];
#pragma GCC unroll 8
      for (int c = 0; c < TL_COLUMNS; c++) sums[r][c] += x * weights[c];
    }
  }
#pragma GCC unroll 8
  for (int r = 0; r < Rows; r++) {
#pragma GCC unroll 8
    for (int c = 0; c < TL_COLUMNS; c++) *reinterpret_cast<Vector *>(m + r * width + c * TL_LANES) = sums[r][c];
  }
}

// multiply is [tiles, depth] × [depth, width], the latter in panels of as many columns as
// product takes.
TL_TARGET void multiply(const float *v, const float *u, float *m, int64_t tiles, int64_t depth, int64_t width) {
  for (int64_t column = 0; column < width; column += TL_COLUMNS * TL_LANES, u += depth * TL_COLUMNS * TL_LANES) {
    const float *rows = v;
    float *out = m + column;
    int64_t left = tiles;
    for (; left >= TL_ROWS; left -= TL_ROWS, rows += TL_ROWS * depth, out += TL_ROWS * width) {
      product<TL_ROWS>(rows, u, out, depth, width);
    }
    switch (left) {
    case 5: product<5>(rows, u, out, depth, width); break;
    case 4: product<4>(rows, u, out, depth, width); break;
    case 3: product<3>(rows, u, out, depth, width); break;
    case 2: product<2>(rows, u, out, depth, width); break;
    case 1: product<1>(rows, u, out, depth, width); break;
    }
  }
}
