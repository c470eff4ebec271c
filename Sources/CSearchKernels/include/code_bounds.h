#ifndef ENGRAM_CODE_BOUNDS_H
#define ENGRAM_CODE_BOUNDS_H

#include "code_kernels.h"

// Intervals of scores by codes, for rankings that need more than the highest scores. FileFormat.md ("codes") has the proof.

/// Writes between which numbers the scores of consecutive rows lie.
///
/// level: a search_level. center: what search_prepare_code_query has returned. lower and upper: room for `rows` numbers each. A row whose code bounds
/// nothing gets -∞ and ∞, or numbers whose distance is not finite. Every level writes the same bits.
void search_bound_codes(
    int level, int bits, const uint8_t *codes, const uint32_t *metadata, long rows, long codeBytes, const int8_t *values, const struct search_code_query *query,
    double center, float *lower, float *upper);

#endif
