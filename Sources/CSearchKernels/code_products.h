#ifndef ENGRAM_CODE_PRODUCTS_H
#define ENGRAM_CODE_PRODUCTS_H

// The products of a query with codes, which are exact: every function gives the same.

#include "code_kernels.h"
#include "search_kernels.h"

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

// Rows that are looked at together: their sums are added up as one vector, and their bounds are computed as one.
#define ROWS search_code_window
#define CHUNK 128

#define INLINE static inline __attribute__((always_inline))

static inline int32_t product_portable(int bits, const uint8_t *code, long bytes, const int8_t *values) {
  const uint8_t mask = (uint8_t)((1 << bits) - 1);
  int32_t sum = 0;
  for (int field = 0; field < 8 / bits; field++) {
    const int8_t *part = values + field * bytes;
    for (long i = 0; i < bytes; i++) sum += (code[i] >> (bits * field) & mask) * part[i];
  }
  return sum;
}

#if defined(__x86_64__) || defined(__aarch64__)

// About how far ahead codes are asked for, in bytes.
#define AHEAD 6144

// Where the codes are that are asked for when those from `row` on are looked at, in bytes from there; beyond the chunk, in the next one.
static inline long ahead(long row, long bytes, long chunkStride) {
  const long rows = (AHEAD / bytes + ROWS - 1) / ROWS * ROWS;
  return row + rows < CHUNK ? rows * bytes : rows <= CHUNK ? rows * bytes + chunkStride - CHUNK * bytes : chunkStride;
}

#endif

#if defined(__x86_64__)

// MARK: AVX2

#define AVX2 __attribute__((target("avx2")))

// The sums of eight vectors, in their order.
AVX2 INLINE __m256i sums_avx2(const __m256i *v) {
  __m256i first = _mm256_hadd_epi32(_mm256_hadd_epi32(v[0], v[1]), _mm256_hadd_epi32(v[2], v[3]));
  __m256i second = _mm256_hadd_epi32(_mm256_hadd_epi32(v[4], v[5]), _mm256_hadd_epi32(v[6], v[7]));
  return _mm256_add_epi32(_mm256_permute2x128_si256(first, second, 0x20), _mm256_permute2x128_si256(first, second, 0x31));
}

// Of eight rows.
AVX2 INLINE __m256i products_avx2(int bits, const uint8_t *codes, long bytes, long ahead, const int8_t *values) {
  const __m256i mask = _mm256_set1_epi8((char)((1 << bits) - 1)), ones = _mm256_set1_epi16(1);
  __m256i sums[8];
#pragma clang loop unroll(full)
  for (int row = 0; row < 8; row++) sums[row] = _mm256_setzero_si256();
  for (long i = 0; i < bytes; i += 32) {
#pragma clang loop unroll(full)
    for (int row = 0; row < 8; row++) {
      const uint8_t *code = codes + row * bytes + i;
      _mm_prefetch((const char *)(code + ahead), _MM_HINT_T0);
      __m256i packed = _mm256_loadu_si256((const __m256i *)code);
      // A pair of products is at most 2 · 15 · 127, so eight fit into 16 bits; four of two bits, too.
      __m256i pairs = _mm256_maddubs_epi16(_mm256_and_si256(packed, mask), _mm256_loadu_si256((const __m256i *)(values + i)));
      for (int field = 1; field < 8 / bits; field++) {
        __m256i part = _mm256_and_si256(_mm256_srli_epi16(packed, bits * field), mask);
        pairs = _mm256_add_epi16(pairs, _mm256_maddubs_epi16(part, _mm256_loadu_si256((const __m256i *)(values + field * bytes + i))));
      }
      sums[row] = _mm256_add_epi32(sums[row], _mm256_madd_epi16(pairs, ones));
    }
  }
  return sums_avx2(sums);
}

AVX2 static inline int32_t product_avx2(int bits, const uint8_t *code, long bytes, const int8_t *values) {
  const __m256i mask = _mm256_set1_epi8((char)((1 << bits) - 1)), ones = _mm256_set1_epi16(1);
  __m256i sum = _mm256_setzero_si256();
  for (long i = 0; i < bytes; i += 32) {
    __m256i packed = _mm256_loadu_si256((const __m256i *)(code + i));
    for (int field = 0; field < 8 / bits; field++) {
      __m256i part = _mm256_and_si256(_mm256_srl_epi16(packed, _mm_cvtsi32_si128(bits * field)), mask);
      __m256i pairs = _mm256_maddubs_epi16(part, _mm256_loadu_si256((const __m256i *)(values + field * bytes + i)));
      sum = _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, ones));
    }
  }
  __m128i half = _mm_add_epi32(_mm256_castsi256_si128(sum), _mm256_extracti128_si256(sum, 1));
  half = _mm_add_epi32(half, _mm_shuffle_epi32(half, 0x4e));
  return _mm_cvtsi128_si32(_mm_add_epi32(half, _mm_shuffle_epi32(half, 0xb1)));
}

// MARK: AVX-512

#define AVX512 __attribute__((target("avx512f,avx512vl,avx512bw,avx512vnni")))

// The sums of sixteen vectors, in their order.
AVX512 INLINE __m512i sums_avx512(const __m512i *v) {
  __m512i pairs[8], fours[4];
#pragma clang loop unroll(full)
  for (int i = 0; i < 8; i++) pairs[i] = _mm512_add_epi32(_mm512_unpacklo_epi32(v[2 * i], v[2 * i + 1]), _mm512_unpackhi_epi32(v[2 * i], v[2 * i + 1]));
#pragma clang loop unroll(full)
  for (int i = 0; i < 4; i++)
    fours[i] = _mm512_add_epi32(_mm512_unpacklo_epi64(pairs[2 * i], pairs[2 * i + 1]), _mm512_unpackhi_epi64(pairs[2 * i], pairs[2 * i + 1]));
  __m512i low = _mm512_add_epi32(_mm512_shuffle_i32x4(fours[0], fours[1], 0x88), _mm512_shuffle_i32x4(fours[0], fours[1], 0xdd));
  __m512i high = _mm512_add_epi32(_mm512_shuffle_i32x4(fours[2], fours[3], 0x88), _mm512_shuffle_i32x4(fours[2], fours[3], 0xdd));
  return _mm512_add_epi32(_mm512_shuffle_i32x4(low, high, 0x88), _mm512_shuffle_i32x4(low, high, 0xdd));
}

// Adds the products of 64 bytes of a code, with the query's values of each of its fields.
AVX512 INLINE __m512i add_products_avx512(int bits, __m512i sum, __m512i packed, const __m512i *parts) {
  const __m512i mask = _mm512_set1_epi8((char)((1 << bits) - 1));
  sum = _mm512_dpbusd_epi32(sum, _mm512_and_si512(packed, mask), parts[0]);
#pragma clang loop unroll(full)
  for (int field = 1; field < 8 / bits; field++)
    sum = _mm512_dpbusd_epi32(sum, _mm512_and_si512(_mm512_srli_epi16(packed, (unsigned)(bits * field)), mask), parts[field]);
  return sum;
}

// Of sixteen rows.
AVX512 INLINE __m512i products_avx512(int bits, const uint8_t *codes, long bytes, long ahead, const int8_t *values) {
  __m512i sums[ROWS], parts[4];
#pragma clang loop unroll(full)
  for (int row = 0; row < ROWS; row++) sums[row] = _mm512_setzero_si512();
  long i = 0;
  for (; i + 64 <= bytes; i += 64) {
#pragma clang loop unroll(full)
    for (int field = 0; field < 8 / bits; field++) parts[field] = _mm512_loadu_si512(values + field * bytes + i);
#pragma clang loop unroll(full)
    for (int row = 0; row < ROWS; row++) {
      const uint8_t *code = codes + row * bytes + i;
      _mm_prefetch((const char *)(code + ahead), _MM_HINT_T0);
      sums[row] = add_products_avx512(bits, sums[row], _mm512_loadu_si512(code), parts);
    }
  }
  if (i < bytes) {
    // The last 32 bytes of two rows make a vector.
#pragma clang loop unroll(full)
    for (int field = 0; field < 8 / bits; field++)
      parts[field] = _mm512_broadcast_i64x4(_mm256_loadu_si256((const __m256i *)(values + field * bytes + i)));
#pragma clang loop unroll(full)
    for (int row = 0; row < ROWS; row += 2) {
      const uint8_t *code = codes + row * bytes + i;
      // Where rows end between lines, the first of the two ends in the line in which the second begins.
      _mm_prefetch((const char *)(code + bytes + ahead), _MM_HINT_T0);
      __m512i packed = _mm512_castsi256_si512(_mm256_loadu_si256((const __m256i *)code));
      packed = _mm512_inserti64x4(packed, _mm256_loadu_si256((const __m256i *)(code + bytes)), 1);
      __m512i sum = add_products_avx512(bits, _mm512_setzero_si512(), packed, parts);
      sums[row] = _mm512_mask_add_epi32(sums[row], 0x00ff, sums[row], sum);
      sums[row + 1] = _mm512_mask_add_epi32(sums[row + 1], 0xff00, sums[row + 1], sum);
    }
  }
  return sums_avx512(sums);
}

AVX512 static inline int32_t product_avx512(int bits, const uint8_t *code, long bytes, const int8_t *values) {
  const __m512i mask = _mm512_set1_epi8((char)((1 << bits) - 1));
  __m512i sums[2] = {_mm512_setzero_si512(), _mm512_setzero_si512()};
  for (long i = 0; i < bytes; i += 64) {
    const __mmask64 lanes = bytes - i < 64 ? 0xffffffffull : ~0ull;
    __m512i packed = _mm512_maskz_loadu_epi8(lanes, code + i);
    for (int field = 0; field < 8 / bits; field++) {
      __m512i part = _mm512_and_si512(_mm512_srl_epi16(packed, _mm_cvtsi32_si128(bits * field)), mask);
      sums[field & 1] = _mm512_dpbusd_epi32(sums[field & 1], part, _mm512_maskz_loadu_epi8(lanes, values + field * bytes + i));
    }
  }
  return _mm512_reduce_add_epi32(_mm512_add_epi32(sums[0], sums[1]));
}

#endif

#if defined(__aarch64__)

// MARK: NEON

// Of a signed with a signed vector: no field has more than four bits.
#define DOT __attribute__((target("dotprod")))

DOT static inline int32_t product_dot(int bits, const uint8_t *code, long bytes, const int8_t *values) {
  const uint8x16_t mask = vdupq_n_u8((uint8_t)((1 << bits) - 1));
  int32x4_t sums[2] = {vdupq_n_s32(0), vdupq_n_s32(0)};
  for (long i = 0; i < bytes; i += 16) {
    const uint8x16_t packed = vld1q_u8(code + i);
    for (int field = 0; field < 8 / bits; field++) {
      int8x16_t part = vreinterpretq_s8_u8(vandq_u8(vshlq_u8(packed, vdupq_n_s8((int8_t)(-bits * field))), mask));
      sums[field & 1] = vdotq_s32(sums[field & 1], part, vld1q_s8(values + field * bytes + i));
    }
  }
  return vaddvq_s32(vaddq_s32(sums[0], sums[1]));
}

static inline int32_t product_neon(int bits, const uint8_t *code, long bytes, const int8_t *values) {
  const uint8x16_t mask = vdupq_n_u8((uint8_t)((1 << bits) - 1));
  int32x4_t sum = vdupq_n_s32(0);
  for (long i = 0; i < bytes; i += 16) {
    const uint8x16_t packed = vld1q_u8(code + i);
    for (int field = 0; field < 8 / bits; field++) {
      int8x16_t part = vreinterpretq_s8_u8(vandq_u8(vshlq_u8(packed, vdupq_n_s8((int8_t)(-bits * field))), mask));
      int8x16_t value = vld1q_s8(values + field * bytes + i);
      // Two products are at most 2 · 15 · 127.
      int16x8_t pairs = vmlal_s8(vmull_s8(vget_low_s8(part), vget_low_s8(value)), vget_high_s8(part), vget_high_s8(value));
      sum = vpadalq_s16(sum, pairs);
    }
  }
  return vaddvq_s32(sum);
}

// Of four rows: the memory is waited for while others are added up.
DOT INLINE int32x4_t products_dot(int bits, const uint8_t *codes, long bytes, long ahead, const int8_t *values) {
  const uint8x16_t mask = vdupq_n_u8((uint8_t)((1 << bits) - 1));
  int32x4_t sums[4];
#pragma clang loop unroll(full)
  for (int row = 0; row < 4; row++) sums[row] = vdupq_n_s32(0);
  for (long i = 0; i < bytes; i += 16) {
#pragma clang loop unroll(full)
    for (int row = 0; row < 4; row++) {
      const uint8_t *code = codes + row * bytes + i;
      if (i % 64 == 0) __builtin_prefetch(code + ahead);
      const uint8x16_t packed = vld1q_u8(code);
#pragma clang loop unroll(full)
      for (int field = 0; field < 8 / bits; field++) {
        int8x16_t part = vreinterpretq_s8_u8(vandq_u8(vshlq_u8(packed, vdupq_n_s8((int8_t)(-bits * field))), mask));
        sums[row] = vdotq_s32(sums[row], part, vld1q_s8(values + field * bytes + i));
      }
    }
  }
  return vpaddq_s32(vpaddq_s32(sums[0], sums[1]), vpaddq_s32(sums[2], sums[3]));
}

#endif

// Of one row.
static inline int32_t product_of_code(int level, int bits, const uint8_t *code, long bytes, const int8_t *values) {
#if defined(__x86_64__)
  if (level >= search_level_avx512) return product_avx512(bits, code, bytes, values);
  if (level == search_level_avx2) return product_avx2(bits, code, bytes, values);
#elif defined(__aarch64__)
  if (level >= search_level_dot) return product_dot(bits, code, bytes, values);
  if (level == search_level_neon) return product_neon(bits, code, bytes, values);
#else
  (void)level;
#endif
  return product_portable(bits, code, bytes, values);
}

#endif
