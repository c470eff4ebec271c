#ifndef ENGRAM_SEARCH_KERNELS_H
#define ENGRAM_SEARCH_KERNELS_H

#include <stdint.h>

// The inner loops of searches. No function allocates or keeps state: any number of threads may call them on buffers of their own. Every level gives the
// same results, except that of float_sums.h.

/// Instructions that a function uses. A level that the processor lacks must not be passed.
enum search_level {
  /// What every processor that the project builds for has.
  search_level_portable = 0,
  search_level_avx2 = 1,
  /// AVX-512 F, VL, BW and VNNI.
  search_level_avx512 = 2,
  /// What every 64-bit processor of ARM has, and its products of bytes (DotProd).
  search_level_neon = 1,
  search_level_dot = 2,
};

/// The highest level of this processor; a lower one if the environment variable ENGRAM_SEARCH_LEVEL asks for it: portable, or avx2 or neon.
int search_best_level(void);

/// What people call a level; a constant.
const char *search_level_name(int level);

/// The places of those terms that are wanted, in ascending order.
///
/// terms: `count` terms of 32 bits at any alignment, in any byte order; wanted: `wantedCount` terms in the same one, at least one; found: room for
/// `count` places. Returns how many were found. O(count × wantedCount / lanes of the level).
long search_find_terms(int level, const void *terms, long count, const uint32_t *wanted, long wantedCount, uint32_t *found);

/// The places of terms whose first two bytes, as a number of the machine, have their bit in a filter of 65,536 bits: of those that are wanted and of a
/// few others. For queries of many terms. Parameters and result as above. O(count).
long search_find_filtered_terms(const void *terms, long count, const uint64_t *filter, uint32_t *found);

/// Asks the memory for bytes that will be read soon.
static inline void search_prefetch(const void *bytes, long count) {
  for (long place = 0; place < count; place += 64) __builtin_prefetch((const char *)bytes + place);
}

/// For a loop that waits for another thread: lets the processor rest for some tens of nanoseconds.
static inline void search_pause(void) {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("isb");
#endif
}

#endif
