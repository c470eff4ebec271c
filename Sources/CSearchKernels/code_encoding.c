#include "code_kernels.h"
#include "code_values.h"
#include "search_kernels.h"

#include <math.h>
#include <string.h>

// A fused multiplication would round once instead of twice: the bytes of a code would depend on the processor.
#pragma STDC FP_CONTRACT OFF
// How vectors are passed does not matter: every function that takes one is inlined.
#pragma GCC diagnostic ignored "-Wpsabi"

// Four rows are encoded at once, a row in each lane, so that each sum has the order of the components: a sum of partial sums would round differently.
// The vectors are those of the compiler: whatever the processor has, the operations on a lane are the same.
enum { lanes = 4 };
typedef float floats __attribute__((vector_size(16)));
typedef double doubles __attribute__((vector_size(32)));
typedef int64_t masks __attribute__((vector_size(32)));
typedef int32_t integers __attribute__((vector_size(16)));
typedef uint32_t unsigned_integers __attribute__((vector_size(16)));

// The nearest bfloat16, ties away from zero.
static uint32_t bfloat_near(double value) { return (bits_of((float)value) + 0x8000) >> 16; }

// The least bfloat16 that is not below a positive value.
static uint32_t bfloat_above(double value) {
  float single = (float)value;
  uint32_t bits = bits_of(single);
  if ((double)single < value) bits++;
  return (bits + 0xffff) >> 16;
}

// What the error may lack: rounding of cblas_sdot, whatever its order, and of the bound itself, relative to ‖x‖ + ‖μ‖.
static double allowance(long dimension) {
  double unit = 0x1p-24, steps = (double)dimension + 16;
  return 1.5 * steps * unit / (1 - steps * unit) + 4e-6;
}

#define INLINE static inline __attribute__((always_inline))

INLINE floats loaded(const float *from) {
  floats value;
  memcpy(&value, from, sizeof value);
  return value;
}

// Component i of each row becomes the lanes of columns[i].
INLINE void transpose(const float *const rows[lanes], long dimension, floats *columns) {
  long i = 0;
  for (; i + lanes <= dimension; i += lanes) {
    floats a = loaded(rows[0] + i), b = loaded(rows[1] + i), c = loaded(rows[2] + i), d = loaded(rows[3] + i);
    floats lowAB = __builtin_shufflevector(a, b, 0, 4, 1, 5), highAB = __builtin_shufflevector(a, b, 2, 6, 3, 7);
    floats lowCD = __builtin_shufflevector(c, d, 0, 4, 1, 5), highCD = __builtin_shufflevector(c, d, 2, 6, 3, 7);
    columns[i] = __builtin_shufflevector(lowAB, lowCD, 0, 1, 4, 5);
    columns[i + 1] = __builtin_shufflevector(lowAB, lowCD, 2, 3, 6, 7);
    columns[i + 2] = __builtin_shufflevector(highAB, highCD, 0, 1, 4, 5);
    columns[i + 3] = __builtin_shufflevector(highAB, highCD, 2, 3, 6, 7);
  }
  for (; i < dimension; i++) columns[i] = (floats){rows[0][i], rows[1][i], rows[2][i], rows[3][i]};
}

INLINE doubles widened(floats value) { return __builtin_convertvector(value, doubles); }

INLINE doubles chosen(masks where, doubles there, doubles elsewhere) { return (doubles)(((masks)there & where) | ((masks)elsewhere & ~where)); }

// ⌊y · inverse⌋, at least −half and at most half − 1; −half if it is not a number.
INLINE integers quantized(doubles y, doubles inverse, double half) {
  doubles value = y * inverse;
  value = chosen(value >= -half, value, (doubles){} - half);
  value = chosen(value >= half, (doubles){} + half - 1, value);
  // Rounded to zero; the mask is −1 where that is above.
  integers whole = __builtin_convertvector(value, integers);
  return whole + __builtin_convertvector((masks)(value < __builtin_convertvector(whole, doubles)), integers);
}

// Sums of a group's second pass.
struct sums {
  doubles product, square;
};

// Encodes `count` consecutive components, at most four, at the same place of as many bytes.
INLINE void encode_bytes(
    const floats *columns, const float *mean, int count, doubles inverse, int half, int shift, struct sums *sums, uint8_t *const codes[lanes], long place) {
  unsigned_integers word = {};
  for (int i = 0; i < count; i++) {
    doubles y = widened(columns[i]) - mean[i];
    integers level = quantized(y, inverse, half);
    doubles value = __builtin_convertvector(level, doubles) + 0.5;
    sums->product += y * value;
    sums->square += value * value;
    word |= (unsigned_integers)(level + half) << (8 * i + shift);
  }
  for (int lane = 0; lane < lanes; lane++) {
    for (int i = 0; i < count; i++) codes[lane][place + i] |= (uint8_t)(word[lane] >> (8 * i));
  }
}

INLINE void encode(
    const float *const rows[lanes], const float *mean, long dimension, int bits, floats *columns, uint8_t *const codes[lanes], uint32_t metadata[lanes]) {
  const double step = bits == 4 ? 0.3352 : 0.9957;
  const int half = 1 << (bits - 1);
  const long bytes = search_code_bytes(dimension, bits);
  transpose(rows, dimension, columns);
  doubles norm = {}, own = {}, inverse, scale;
  double center = 0;
  for (long i = 0; i < dimension; i++) {
    doubles x = widened(columns[i]), y = x - mean[i];
    norm += y * y;
    own += x * x;
    center += (double)mean[i] * mean[i];
  }
  for (int lane = 0; lane < lanes; lane++) {
    double value = norm[lane] > 0 ? 1 / (sqrt(norm[lane] / (double)dimension) * step) : 0;
    inverse[lane] = value < 1e300 ? value : 0;
  }
  struct sums sums = {};
  for (int lane = 0; lane < lanes; lane++) memset(codes[lane], 0, (size_t)bytes);
  for (long first = 0, shift = 0; first < dimension; first += bytes, shift += bits) {
    const long count = dimension - first < bytes ? dimension - first : bytes;
    long j = 0;
    for (; j + 4 <= count; j += 4) encode_bytes(columns + first + j, mean + first + j, 4, inverse, half, (int)shift, &sums, codes, j);
    for (; j < count; j++) encode_bytes(columns + first + j, mean + first + j, 1, inverse, half, (int)shift, &sums, codes, j);
  }
  uint32_t scaleBits[lanes];
  for (int lane = 0; lane < lanes; lane++) {
    scaleBits[lane] = bfloat_near(sums.square[lane] > 0 ? sums.product[lane] / sums.square[lane] : 0);
    scale[lane] = float_of(scaleBits[lane] << 16);
  }
  doubles error = {};
  for (long i = 0; i < dimension; i++) {
    doubles y = widened(columns[i]) - mean[i];
    doubles e = y - scale * (__builtin_convertvector(quantized(y, inverse, half), doubles) + 0.5);
    error += e * e;
  }
  for (int lane = 0; lane < lanes; lane++) {
    double radius = sqrt(error[lane]) * (1 + 1e-9) + allowance(dimension) * (sqrt(own[lane]) + sqrt(center)) + 1e-40;
    metadata[lane] = !(radius < 1e30) || !isfinite(scale[lane]) ? 0x7f80 : scaleBits[lane] << 16 | bfloat_above(radius);
  }
}

typedef void encoder(const float *const rows[lanes], const float *mean, long dimension, int bits, floats *, uint8_t *const codes[lanes], uint32_t *metadata);

static void encode_portable(
    const float *const rows[lanes], const float *mean, long dimension, int bits, floats *columns, uint8_t *const codes[lanes], uint32_t *metadata) {
  encode(rows, mean, dimension, bits, columns, codes, metadata);
}

#if defined(__x86_64__)
__attribute__((target("avx2"))) static void encode_avx2(
    const float *const rows[lanes], const float *mean, long dimension, int bits, floats *columns, uint8_t *const codes[lanes], uint32_t *metadata) {
  encode(rows, mean, dimension, bits, columns, codes, metadata);
}
#endif

void search_encode_rows(
    int level, const float *rows, long count, long stride, const float *mean, long dimension, int bits, uint8_t *codes, uint32_t *metadata) {
  encoder *encode_group = encode_portable;
#if defined(__x86_64__)
  if (level >= search_level_avx2) encode_group = encode_avx2;
#else
  (void)level;
#endif
  const long bytes = search_code_bytes(dimension, bits);
  // 6 KiB for 384 components, 128 KiB for 8,192.
  floats columns[dimension];
  for (long first = 0; first < count; first += lanes) {
    const float *lane_rows[lanes];
    uint8_t *lane_codes[lanes];
    uint32_t lane_metadata[lanes];
    const long used = count - first < lanes ? count - first : lanes;
    for (long lane = 0; lane < lanes; lane++) {
      // Lanes that are left over repeat the last row.
      const long row = first + (lane < used ? lane : used - 1);
      lane_rows[lane] = rows + row * stride;
      lane_codes[lane] = codes + row * bytes;
    }
    encode_group(lane_rows, mean, dimension, bits, columns, lane_codes, lane_metadata);
    memcpy(metadata + first, lane_metadata, (size_t)used * sizeof *metadata);
  }
}
