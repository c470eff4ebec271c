#include "search_kernels.h"

#include <stdlib.h>
#include <string.h>

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__) && defined(__linux__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

// Terms that the portable loop looks at together: the compiler makes vectors of them.
#define CHUNK 16

static long find_portable(const unsigned char *terms, long first, long count, const uint32_t *wanted, long wantedCount, uint32_t *found) {
  long hits = 0;
  for (long start = first; start < count; start += CHUNK) {
    uint32_t chunk[CHUNK], isWanted[CHUNK] = {0}, any = 0;
    long length = count - start < CHUNK ? count - start : CHUNK;
    // What is beyond the end is zero, and not looked at below.
    if (length < CHUNK) memset(chunk, 0, sizeof chunk);
    memcpy(chunk, terms + 4 * start, 4 * (size_t)length);
    for (long want = 0; want < wantedCount; want++)
      for (int lane = 0; lane < CHUNK; lane++) isWanted[lane] |= (uint32_t)-(chunk[lane] == wanted[want]);
    for (int lane = 0; lane < CHUNK; lane++) any |= isWanted[lane];
    if (!any) continue;
    for (long lane = 0; lane < length; lane++)
      if (isWanted[lane]) found[hits++] = (uint32_t)(start + lane);
  }
  return hits;
}

#if defined(__x86_64__)

__attribute__((target("avx2"))) static long find_avx2(
    const unsigned char *terms, long count, const uint32_t *wanted, long wantedCount, uint32_t *found) {
  long hits = 0, start = 0;
  for (; start + 8 <= count; start += 8) {
    __m256i chunk = _mm256_loadu_si256((const __m256i *)(terms + 4 * start));
    __m256i any = _mm256_setzero_si256();
    for (long want = 0; want < wantedCount; want++)
      any = _mm256_or_si256(any, _mm256_cmpeq_epi32(chunk, _mm256_set1_epi32((int)wanted[want])));
    unsigned mask = (unsigned)_mm256_movemask_ps(_mm256_castsi256_ps(any));
    for (; mask; mask &= mask - 1) found[hits++] = (uint32_t)(start + __builtin_ctz(mask));
  }
  return hits + find_portable(terms, start, count, wanted, wantedCount, found + hits);
}

__attribute__((target("avx512f,avx512vl,avx512bw"))) static long find_avx512(
    const unsigned char *terms, long count, const uint32_t *wanted, long wantedCount, uint32_t *found) {
  long hits = 0;
  for (long start = 0; start < count; start += 16) {
    __mmask16 lanes = count - start < 16 ? (__mmask16)((1u << (count - start)) - 1) : (__mmask16)0xffff;
    __m512i chunk = _mm512_maskz_loadu_epi32(lanes, terms + 4 * start);
    __mmask16 any = 0;
    for (long want = 0; want < wantedCount; want++)
      any |= _mm512_mask_cmpeq_epi32_mask(lanes, chunk, _mm512_set1_epi32((int)wanted[want]));
    for (unsigned mask = any; mask; mask &= mask - 1) found[hits++] = (uint32_t)(start + __builtin_ctz(mask));
  }
  return hits;
}

static int supported_level(void) {
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512vnni"))
    return search_level_avx512;
  if (__builtin_cpu_supports("avx2")) return search_level_avx2;
  return search_level_portable;
}

#elif defined(__aarch64__)

static int supported_level(void) {
#if defined(__APPLE__)
  // Since the first of them.
  return search_level_dot;
#elif defined(__linux__)
  return getauxval(AT_HWCAP) & HWCAP_ASIMDDP ? search_level_dot : search_level_neon;
#else
  return search_level_neon;
#endif
}

#else

static int supported_level(void) { return search_level_portable; }

#endif

int search_best_level(void) {
  const int supported = supported_level();
  const char *most = getenv("ENGRAM_SEARCH_LEVEL");
  if (!most) return supported;
  if (!strcmp(most, "portable")) return search_level_portable;
#if defined(__aarch64__)
  const char *lower = "neon";
#else
  const char *lower = "avx2";
#endif
  return !strcmp(most, lower) && supported > 1 ? 1 : supported;
}

const char *search_level_name(int level) {
#if defined(__aarch64__)
  if (level >= search_level_dot) return "NEON with dot products";
  if (level == search_level_neon) return "NEON";
#else
  if (level >= search_level_avx512) return "AVX-512";
  if (level == search_level_avx2) return "AVX2";
#endif
  return "portable";
}

long search_find_filtered_terms(const void *terms, long count, const uint64_t *filter, uint32_t *found) {
  const unsigned char *bytes = terms;
  long hits = 0;
  for (long place = 0; place < count; place++) {
    uint16_t bits;
    memcpy(&bits, bytes + 4 * place, sizeof bits);
    // Written in any case: a branch that is taken now and then costs more.
    found[hits] = (uint32_t)place;
    hits += (long)(filter[bits >> 6] >> (bits & 63) & 1);
  }
  return hits;
}

long search_find_terms(int level, const void *terms, long count, const uint32_t *wanted, long wantedCount, uint32_t *found) {
#if defined(__x86_64__)
  if (level >= search_level_avx512) return find_avx512(terms, count, wanted, wantedCount, found);
  if (level == search_level_avx2) return find_avx2(terms, count, wanted, wantedCount, found);
#else
  (void)level;
#endif
  return find_portable(terms, 0, count, wanted, wantedCount, found);
}
