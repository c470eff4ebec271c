#ifndef ENGRAM_FLOAT_SUMS_H
#define ENGRAM_FLOAT_SUMS_H

#include "search_kernels.h"

/// The dot product of a query and a row, rounded after every step, in an order that depends on the level: the last bits differ between levels and from
/// those of BLAS. So the result is only good for bounds. It is off by at most γ = count·2⁻²⁴/(1 − count·2⁻²⁴) times the sum of the magnitudes of the
/// products, and by less than count·2⁻¹²⁴ where a product is too small for a normal number.
///
/// query, row: `count` components at any alignment. O(count).
float search_float_product(int level, const float *query, const float *row, long count);

#endif
