#include "float_sums.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

// Sums side by side, so that an addition need not wait for the one before.
#define PARTS 4

static float product_portable(const float *query, const float *row, long first, long count) {
  float sums[4 * PARTS] = {0}, sum = 0;
  long place = first;
  for (; place + 4 * PARTS <= count; place += 4 * PARTS)
    for (int lane = 0; lane < 4 * PARTS; lane++) sums[lane] += query[place + lane] * row[place + lane];
  for (; place < count; place++) sum += query[place] * row[place];
  for (int lane = 0; lane < 4 * PARTS; lane++) sum += sums[lane];
  return sum;
}

#if defined(__x86_64__)

__attribute__((target("avx2"))) static float product_avx2(const float *query, const float *row, long count) {
  __m256 sums[PARTS] = {_mm256_setzero_ps(), _mm256_setzero_ps(), _mm256_setzero_ps(), _mm256_setzero_ps()};
  long place = 0;
  for (; place + 8 * PARTS <= count; place += 8 * PARTS)
    for (int part = 0; part < PARTS; part++)
      sums[part] = _mm256_add_ps(
          sums[part], _mm256_mul_ps(_mm256_loadu_ps(query + place + 8 * part), _mm256_loadu_ps(row + place + 8 * part)));
  __m256 sum = _mm256_add_ps(_mm256_add_ps(sums[0], sums[1]), _mm256_add_ps(sums[2], sums[3]));
  __m128 half = _mm_add_ps(_mm256_castps256_ps128(sum), _mm256_extractf128_ps(sum, 1));
  half = _mm_add_ps(half, _mm_movehl_ps(half, half));
  half = _mm_add_ss(half, _mm_movehdup_ps(half));
  return _mm_cvtss_f32(half) + product_portable(query, row, place, count);
}

__attribute__((target("avx512f,avx512vl,avx512bw"))) static float product_avx512(const float *query, const float *row, long count) {
  __m512 sums[PARTS] = {_mm512_setzero_ps(), _mm512_setzero_ps(), _mm512_setzero_ps(), _mm512_setzero_ps()};
  long place = 0;
  for (; place + 16 * PARTS <= count; place += 16 * PARTS)
    for (int part = 0; part < PARTS; part++)
      sums[part] = _mm512_fmadd_ps(_mm512_loadu_ps(query + place + 16 * part), _mm512_loadu_ps(row + place + 16 * part), sums[part]);
  for (; place < count; place += 16) {
    __mmask16 lanes = count - place < 16 ? (__mmask16)((1u << (count - place)) - 1) : (__mmask16)0xffff;
    sums[0] = _mm512_fmadd_ps(_mm512_maskz_loadu_ps(lanes, query + place), _mm512_maskz_loadu_ps(lanes, row + place), sums[0]);
  }
  return _mm512_reduce_add_ps(_mm512_add_ps(_mm512_add_ps(sums[0], sums[1]), _mm512_add_ps(sums[2], sums[3])));
}

#endif

float search_float_product(int level, const float *query, const float *row, long count) {
#if defined(__x86_64__)
  if (level == search_level_avx512) return product_avx512(query, row, count);
  if (level == search_level_avx2) return product_avx2(query, row, count);
#endif
  (void)level;
  return product_portable(query, row, 0, count);
}
