#ifndef ENGRAM_CODE_TILES_H
#define ENGRAM_CODE_TILES_H

// The products of several queries with the codes of 16 or 32 rows, which are exact: every function gives the same.
//
// The codes of a window of 16 rows are first unpacked to bytes and transposed: word k of the room of a window has, for each row, the four components that
// word k of a query's values belongs to. So the lanes of a vector are rows, a sum is a lane, and none is added up across lanes. Unpacking costs as much as
// some queries; each further query costs one product of bytes for four components of a row.

#include "code_kernels.h"
#include "code_products.h"

#include <string.h>

#define QUERIES search_tile_queries
#define WORD_BYTES (4 * ROWS)

// MARK: Unpacking

typedef uint32_t four_words __attribute__((vector_size(16)));

INLINE four_words load_words(const uint8_t *bytes) {
  four_words words;
  memcpy(&words, bytes, sizeof words);
  return words;
}

// The bytes of a code from `start` on, a multiple of 16, of all rows of a window.
INLINE void unpack_from(int bits, const uint8_t *codes, long bytes, long start, uint8_t *room) {
  const uint32_t mask = ((1u << bits) - 1) * 0x01010101u;
  for (long i = start; i < bytes; i += 16) {
    for (long row = 0; row < ROWS; row += 4) {
      const uint8_t *code = codes + row * bytes + i;
      const four_words a = load_words(code), b = load_words(code + bytes), c = load_words(code + 2 * bytes), d = load_words(code + 3 * bytes);
      const four_words ab = __builtin_shufflevector(a, b, 0, 4, 1, 5), cd = __builtin_shufflevector(c, d, 0, 4, 1, 5);
      const four_words above = __builtin_shufflevector(a, b, 2, 6, 3, 7), below = __builtin_shufflevector(c, d, 2, 6, 3, 7);
      const four_words columns[4] = {
        __builtin_shufflevector(ab, cd, 0, 1, 4, 5), __builtin_shufflevector(ab, cd, 2, 3, 6, 7),
        __builtin_shufflevector(above, below, 0, 1, 4, 5), __builtin_shufflevector(above, below, 2, 3, 6, 7)};
#pragma clang loop unroll(full)
      for (int column = 0; column < 4; column++)
        for (int field = 0; field < 8 / bits; field++) {
          const four_words part = columns[column] >> (uint32_t)(bits * field) & mask;
          memcpy(room + ((field * bytes + i) / 4 + column) * WORD_BYTES + 4 * row, &part, sizeof part);
        }
    }
  }
}

static inline void unpack_portable(int bits, const uint8_t *codes, long bytes, uint8_t *room) {
  if (bits == 4) unpack_from(4, codes, bytes, 0, room);
  else unpack_from(bits, codes, bytes, 0, room);
}

#if defined(__x86_64__)

AVX512 INLINE void transpose_avx512(__m512i *v) {
  __m512i t[16];
#pragma clang loop unroll(full)
  for (int i = 0; i < 16; i += 2) {
    t[i] = _mm512_unpacklo_epi32(v[i], v[i + 1]);
    t[i + 1] = _mm512_unpackhi_epi32(v[i], v[i + 1]);
  }
#pragma clang loop unroll(full)
  for (int i = 0; i < 16; i += 4) {
    v[i] = _mm512_unpacklo_epi64(t[i], t[i + 2]);
    v[i + 1] = _mm512_unpackhi_epi64(t[i], t[i + 2]);
    v[i + 2] = _mm512_unpacklo_epi64(t[i + 1], t[i + 3]);
    v[i + 3] = _mm512_unpackhi_epi64(t[i + 1], t[i + 3]);
  }
  // Each quarter q of v[i + j] now has column 4 q + j of the rows from i on.
#pragma clang loop unroll(full)
  for (int j = 0; j < 4; j++) {
    const __m512i a = _mm512_shuffle_i32x4(v[j], v[4 + j], 0x88), b = _mm512_shuffle_i32x4(v[j], v[4 + j], 0xdd);
    const __m512i c = _mm512_shuffle_i32x4(v[8 + j], v[12 + j], 0x88), d = _mm512_shuffle_i32x4(v[8 + j], v[12 + j], 0xdd);
    t[j] = _mm512_shuffle_i32x4(a, c, 0x88);
    t[4 + j] = _mm512_shuffle_i32x4(b, d, 0x88);
    t[8 + j] = _mm512_shuffle_i32x4(a, c, 0xdd);
    t[12 + j] = _mm512_shuffle_i32x4(b, d, 0xdd);
  }
#pragma clang loop unroll(full)
  for (int i = 0; i < 16; i++) v[i] = t[i];
}

AVX512 INLINE void unpack_whole_avx512(int bits, const uint8_t *codes, long bytes, long ahead, uint8_t *room) {
  const __m512i mask = _mm512_set1_epi8((char)((1 << bits) - 1));
  long i = 0;
  for (; i + 64 <= bytes; i += 64) {
    __m512i columns[ROWS];
#pragma clang loop unroll(full)
    for (int row = 0; row < ROWS; row++) {
      _mm_prefetch((const char *)(codes + row * bytes + i + ahead), _MM_HINT_T0);
      columns[row] = _mm512_loadu_si512(codes + row * bytes + i);
    }
    transpose_avx512(columns);
#pragma clang loop unroll(full)
    for (int column = 0; column < 16; column++) {
      uint8_t *word = room + (i / 4 + column) * WORD_BYTES;
      _mm512_storeu_si512(word, _mm512_and_si512(columns[column], mask));
      for (int field = 1; field < 8 / bits; field++)
        _mm512_storeu_si512(
            word + field * bytes / 4 * WORD_BYTES, _mm512_and_si512(_mm512_srli_epi16(columns[column], (unsigned)(bits * field)), mask));
    }
  }
  unpack_from(bits, codes, bytes, i, room);
}

AVX512 static inline void unpack_avx512(int bits, const uint8_t *codes, long bytes, long ahead, uint8_t *room) {
  if (bits == 4) unpack_whole_avx512(4, codes, bytes, ahead, room);
  else unpack_whole_avx512(bits, codes, bytes, ahead, room);
}

#endif

// MARK: Products

static inline void tile_products_portable(const uint8_t *room, long words, const int8_t *values, int32_t *sums) {
  for (int row = 0; row < ROWS; row++) sums[row] = 0;
  for (long word = 0; word < words; word++)
    for (int row = 0; row < ROWS; row++)
      for (int byte = 0; byte < 4; byte++) sums[row] += room[word * WORD_BYTES + 4 * row + byte] * values[word * 4 * QUERIES + byte];
}

// Four components of a query, which lie together.
INLINE int32_t word_of(const int8_t *values) {
  int32_t word;
  memcpy(&word, values, sizeof word);
  return word;
}

#if defined(__x86_64__)

// Of eight rows and at most four queries.
AVX2 INLINE void tile_products_avx2(int queries, const uint8_t *room, long words, const int8_t *values, __m256i *sums) {
  const __m256i ones = _mm256_set1_epi16(1);
#pragma clang loop unroll(full)
  for (int query = 0; query < queries; query++) sums[query] = _mm256_setzero_si256();
  // Eight pairs of products are at most 8 · 2 · 15 · 127, which fits into 16 bits. The words of a code are a multiple of 8.
  for (long word = 0; word < words; word += 8) {
    __m256i pairs[4];
#pragma clang loop unroll(full)
    for (int query = 0; query < queries; query++) pairs[query] = _mm256_setzero_si256();
#pragma clang loop unroll(full)
    for (int step = 0; step < 8; step++) {
      const __m256i code = _mm256_loadu_si256((const __m256i *)(room + (word + step) * WORD_BYTES));
#pragma clang loop unroll(full)
      for (int query = 0; query < queries; query++) {
        const __m256i value = _mm256_set1_epi32(word_of(values + ((word + step) * QUERIES + query) * 4));
        pairs[query] = _mm256_add_epi16(pairs[query], _mm256_maddubs_epi16(code, value));
      }
    }
#pragma clang loop unroll(full)
    for (int query = 0; query < queries; query++) sums[query] = _mm256_add_epi32(sums[query], _mm256_madd_epi16(pairs[query], ones));
  }
}

// Of one or two windows and at most QUERIES queries.
AVX512 INLINE void tile_products_avx512(
    int queries, int windows, const uint8_t *room, long words, const int8_t *values, __m512i (*sums)[2]) {
#pragma clang loop unroll(full)
  for (int query = 0; query < queries; query++) sums[query][0] = sums[query][1] = _mm512_setzero_si512();
  for (long word = 0; word < words; word++) {
    __m512i codes[2];
#pragma clang loop unroll(full)
    for (int window = 0; window < windows; window++) codes[window] = _mm512_loadu_si512(room + (window * words + word) * WORD_BYTES);
#pragma clang loop unroll(full)
    for (int query = 0; query < queries; query++) {
      const __m512i value = _mm512_set1_epi32(word_of(values + (word * QUERIES + query) * 4));
#pragma clang loop unroll(full)
      for (int window = 0; window < windows; window++) sums[query][window] = _mm512_dpbusd_epi32(sums[query][window], codes[window], value);
    }
  }
}

#endif

#if defined(__aarch64__)

// Of sixteen rows and four queries: behind the last query of a tile, its values are zero.
DOT INLINE void tile_products_dot(const uint8_t *room, long words, const int8_t *values, int32x4_t (*sums)[4]) {
#pragma clang loop unroll(full)
  for (int query = 0; query < 4; query++)
    for (int part = 0; part < 4; part++) sums[query][part] = vdupq_n_s32(0);
  for (long word = 0; word < words; word++) {
    const int8x16_t value = vld1q_s8(values + word * QUERIES * 4);
#pragma clang loop unroll(full)
    for (int part = 0; part < 4; part++) {
      const int8x16_t code = vreinterpretq_s8_u8(vld1q_u8(room + word * WORD_BYTES + 16 * part));
      sums[0][part] = vdotq_laneq_s32(sums[0][part], code, value, 0);
      sums[1][part] = vdotq_laneq_s32(sums[1][part], code, value, 1);
      sums[2][part] = vdotq_laneq_s32(sums[2][part], code, value, 2);
      sums[3][part] = vdotq_laneq_s32(sums[3][part], code, value, 3);
    }
  }
}

static inline void tile_products_neon(const uint8_t *room, long words, const int8_t *values, int32x4_t (*sums)[4]) {
  for (int query = 0; query < 4; query++) {
    for (int part = 0; part < 4; part++) sums[query][part] = vdupq_n_s32(0);
    for (long word = 0; word < words; word++) {
      const int8x16_t value = vreinterpretq_s8_s32(vdupq_n_s32(word_of(values + (word * QUERIES + query) * 4)));
      for (int part = 0; part < 4; part++) {
        const int8x16_t code = vreinterpretq_s8_u8(vld1q_u8(room + word * WORD_BYTES + 16 * part));
        const int16x8_t first = vmull_s8(vget_low_s8(code), vget_low_s8(value)), second = vmull_s8(vget_high_s8(code), vget_high_s8(value));
        // Two products are at most 2 · 15 · 127.
        sums[query][part] = vpadalq_s16(sums[query][part], vpaddq_s16(first, second));
      }
    }
  }
}

#endif

#endif
