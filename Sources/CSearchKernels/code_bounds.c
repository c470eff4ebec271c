#include "code_bounds.h"
#include "code_products.h"
#include "code_values.h"
#include "search_kernels.h"

#include <float.h>
#include <math.h>

// A fused multiplication would round once instead of twice: the bounds would depend on the processor.
#pragma STDC FP_CONTRACT OFF

// What is the same for every row of a call.
struct bounding {
  float scale, norm;
  float correction;
  // s · slack is what the query's rounding may add.
  float slack;
  float center;
  // What rounding may take from a bound, beside what is relative to it.
  float pad;
};

// Of a sum of a bound and the center, more than the rounding of both and of the sum itself.
#define ROUNDING 0x1p-22f

static void bound(const struct bounding *common, const int32_t *products, const uint32_t *metadata, long rows, float *lower, float *upper) {
  for (long row = 0; row < rows; row++) {
    // A slot without a code is zero, which the error of a code never is.
    float scale = float_of(metadata[row] & 0xffff0000u), error = metadata[row] & 0xffff ? float_of(metadata[row] << 16) : INFINITY;
    float estimate = scale * (common->scale * ((float)products[row] - common->correction));
    float slack = fabsf(scale) * common->slack, radius = error * common->norm;
    // The least normal number: what denormal products may lose is not relative to them.
    float above = estimate + slack, below = estimate - slack;
    above = common->center + (above + radius + FLT_MIN);
    below = common->center + (below - radius - FLT_MIN);
    float padAbove = fabsf(above) * ROUNDING, padBelow = fabsf(below) * ROUNDING;
    upper[row] = above + (padAbove + common->pad);
    lower[row] = below - (padBelow + common->pad);
  }
}

#if defined(__x86_64__)

// Of whole windows; returns how many rows they have.
AVX512 static long products_of_windows_avx512(int bits, const uint8_t *codes, long rows, long bytes, const int8_t *values, int32_t *products) {
  long row = 0;
  for (; row + ROWS <= rows; row += ROWS) {
    const uint8_t *code = codes + row * bytes;
    _mm512_storeu_si512(products + row, bits == 4 ? products_avx512(4, code, bytes, AHEAD, values) : products_avx512(2, code, bytes, AHEAD, values));
  }
  return row;
}

AVX2 static long products_of_windows_avx2(int bits, const uint8_t *codes, long rows, long bytes, const int8_t *values, int32_t *products) {
  long row = 0;
  for (; row + 8 <= rows; row += 8) {
    const uint8_t *code = codes + row * bytes;
    const __m256i found = bits == 4 ? products_avx2(4, code, bytes, AHEAD, values) : products_avx2(2, code, bytes, AHEAD, values);
    _mm256_storeu_si256((__m256i *)(products + row), found);
  }
  return row;
}

#endif

static void products_of_rows(int level, int bits, const uint8_t *codes, long rows, long bytes, const int8_t *values, int32_t *products) {
  long row = 0;
#if defined(__x86_64__)
  if (level >= search_level_avx512) row = products_of_windows_avx512(bits, codes, rows, bytes, values, products);
  else if (level == search_level_avx2) row = products_of_windows_avx2(bits, codes, rows, bytes, values, products);
#endif
  for (; row < rows; row++) products[row] = product_of_code(level, bits, codes + row * bytes, bytes, values);
}

void search_bound_codes(
    int level, int bits, const uint8_t *codes, const uint32_t *metadata, long rows, long codeBytes, const int8_t *values, const struct search_code_query *query,
    double center, float *lower, float *upper) {
  const float offset = bits == 4 ? 7.5f : 1.5f, near = (float)center;
  struct bounding common = {query->scale, query->norm, offset * query->sum, offset * query->residual, near, fabsf(near) * ROUNDING + FLT_MIN};
  // The products of 128 rows fit into the first cache.
  int32_t products[128];
  for (long row = 0; row < rows; row += 128) {
    const long count = rows - row < 128 ? rows - row : 128;
    products_of_rows(level, bits, codes + row * codeBytes, count, codeBytes, values, products);
    bound(&common, products, metadata + row, count, lower + row, upper + row);
  }
}
