#include "code_kernels.h"
#include "code_values.h"
#include "search_kernels.h"

#include <float.h>
#include <math.h>

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

// A fused multiplication would round once instead of twice: the bounds would depend on the processor.
#pragma STDC FP_CONTRACT OFF

// Rows that are looked at together: their sums are added up as one vector, and their bounds are computed as one.
#define ROWS search_code_window
#define CHUNK 128

// What is the same for every row of a call.
struct bounding {
  // The query's scale and norm.
  float scale, norm;
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

static int32_t product_portable(int bits, const uint8_t *code, long bytes, const int8_t *values) {
  const uint8_t mask = (uint8_t)((1 << bits) - 1);
  int32_t sum = 0;
  for (int field = 0; field < 8 / bits; field++) {
    const int8_t *part = values + field * bytes;
    for (long i = 0; i < bytes; i++) sum += (code[i] >> (bits * field) & mask) * part[i];
  }
  return sum;
}

// The vector versions below compute the same, operation by operation.
static float bound_portable(const struct bounding *common, int32_t sum, uint32_t metadata, float *estimated) {
  // A slot without a code is zero, which the error of a code never is.
  float scale = float_of(metadata & 0xffff0000u), error = metadata & 0xffff ? float_of(metadata << 16) : INFINITY;
  float product = (float)sum - common->correction;
  float scaled = common->scale * product, estimate = scale * scaled;
  float slack = fabsf(scale) * common->slack, residual = error * common->norm;
  *estimated = estimate;
  // The least normal number: what denormal products may lose is not relative to them.
  return ((estimate + slack) + residual) + FLT_MIN;
}

static void filter_portable(
    int bits, const uint8_t *codes, const uint32_t *metadata, long first, long end, long bytes, const int8_t *values,
    const struct bounding *common, float *bounds, struct search_code_masks *found) {
  for (long row = first; row < end; row++) {
    float estimate, upper = bound_portable(common, product_portable(bits, codes + row * bytes, bytes, values), metadata[row], &estimate);
    bounds[row] = upper;
    // Not a number survives.
    if (upper < common->threshold) continue;
    float share = common->nearness * (upper - estimate);
    mark(found, row, 1, estimate + share >= common->threshold);
  }
}

#if defined(__x86_64__) || defined(__aarch64__)

// About how far ahead codes are asked for, in bytes.
#define AHEAD 6144

// Where the codes are that are asked for when those from `row` on are looked at, in bytes from there; beyond the chunk, in the next one.
static long ahead(long row, long bytes, long chunkStride) {
  const long rows = (AHEAD / bytes + ROWS - 1) / ROWS * ROWS;
  return row + rows < CHUNK ? rows * bytes : rows <= CHUNK ? rows * bytes + chunkStride - CHUNK * bytes : chunkStride;
}

#endif

#if defined(__x86_64__)

// Asks for the metadata of the next chunk, once a chunk.
static void ask_for_metadata(const uint32_t *metadata, long row, long chunkStride) {
  if (row == 0)
    for (long line = 0; line < CHUNK * 4; line += 64) _mm_prefetch((const char *)metadata + chunkStride + line, _MM_HINT_T0);
}

// MARK: AVX2

#define AVX2 __attribute__((target("avx2")))

// The sums of eight vectors, in their order.
AVX2 static inline __m256i sums_avx2(const __m256i *v) {
  __m256i first = _mm256_hadd_epi32(_mm256_hadd_epi32(v[0], v[1]), _mm256_hadd_epi32(v[2], v[3]));
  __m256i second = _mm256_hadd_epi32(_mm256_hadd_epi32(v[4], v[5]), _mm256_hadd_epi32(v[6], v[7]));
  return _mm256_add_epi32(_mm256_permute2x128_si256(first, second, 0x20), _mm256_permute2x128_si256(first, second, 0x31));
}

// Of eight rows.
AVX2 static inline __m256i products_avx2(int bits, const uint8_t *codes, long bytes, long ahead, const int8_t *values) {
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

AVX2 static int32_t product_avx2(int bits, const uint8_t *code, long bytes, const int8_t *values) {
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

AVX2 static inline void bound_avx2(
    const struct bounding *common, __m256i products, const uint32_t *metadata, long row, float *bounds, struct search_code_masks *found) {
  const __m256i zero = _mm256_setzero_si256();
  __m256i data = _mm256_loadu_si256((const __m256i *)metadata), low = _mm256_slli_epi32(data, 16);
  __m256 scale = _mm256_castsi256_ps(_mm256_and_si256(data, _mm256_set1_epi32((int)0xffff0000u)));
  __m256 error = _mm256_blendv_ps(_mm256_castsi256_ps(low), _mm256_set1_ps(INFINITY), _mm256_castsi256_ps(_mm256_cmpeq_epi32(low, zero)));
  __m256 product = _mm256_sub_ps(_mm256_cvtepi32_ps(products), _mm256_set1_ps(common->correction));
  __m256 scaled = _mm256_mul_ps(_mm256_set1_ps(common->scale), product), estimate = _mm256_mul_ps(scale, scaled);
  __m256 slack = _mm256_mul_ps(_mm256_andnot_ps(_mm256_set1_ps(-0.0f), scale), _mm256_set1_ps(common->slack));
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

#define AVX512 __attribute__((target("avx512f,avx512vl,avx512bw,avx512vnni")))

// The sums of sixteen vectors, in their order.
AVX512 static inline __m512i sums_avx512(const __m512i *v) {
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
AVX512 static inline __m512i add_products_avx512(int bits, __m512i sum, __m512i packed, const __m512i *parts) {
  const __m512i mask = _mm512_set1_epi8((char)((1 << bits) - 1));
  sum = _mm512_dpbusd_epi32(sum, _mm512_and_si512(packed, mask), parts[0]);
#pragma clang loop unroll(full)
  for (int field = 1; field < 8 / bits; field++)
    sum = _mm512_dpbusd_epi32(sum, _mm512_and_si512(_mm512_srli_epi16(packed, (unsigned)(bits * field)), mask), parts[field]);
  return sum;
}

// Of sixteen rows.
AVX512 static inline __m512i products_avx512(int bits, const uint8_t *codes, long bytes, long ahead, const int8_t *values) {
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
      __m512i packed = _mm512_castsi256_si512(_mm256_loadu_si256((const __m256i *)code));
      packed = _mm512_inserti64x4(packed, _mm256_loadu_si256((const __m256i *)(code + bytes)), 1);
      __m512i sum = add_products_avx512(bits, _mm512_setzero_si512(), packed, parts);
      sums[row] = _mm512_mask_add_epi32(sums[row], 0x00ff, sums[row], sum);
      sums[row + 1] = _mm512_mask_add_epi32(sums[row + 1], 0xff00, sums[row + 1], sum);
    }
  }
  return sums_avx512(sums);
}

AVX512 static int32_t product_avx512(int bits, const uint8_t *code, long bytes, const int8_t *values) {
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

AVX512 static inline void bound_avx512(
    const struct bounding *common, __m512i products, const uint32_t *metadata, long row, float *bounds, struct search_code_masks *found) {
  __m512i data = _mm512_loadu_si512(metadata), low = _mm512_slli_epi32(data, 16);
  __m512 scale = _mm512_castsi512_ps(_mm512_and_si512(data, _mm512_set1_epi32((int)0xffff0000u)));
  __m512 error = _mm512_mask_mov_ps(_mm512_set1_ps(INFINITY), _mm512_test_epi32_mask(low, low), _mm512_castsi512_ps(low));
  __m512 product = _mm512_sub_ps(_mm512_cvtepi32_ps(products), _mm512_set1_ps(common->correction));
  __m512 scaled = _mm512_mul_ps(_mm512_set1_ps(common->scale), product), estimate = _mm512_mul_ps(scale, scaled);
  __m512 slack = _mm512_mul_ps(_mm512_abs_ps(scale), _mm512_set1_ps(common->slack));
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

// Of a signed with a signed vector: no field has more than four bits.
#define DOT __attribute__((target("dotprod")))

DOT static int32_t product_dot(int bits, const uint8_t *code, long bytes, const int8_t *values) {
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

static int32_t product_neon(int bits, const uint8_t *code, long bytes, const int8_t *values) {
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
DOT static inline int32x4_t products_dot(int bits, const uint8_t *codes, long bytes, long ahead, const int8_t *values) {
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

// As bound_portable, of four rows.
static inline void bound_neon(
    const struct bounding *common, int32x4_t products, const uint32_t *metadata, long row, float *bounds, struct search_code_masks *found) {
  const uint32x4_t data = vld1q_u32(metadata), low = vshlq_n_u32(data, 16);
  const float32x4_t scale = vreinterpretq_f32_u32(vandq_u32(data, vdupq_n_u32(0xffff0000u)));
  const float32x4_t error = vbslq_f32(vceqzq_u32(low), vdupq_n_f32(INFINITY), vreinterpretq_f32_u32(low));
  const float32x4_t product = vsubq_f32(vcvtq_f32_s32(products), vdupq_n_f32(common->correction));
  const float32x4_t scaled = vmulq_f32(vdupq_n_f32(common->scale), product);
  const float32x4_t estimate = vmulq_f32(scale, scaled);
  const float32x4_t slack = vmulq_f32(vabsq_f32(scale), vdupq_n_f32(common->slack));
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

static void filter_neon(
    int level, int bits, const uint8_t *codes, const uint32_t *metadata, long first, long end, long bytes, long chunkStride, const int8_t *values,
    const struct bounding *common, float *bounds, struct search_code_masks *found) {
  for (long row = first; row < end; row += 4) {
    const uint8_t *code = codes + row * bytes;
    int32x4_t products;
    if (level >= search_level_dot) {
      const long next = ahead(row, bytes, chunkStride);
      products = bits == 4 ? products_dot(4, code, bytes, next, values) : products_dot(2, code, bytes, next, values);
    } else {
      int32_t each[4];
      for (int place = 0; place < 4; place++) each[place] = product_neon(bits, code + place * bytes, bytes, values);
      products = vld1q_s32(each);
    }
    bound_neon(common, products, metadata + row, row, bounds + row, found);
  }
}

#endif

static struct bounding bounding(int bits, const struct search_code_query *query) {
  const float offset = bits == 4 ? 7.5f : 1.5f;
  return (struct bounding){.scale = query->scale, .norm = query->norm, .correction = offset * query->sum, .slack = offset * query->residual};
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
  if (level >= search_level_neon) filter_neon(level, bits, codes, metadata, first, end, codeBytes, chunkStride, values, &common, bounds, found);
  else
#else
  (void)level, (void)chunkStride;
#endif
    filter_portable(bits, codes, metadata, first, end, codeBytes, values, &common, bounds, found);
}

float search_bound_code(
    int level, int bits, const uint8_t *code, const uint32_t *metadata, long codeBytes, const int8_t *values, const struct search_code_query *query) {
  const struct bounding common = bounding(bits, query);
  int32_t sum;
#if defined(__x86_64__)
  if (level >= search_level_avx512) sum = product_avx512(bits, code, codeBytes, values);
  else if (level == search_level_avx2) sum = product_avx2(bits, code, codeBytes, values);
  else
#elif defined(__aarch64__)
  if (level >= search_level_dot) sum = product_dot(bits, code, codeBytes, values);
  else if (level == search_level_neon) sum = product_neon(bits, code, codeBytes, values);
  else
#else
  (void)level;
#endif
    sum = product_portable(bits, code, codeBytes, values);
  float estimate;
  return bound_portable(&common, sum, *metadata, &estimate);
}
