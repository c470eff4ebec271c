#include "bert_kernels.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

// kernels.inc holds each kernel once, in vectors of LANES floats; a level is one more inclusion with other instructions. ROWS × COLUMNS accumulators
// of the matrix product, COLUMNS weights and one input fit the registers of the level.

#define LANES 4
#define ROWS 2
#define COLUMNS 4
#define NAME(name) name##_portable
#define TARGET
#include "kernels.inc"

#if defined(__x86_64__)

#define LANES 8
#define ROWS 3
#define COLUMNS 4
#define NAME(name) name##_avx2
#define TARGET __attribute__((target("avx2,fma")))
#include "kernels.inc"

#define LANES 16
#define ROWS 6
#define COLUMNS 4
#define NAME(name) name##_avx512
#define TARGET __attribute__((target("avx512f,avx512vl,avx512dq,avx512bw,avx2,fma")))
#include "kernels.inc"

int bert_best_level(void) {
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
      __builtin_cpu_supports("avx512bw"))
    return bert_level_avx512;
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return bert_level_avx2;
  return bert_level_portable;
}

#define DISPATCH(function, ...) \
  switch (level) { \
  case bert_level_avx512: function##_avx512(__VA_ARGS__); break; \
  case bert_level_avx2: function##_avx2(__VA_ARGS__); break; \
  default: function##_portable(__VA_ARGS__); \
  }

#else

int bert_best_level(void) { return bert_level_portable; }

#define DISPATCH(function, ...) function##_portable(__VA_ARGS__);

#endif

void bert_linear(int level, const float *input, long rows, long inputs, const float *weights, const float *bias, long outputs, float *output) {
  DISPATCH(linear, input, rows, inputs, weights, bias, outputs, output)
}

void bert_gelu(int level, float *values, long count) { DISPATCH(gelu, values, count) }

void bert_add_norm(int level, float *values, const float *residual, const float *scale, const float *shift, float epsilon, long rows, long width) {
  DISPATCH(add_norm, values, residual, scale, shift, epsilon, rows, width)
}

// Rows of keys and scores are padded to whole vectors of the widest level.
static long padded(long count) { return (count + 15) / 16 * 16; }

long bert_attention_scratch(long tokens, long headWidth) {
  // Keys of one head with a row for each component, values of one head, scores of a few rows, their results.
  return padded(tokens) * headWidth + tokens * padded(headWidth) + 8 * (padded(tokens) + padded(headWidth));
}

void bert_attention(
    int level, const float *query, const float *key, const float *value, long tokens, long firstRow, long lastRow, long heads, long headWidth,
    float *output, float *scratch) {
  DISPATCH(attention, query, key, value, tokens, firstRow, lastRow, heads, headWidth, padded(tokens), padded(headWidth), output, scratch)
}
