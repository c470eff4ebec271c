#include "code_kernels.h"
#include "search_kernels.h"

#include <float.h>
#include <math.h>
#include <string.h>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

long search_code_bytes(long dimension, int bits) { return (dimension * bits + 255) / 256 * 32; }

static float float_of(uint32_t bits) {
  float value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

double search_prepare_code_query(const float *query, const float *mean, long dimension, int bits, int8_t *values, struct search_code_query *prepared) {
  double square = 0, center = 0, residual = 0;
  float greatest = 0;
  for (long i = 0; i < dimension; i++) {
    square += (double)query[i] * query[i];
    center += (double)mean[i] * query[i];
    greatest = fmaxf(greatest, fabsf(query[i]));
  }
  float scale = greatest > 0 ? greatest / 127 : 1, inverse = 1 / scale;
  // Denormal: the whole query is residual.
  if (!(inverse < 1e37f)) inverse = 0;
  long sum = 0;
  memset(values, 0, (size_t)search_code_bytes(dimension, bits) * 8 / (size_t)bits);
  for (long i = 0; i < dimension; i++) {
    float value = nearbyintf(query[i] * inverse);
    value = value > 127 ? 127 : value < -127 ? -127 : value;
    values[i] = (int8_t)value;
    sum += (long)value;
    residual += fabs((double)query[i] - (double)scale * value);
  }
  prepared->scale = scale;
  prepared->sum = (float)sum;
  prepared->residual = nextafterf((float)(residual * (1 + 1e-9)), INFINITY);
  prepared->norm = nextafterf((float)(sqrt(square) * (1 + 1e-9)), INFINITY);
  return center;
}

// MARK: Bounds

// What is the same for every row of a call.
struct bounding {
  const struct search_code_query *query;
  float offset;
  // s · slack is what the query's rounding may add.
  float slack;
};

static void bound(const struct bounding *common, const int32_t *products, const uint32_t *metadata, long rows, float nearness, float threshold,
                  float *bounds, struct search_code_masks *found) {
  memset(found, 0, sizeof *found);
  const float correction = common->offset * common->query->sum;
  for (long row = 0; row < rows; row++) {
    // A slot without a code is zero, which the error of a code never is.
    float scale = float_of(metadata[row] & 0xffff0000u), error = metadata[row] & 0xffff ? float_of(metadata[row] << 16) : INFINITY;
    float estimate = scale * (common->query->scale * ((float)products[row] - correction));
    // The least normal number: what denormal products may lose is not relative to them.
    float upper = estimate + fabsf(scale) * common->slack + error * common->query->norm + FLT_MIN;
    bounds[row] = upper;
    // Not a number survives.
    if (upper < threshold) continue;
    found->possible[row >> 6] |= 1ull << (row & 63);
    if (estimate + nearness * (upper - estimate) >= threshold) found->probable[row >> 6] |= 1ull << (row & 63);
  }
}

static void products_portable(int bits, const uint8_t *codes, long rows, long bytes, const int8_t *values, int32_t *products) {
  const int fields = 8 / bits;
  const uint8_t mask = (uint8_t)((1 << bits) - 1);
  for (long row = 0; row < rows; row++) {
    const uint8_t *code = codes + row * bytes;
    int32_t sum = 0;
    for (int field = 0; field < fields; field++) {
      const int8_t *part = values + field * bytes;
      for (long i = 0; i < bytes; i++) sum += (code[i] >> (bits * field) & mask) * part[i];
    }
    products[row] = sum;
  }
}

#if defined(__x86_64__)

// Rows ahead whose codes are asked for.
#define AHEAD 32

__attribute__((target("avx2"))) static int32_t sum_avx2(__m256i value) {
  __m128i half = _mm_add_epi32(_mm256_castsi256_si128(value), _mm256_extracti128_si256(value, 1));
  half = _mm_add_epi32(half, _mm_shuffle_epi32(half, 0x4e));
  return _mm_cvtsi128_si32(_mm_add_epi32(half, _mm_shuffle_epi32(half, 0xb1)));
}

__attribute__((target("avx2"))) static void products_avx2(int bits, const uint8_t *codes, long rows, long bytes, const int8_t *values, int32_t *products) {
  const __m256i mask = _mm256_set1_epi8((char)((1 << bits) - 1)), ones = _mm256_set1_epi16(1);
  for (long row = 0; row < rows; row++) {
    const uint8_t *code = codes + row * bytes;
    __m256i sum = _mm256_setzero_si256();
    for (long i = 0; i < bytes; i += 32) {
      _mm_prefetch((const char *)(code + AHEAD * bytes + i), _MM_HINT_T0);
      __m256i packed = _mm256_loadu_si256((const __m256i *)(code + i));
      // Pairs of products: at most 2 · 15 · 127 each, so eight of them fit into 16 bits; four of 2 bits, too.
      __m256i pairs;
      if (bits == 4) {
        pairs = _mm256_maddubs_epi16(_mm256_and_si256(packed, mask), _mm256_loadu_si256((const __m256i *)(values + i)));
        pairs = _mm256_add_epi16(
            pairs, _mm256_maddubs_epi16(_mm256_and_si256(_mm256_srli_epi16(packed, 4), mask), _mm256_loadu_si256((const __m256i *)(values + bytes + i))));
      } else {
        pairs = _mm256_maddubs_epi16(_mm256_and_si256(packed, mask), _mm256_loadu_si256((const __m256i *)(values + i)));
        for (int field = 1; field < 4; field++)
          pairs = _mm256_add_epi16(
              pairs, _mm256_maddubs_epi16(
                         _mm256_and_si256(_mm256_srli_epi16(packed, 2 * field), mask), _mm256_loadu_si256((const __m256i *)(values + field * bytes + i))));
      }
      sum = _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, ones));
    }
    products[row] = sum_avx2(sum);
  }
}

#define AVX512 __attribute__((target("avx512f,avx512vl,avx512bw,avx512vnni")))

AVX512 static void products_avx512(int bits, const uint8_t *codes, long rows, long bytes, const int8_t *values, int32_t *products) {
  const __m512i mask = _mm512_set1_epi8((char)((1 << bits) - 1));
  for (long row = 0; row < rows; row++) {
    const uint8_t *code = codes + row * bytes;
    __m512i even = _mm512_setzero_si512(), odd = even;
    for (long i = 0; i < bytes; i += 64) {
      _mm_prefetch((const char *)(code + AHEAD * bytes + i), _MM_HINT_T0);
      // The last 32 bytes of a code may be half a vector.
      __mmask64 lanes = bytes - i < 64 ? 0xffffffffull : ~0ull;
      __m512i packed = _mm512_maskz_loadu_epi8(lanes, code + i);
      even = _mm512_dpbusd_epi32(even, _mm512_and_si512(packed, mask), _mm512_maskz_loadu_epi8(lanes, values + i));
      if (bits == 4) {
        odd = _mm512_dpbusd_epi32(odd, _mm512_and_si512(_mm512_srli_epi16(packed, 4), mask), _mm512_maskz_loadu_epi8(lanes, values + bytes + i));
      } else {
        odd = _mm512_dpbusd_epi32(odd, _mm512_and_si512(_mm512_srli_epi16(packed, 2), mask), _mm512_maskz_loadu_epi8(lanes, values + bytes + i));
        even = _mm512_dpbusd_epi32(even, _mm512_and_si512(_mm512_srli_epi16(packed, 4), mask), _mm512_maskz_loadu_epi8(lanes, values + 2 * bytes + i));
        odd = _mm512_dpbusd_epi32(odd, _mm512_and_si512(_mm512_srli_epi16(packed, 6), mask), _mm512_maskz_loadu_epi8(lanes, values + 3 * bytes + i));
      }
    }
    products[row] = _mm512_reduce_add_epi32(_mm512_add_epi32(even, odd));
  }
}

#endif

void search_filter_codes(
    int level, int bits, const uint8_t *codes, const uint32_t *metadata, long rows, long codeBytes, const int8_t *values, const struct search_code_query *query,
    float threshold, float nearness, float *bounds, struct search_code_masks *found) {
  int32_t products[128];
#if defined(__x86_64__)
  if (level >= search_level_avx512) products_avx512(bits, codes, rows, codeBytes, values, products);
  else if (level == search_level_avx2) products_avx2(bits, codes, rows, codeBytes, values, products);
  else
#endif
    products_portable(bits, codes, rows, codeBytes, values, products);
  float offset = bits == 4 ? 7.5f : 1.5f;
  struct bounding common = {query, offset, offset * query->residual};
  bound(&common, products, metadata, rows, nearness, threshold, bounds, found);
}
