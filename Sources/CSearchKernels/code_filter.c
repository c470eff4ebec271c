#include "code_products.h"
#include "code_tiles.h"
#include "code_values.h"
#include "search_kernels.h"

#include <float.h>
#include <math.h>

// A fused multiplication would round once instead of twice: the bounds would depend on the processor.
#pragma STDC FP_CONTRACT OFF

// What is the same for every row of a call.
struct bounding {
  // The query's scale and norm.
  float scale, norm;
  // In relation to the scale of a row.
  float largestError;
  float correction;
  // The scale of a row times this is what the query's rounding may add.
  float slack;
  float threshold, nearness;
};

static void mark(struct search_code_masks *found, long row, uint64_t possible, uint64_t probable) {
  found->possible[row >> 6] |= possible << (row & 63);
  found->probable[row >> 6] |= probable << (row & 63);
}

// MARK: Portable

// The vector versions below compute the same, operation by operation.
static float bound_portable(const struct bounding *common, int32_t sum, uint32_t metadata, float *estimated) {
  // A slot without a code is zero, which the error of a code never is.
  float scale = float_of(metadata & 0xffff0000u), error = metadata & 0xffff ? float_of(metadata << 16) : INFINITY;
  float product = (float)sum - common->correction;
  float scaled = common->scale * product, estimate = scale * scaled;
  // False if that is infinite, also for a scale of zero.
  if (error > fabsf(scale) * common->largestError) error = INFINITY;
  float slack = fabsf(scale) * common->slack, residual = error * common->norm;
  *estimated = estimate;
  // The least normal number: what denormal products may lose is not relative to them.
  return ((estimate + slack) + residual) + FLT_MIN;
}

static void compare_portable(
    const struct bounding *common, int32_t sum, const uint32_t *metadata, long row, float *bounds, struct search_code_masks *found) {
  float estimate, upper = bound_portable(common, sum, *metadata, &estimate);
  *bounds = upper;
  // Not a number survives.
  if (upper < common->threshold) return;
  float share = common->nearness * (upper - estimate);
  mark(found, row, 1, estimate + share >= common->threshold);
}

static void filter_portable(
    int bits, const uint8_t *codes, const uint32_t *metadata, long first, long end, long bytes, const int8_t *values,
    const struct bounding *common, float *bounds, struct search_code_masks *found) {
  for (long row = first; row < end; row++)
    compare_portable(common, product_portable(bits, codes + row * bytes, bytes, values), metadata + row, row, bounds + row, found);
}

#if defined(__x86_64__)

// Asks for the metadata of the next chunk, once a chunk.
static void ask_for_metadata(const uint32_t *metadata, long row, long chunkStride) {
  if (row == 0)
    for (long line = 0; line < CHUNK * 4; line += 64) _mm_prefetch((const char *)metadata + chunkStride + line, _MM_HINT_T0);
}

// MARK: AVX2

AVX2 static inline void bound_avx2(
    const struct bounding *common, __m256i products, const uint32_t *metadata, long row, float *bounds, struct search_code_masks *found) {
  const __m256i zero = _mm256_setzero_si256();
  __m256i data = _mm256_loadu_si256((const __m256i *)metadata), low = _mm256_slli_epi32(data, 16);
  __m256 scale = _mm256_castsi256_ps(_mm256_and_si256(data, _mm256_set1_epi32((int)0xffff0000u)));
  __m256 error = _mm256_blendv_ps(_mm256_castsi256_ps(low), _mm256_set1_ps(INFINITY), _mm256_castsi256_ps(_mm256_cmpeq_epi32(low, zero)));
  __m256 product = _mm256_sub_ps(_mm256_cvtepi32_ps(products), _mm256_set1_ps(common->correction));
  __m256 scaled = _mm256_mul_ps(_mm256_set1_ps(common->scale), product), estimate = _mm256_mul_ps(scale, scaled);
  __m256 size = _mm256_andnot_ps(_mm256_set1_ps(-0.0f), scale), largest = _mm256_mul_ps(size, _mm256_set1_ps(common->largestError));
  error = _mm256_blendv_ps(error, _mm256_set1_ps(INFINITY), _mm256_cmp_ps(error, largest, _CMP_GT_OQ));
  __m256 slack = _mm256_mul_ps(size, _mm256_set1_ps(common->slack));
  __m256 residual = _mm256_mul_ps(error, _mm256_set1_ps(common->norm));
  __m256 upper = _mm256_add_ps(_mm256_add_ps(_mm256_add_ps(estimate, slack), residual), _mm256_set1_ps(FLT_MIN));
  _mm256_storeu_ps(bounds, upper);
  __m256 threshold = _mm256_set1_ps(common->threshold);
  int possible = _mm256_movemask_ps(_mm256_cmp_ps(upper, threshold, _CMP_NLT_UQ));
  if (!possible) return;
  __m256 share = _mm256_mul_ps(_mm256_set1_ps(common->nearness), _mm256_sub_ps(upper, estimate));
  int probable = _mm256_movemask_ps(_mm256_cmp_ps(_mm256_add_ps(estimate, share), threshold, _CMP_GE_OQ));
  mark(found, row, (uint64_t)possible, (uint64_t)(possible & probable));
}

AVX2 static void filter_avx2(
    int bits, const uint8_t *codes, const uint32_t *metadata, long first, long end, long bytes, long chunkStride, const int8_t *values,
    const struct bounding *common, float *bounds, struct search_code_masks *found) {
  for (long row = first; row < end; row += 8) {
    const long next = ahead(row, bytes, chunkStride);
    const uint8_t *code = codes + row * bytes;
    ask_for_metadata(metadata, row, chunkStride);
    __m256i products = bits == 4 ? products_avx2(4, code, bytes, next, values) : products_avx2(2, code, bytes, next, values);
    bound_avx2(common, products, metadata + row, row, bounds + row, found);
  }
}

// MARK: AVX-512

AVX512 static inline void bound_avx512(
    const struct bounding *common, __m512i products, const uint32_t *metadata, long row, float *bounds, struct search_code_masks *found) {
  __m512i data = _mm512_loadu_si512(metadata), low = _mm512_slli_epi32(data, 16);
  __m512 scale = _mm512_castsi512_ps(_mm512_and_si512(data, _mm512_set1_epi32((int)0xffff0000u)));
  __m512 error = _mm512_mask_mov_ps(_mm512_set1_ps(INFINITY), _mm512_test_epi32_mask(low, low), _mm512_castsi512_ps(low));
  __m512 product = _mm512_sub_ps(_mm512_cvtepi32_ps(products), _mm512_set1_ps(common->correction));
  __m512 scaled = _mm512_mul_ps(_mm512_set1_ps(common->scale), product), estimate = _mm512_mul_ps(scale, scaled);
  __m512 size = _mm512_abs_ps(scale), largest = _mm512_mul_ps(size, _mm512_set1_ps(common->largestError));
  error = _mm512_mask_mov_ps(error, _mm512_cmp_ps_mask(error, largest, _CMP_GT_OQ), _mm512_set1_ps(INFINITY));
  __m512 slack = _mm512_mul_ps(size, _mm512_set1_ps(common->slack));
  __m512 residual = _mm512_mul_ps(error, _mm512_set1_ps(common->norm));
  __m512 upper = _mm512_add_ps(_mm512_add_ps(_mm512_add_ps(estimate, slack), residual), _mm512_set1_ps(FLT_MIN));
  _mm512_storeu_ps(bounds, upper);
  __m512 threshold = _mm512_set1_ps(common->threshold);
  __mmask16 possible = _mm512_cmp_ps_mask(upper, threshold, _CMP_NLT_UQ);
  if (!possible) return;
  __m512 share = _mm512_mul_ps(_mm512_set1_ps(common->nearness), _mm512_sub_ps(upper, estimate));
  mark(found, row, possible, _mm512_mask_cmp_ps_mask(possible, _mm512_add_ps(estimate, share), threshold, _CMP_GE_OQ));
}

AVX512 static void filter_avx512(
    int bits, const uint8_t *codes, const uint32_t *metadata, long first, long end, long bytes, long chunkStride, const int8_t *values,
    const struct bounding *common, float *bounds, struct search_code_masks *found) {
  for (long row = first; row < end; row += ROWS) {
    const long next = ahead(row, bytes, chunkStride);
    const uint8_t *code = codes + row * bytes;
    ask_for_metadata(metadata, row, chunkStride);
    __m512i products = bits == 4 ? products_avx512(4, code, bytes, next, values) : products_avx512(2, code, bytes, next, values);
    bound_avx512(common, products, metadata + row, row, bounds + row, found);
  }
}

#endif

#if defined(__aarch64__)

// MARK: NEON

// As bound_portable, of four rows.
static inline void bound_neon(
    const struct bounding *common, int32x4_t products, const uint32_t *metadata, long row, float *bounds, struct search_code_masks *found) {
  const uint32x4_t data = vld1q_u32(metadata), low = vshlq_n_u32(data, 16);
  const float32x4_t scale = vreinterpretq_f32_u32(vandq_u32(data, vdupq_n_u32(0xffff0000u)));
  const float32x4_t own = vbslq_f32(vceqzq_u32(low), vdupq_n_f32(INFINITY), vreinterpretq_f32_u32(low));
  const float32x4_t product = vsubq_f32(vcvtq_f32_s32(products), vdupq_n_f32(common->correction));
  const float32x4_t scaled = vmulq_f32(vdupq_n_f32(common->scale), product);
  const float32x4_t estimate = vmulq_f32(scale, scaled);
  const float32x4_t size = vabsq_f32(scale), largest = vmulq_f32(size, vdupq_n_f32(common->largestError));
  const float32x4_t error = vbslq_f32(vcgtq_f32(own, largest), vdupq_n_f32(INFINITY), own);
  const float32x4_t slack = vmulq_f32(size, vdupq_n_f32(common->slack));
  const float32x4_t residual = vmulq_f32(error, vdupq_n_f32(common->norm));
  const float32x4_t upper = vaddq_f32(vaddq_f32(vaddq_f32(estimate, slack), residual), vdupq_n_f32(FLT_MIN));
  vst1q_f32(bounds, upper);
  const float32x4_t threshold = vdupq_n_f32(common->threshold);
  const uint32x4_t excluded = vcltq_f32(upper, threshold);
  if (vminvq_u32(excluded)) return;
  const float32x4_t share = vmulq_f32(vdupq_n_f32(common->nearness), vsubq_f32(upper, estimate));
  const uint32x4_t places = {1, 2, 4, 8};
  const uint32_t possible = vaddvq_u32(vbicq_u32(places, excluded));
  const uint32_t near = vaddvq_u32(vandq_u32(places, vcgeq_f32(vaddq_f32(estimate, share), threshold)));
  mark(found, row, possible, possible & near);
}

DOT static void filter_dot(
    int bits, const uint8_t *codes, const uint32_t *metadata, long first, long end, long bytes, long chunkStride, const int8_t *values,
    const struct bounding *common, float *bounds, struct search_code_masks *found) {
  for (long row = first; row < end; row += 4) {
    const long next = ahead(row, bytes, chunkStride);
    const uint8_t *code = codes + row * bytes;
    int32x4_t products = bits == 4 ? products_dot(4, code, bytes, next, values) : products_dot(2, code, bytes, next, values);
    bound_neon(common, products, metadata + row, row, bounds + row, found);
  }
}

static void filter_neon(
    int bits, const uint8_t *codes, const uint32_t *metadata, long first, long end, long bytes, const int8_t *values,
    const struct bounding *common, float *bounds, struct search_code_masks *found) {
  for (long row = first; row < end; row += 4) {
    int32_t each[4];
    for (int place = 0; place < 4; place++) each[place] = product_neon(bits, codes + (row + place) * bytes, bytes, values);
    bound_neon(common, vld1q_s32(each), metadata + row, row, bounds + row, found);
  }
}

#endif

static struct bounding bounding(int bits, const struct search_code_query *query) {
  const float offset = bits == 4 ? 7.5f : 1.5f;
  return (struct bounding){
    .scale = query->scale, .norm = query->norm, .largestError = query->largestError, .correction = offset * query->sum,
    .slack = offset * query->residual};
}

void search_filter_codes(
    int level, int bits, const uint8_t *codes, const uint32_t *metadata, long first, long end, long codeBytes, long chunkStride, const int8_t *values,
    const struct search_code_query *query, float threshold, float nearness, float *bounds, struct search_code_masks *found) {
  struct bounding common = bounding(bits, query);
  common.threshold = threshold;
  common.nearness = nearness;
  *found = (struct search_code_masks){0};
#if defined(__x86_64__)
  if (level >= search_level_avx512) filter_avx512(bits, codes, metadata, first, end, codeBytes, chunkStride, values, &common, bounds, found);
  else if (level == search_level_avx2) filter_avx2(bits, codes, metadata, first, end, codeBytes, chunkStride, values, &common, bounds, found);
  else
#elif defined(__aarch64__)
  if (level >= search_level_dot) filter_dot(bits, codes, metadata, first, end, codeBytes, chunkStride, values, &common, bounds, found);
  else if (level == search_level_neon) filter_neon(bits, codes, metadata, first, end, codeBytes, values, &common, bounds, found);
  else
#else
  (void)level, (void)chunkStride;
#endif
    filter_portable(bits, codes, metadata, first, end, codeBytes, values, &common, bounds, found);
}

float search_bound_code(
    int level, int bits, const uint8_t *code, const uint32_t *metadata, long codeBytes, const int8_t *values, const struct search_code_query *query) {
  const struct bounding common = bounding(bits, query);
  const int32_t sum = product_of_code(level, bits, code, codeBytes, values);
  float estimate;
  return bound_portable(&common, sum, *metadata, &estimate);
}

// MARK: Tiles

// What the queries of a tile are compared with: one or two windows of unpacked codes, from row `row` of the chunk on.
struct tile {
  const uint8_t *room;
  long words, row;
  int windows;
  const uint32_t *metadata;
  // Of the queries of the tile, and what they find.
  const int8_t *values;
  const struct bounding *common;
  float *bounds;
  struct search_code_masks *found;
};

static void filter_tile_portable(int queries, const struct tile *tile) {
  for (int query = 0; query < queries; query++)
    for (int window = 0; window < tile->windows; window++) {
      int32_t sums[ROWS];
      tile_products_portable(tile->room + window * tile->words * WORD_BYTES, tile->words, tile->values + 4 * query, sums);
      for (long place = 0; place < ROWS; place++) {
        const long row = tile->row + window * ROWS + place;
        compare_portable(tile->common + query, sums[place], tile->metadata + row, row, tile->bounds + query * CHUNK + row, tile->found + query);
      }
    }
}

#if defined(__x86_64__)

AVX2 INLINE void filter_part_avx2(int queries, int first, const struct tile *tile) {
  for (long place = 0; place < tile->windows * ROWS; place += 8) {
    __m256i sums[4];
    const uint8_t *room = tile->room + place / ROWS * tile->words * WORD_BYTES + place % ROWS * 4;
    const long row = tile->row + place;
    tile_products_avx2(queries, room, tile->words, tile->values + 4 * first, sums);
#pragma clang loop unroll(full)
    for (int query = 0; query < queries; query++)
      bound_avx2(
          tile->common + first + query, sums[query], tile->metadata + row, row, tile->bounds + (first + query) * CHUNK + row,
          tile->found + first + query);
  }
}

AVX2 static void filter_tile_avx2(int queries, const struct tile *tile) {
  for (int first = 0; first < queries; first += 4)
    switch (queries - first) {
      case 1: filter_part_avx2(1, first, tile); break;
      case 2: filter_part_avx2(2, first, tile); break;
      case 3: filter_part_avx2(3, first, tile); break;
      default: filter_part_avx2(4, first, tile); break;
    }
}

AVX512 INLINE void filter_all_avx512(int queries, int windows, const struct tile *tile) {
  __m512i sums[QUERIES][2];
  tile_products_avx512(queries, windows, tile->room, tile->words, tile->values, sums);
#pragma clang loop unroll(full)
  for (int query = 0; query < queries; query++)
#pragma clang loop unroll(full)
    for (int window = 0; window < windows; window++) {
      const long row = tile->row + window * ROWS;
      bound_avx512(tile->common + query, sums[query][window], tile->metadata + row, row, tile->bounds + query * CHUNK + row, tile->found + query);
    }
}

AVX512 INLINE void filter_windows_avx512(int queries, const struct tile *tile) {
  if (tile->windows == 2) filter_all_avx512(queries, 2, tile);
  else filter_all_avx512(queries, 1, tile);
}

AVX512 static void filter_tile_avx512(int queries, const struct tile *tile) {
  switch (queries) {
    case 1: filter_windows_avx512(1, tile); break;
    case 2: filter_windows_avx512(2, tile); break;
    case 3: filter_windows_avx512(3, tile); break;
    case 4: filter_windows_avx512(4, tile); break;
    case 5: filter_windows_avx512(5, tile); break;
    case 6: filter_windows_avx512(6, tile); break;
    case 7: filter_windows_avx512(7, tile); break;
    default: filter_windows_avx512(8, tile); break;
  }
}

#endif

#if defined(__aarch64__)

// Four queries from `first` on, or those that there are.
static inline void bound_part_neon(int queries, int first, int window, int32x4_t (*sums)[4], const struct tile *tile) {
  for (int query = first; query < queries && query < first + 4; query++)
    for (int part = 0; part < 4; part++) {
      const long row = tile->row + window * ROWS + 4 * part;
      bound_neon(tile->common + query, sums[query - first][part], tile->metadata + row, row, tile->bounds + query * CHUNK + row, tile->found + query);
    }
}

DOT static void filter_tile_dot(int queries, const struct tile *tile) {
  int32x4_t sums[4][4];
  for (int window = 0; window < tile->windows; window++)
    for (int first = 0; first < queries; first += 4) {
      tile_products_dot(tile->room + window * tile->words * WORD_BYTES, tile->words, tile->values + 4 * first, sums);
      bound_part_neon(queries, first, window, sums, tile);
    }
}

static void filter_tile_neon(int queries, const struct tile *tile) {
  int32x4_t sums[4][4];
  for (int window = 0; window < tile->windows; window++)
    for (int first = 0; first < queries; first += 4) {
      tile_products_neon(tile->room + window * tile->words * WORD_BYTES, tile->words, tile->values + 4 * first, sums);
      bound_part_neon(queries, first, window, sums, tile);
    }
}

#endif

static void filter_tile(int level, int queries, const struct tile *tile) {
#if defined(__x86_64__)
  if (level >= search_level_avx512) return filter_tile_avx512(queries, tile);
  if (level == search_level_avx2) return filter_tile_avx2(queries, tile);
#elif defined(__aarch64__)
  if (level >= search_level_dot) return filter_tile_dot(queries, tile);
  if (level == search_level_neon) return filter_tile_neon(queries, tile);
#else
  (void)level;
#endif
  filter_tile_portable(queries, tile);
}

static void unpack(int level, int bits, const uint8_t *codes, long bytes, long ahead, uint8_t *room) {
#if defined(__x86_64__)
  if (level >= search_level_avx512) return unpack_avx512(bits, codes, bytes, ahead, room);
#else
  (void)level, (void)ahead;
#endif
  unpack_portable(bits, codes, bytes, room);
}

// A vector that two cache lines share takes twice as long.
enum { alignment = 64 };

long search_tile_room(long codeBytes, int bits) { return 2 * ROWS * codeBytes * 8 / bits + alignment; }

void search_place_in_tile(const int8_t *values, long count, int place, int8_t *tile) {
  for (long word = 0; word < count / 4; word++) memcpy(tile + (word * QUERIES + place) * 4, values + 4 * word, 4);
}

void search_filter_tiles(
    int level, int bits, const uint8_t *codes, const uint32_t *metadata, long first, long end, long codeBytes, long chunkStride, const int8_t *tiles,
    const struct search_code_query *queries, const float *thresholds, long count, float nearness, uint8_t *room, float *bounds,
    struct search_code_masks *found) {
  const long words = codeBytes * 8 / bits / 4;
  room += -(uintptr_t)room % alignment;
  memset(found, 0, (size_t)count * sizeof *found);
  for (long row = first; row < end; row += 2 * ROWS) {
    struct tile tile = {.room = room, .words = words, .row = row, .windows = end - row < 2 * ROWS ? 1 : 2, .metadata = metadata};
    for (int window = 0; window < tile.windows; window++)
      unpack(level, bits, codes + (row + window * ROWS) * codeBytes, codeBytes, chunkStride, room + window * words * WORD_BYTES);
    for (long query = 0; query < count; query += QUERIES) {
      struct bounding common[QUERIES];
      const int members = count - query < QUERIES ? (int)(count - query) : QUERIES;
      for (int place = 0; place < members; place++) {
        common[place] = bounding(bits, queries + query + place);
        common[place].threshold = thresholds[query + place];
        common[place].nearness = nearness;
      }
      tile.values = tiles + query * words * 4;
      tile.common = common;
      tile.bounds = bounds + query * CHUNK;
      tile.found = found + query;
      filter_tile(level, members, &tile);
    }
  }
}
