#ifndef ENGRAM_CODE_KERNELS_H
#define ENGRAM_CODE_KERNELS_H

#include <stdint.h>

// Codes of embeddings, and upper bounds of scores by them: a row x is μ + s·b + e, with the mean μ, a scale s, and b of 4 bits (u − 7.5) or 2 bits (u − 1.5)
// a component. FileFormat.md ("codes") has the proof. Every level gives the same results.
//
// With h = search_code_bytes(dimension, bits), byte j of a code has the components j, j + h, j + 2h, …, the first in its lowest bits.

/// Bytes of a row's code: dimension · bits / 8, up to a multiple of 32.
long search_code_bytes(long dimension, int bits);

/// Encodes rows.
///
/// level: a search_level. rows: the first component of each row is `stride` floats after that of the row before. codes: room for search_code_bytes of each
/// row. metadata: gets that of each row: s as bfloat16 in the high half, the error's norm as bfloat16, rounded up, in the low half. A row whose code bounds
/// nothing (not finite, too large) has s = 0 and an infinite error: it always survives, as does a slot whose metadata is zero: no code has an error of
/// zero. The bytes depend on nothing but the row and the mean, whatever the level and the rows beside it. Four rows take little longer than one.
void search_encode_rows(
    int level, const float *rows, long count, long stride, const float *mean, long dimension, int bits, uint8_t *codes, uint32_t *metadata);

/// A query as the bounds need it.
struct search_code_query {
  /// q = scale · q̂ + δ.
  float scale;
  /// Of q̂.
  float sum;
  /// ‖δ‖₁ and ‖q‖, rounded up.
  float residual, norm;
  /// A row whose error is more than so many times |s| always survives; infinite for bounds, which hold for every row.
  float largestError;
};

/// Prepares a query: values gets q̂, 8 bits a component, |q̂| ≤ 127, search_code_bytes · 8 / bits of them, zero behind the dimension.
/// Returns ⟨mean, query⟩.
double search_prepare_code_query(const float *query, const float *mean, long dimension, int bits, int8_t *values, struct search_code_query *prepared);

/// Rows that are looked at together.
enum { search_code_window = 16 };

/// A bit for each of the 128 rows of a chunk, the first row in the lowest bit of the first half.
struct search_code_masks {
  /// The rows that may score enough.
  uint64_t possible[2];
  /// Those of them that probably do.
  uint64_t probable[2];
};

/// Finds which rows of a chunk may score at least `threshold` + ⟨mean, query⟩, and which ones probably do (by a share `nearness` of the way from the
/// estimate to the bound).
///
/// level: a search_level. codes, metadata: those of the 128 rows of a chunk. first, end: the rows to look at, multiples of search_code_window; the bits of
/// others are zero. chunkStride: bytes from the codes of a chunk to those of the next, whose memory is asked for ahead. bounds: room for 128, gets the upper bounds, without ⟨mean, query⟩. The products are exact and the bounds are computed by the same
/// operations in the same order, so every level finds the same.
void search_filter_codes(
    int level, int bits, const uint8_t *codes, const uint32_t *metadata, long first, long end, long codeBytes, long chunkStride, const int8_t *values,
    const struct search_code_query *query, float threshold, float nearness, float *bounds, struct search_code_masks *found);

/// Queries that are compared together with the same codes.
enum { search_tile_queries = 8 };

/// Bytes of room for the unpacked codes of two windows.
long search_tile_room(long codeBytes, int bits);

/// Puts the values of a query into a tile, in which word k of each of its queries follows word k of the query before.
///
/// values: `count` of them, as search_prepare_code_query has written them. place: of the query in its tile. tile: `count` · search_tile_queries values,
/// zero where there is no query.
void search_place_in_tile(const int8_t *values, long count, int place, int8_t *tile);

/// Does for several queries what search_filter_codes does for one, and finds the same, bit for bit. Codes are unpacked once for all queries, so this takes less
/// time than a call for each from about three queries on.
///
/// tiles: those of the queries, one behind the other. queries, thresholds: `count` of each. room: search_tile_room bytes at any alignment. bounds: room for
/// 128 of each query. found: gets that of each query.
void search_filter_tiles(
    int level, int bits, const uint8_t *codes, const uint32_t *metadata, long first, long end, long codeBytes, long chunkStride, const int8_t *tiles,
    const struct search_code_query *queries, const float *thresholds, long count, float nearness, uint8_t *room, float *bounds,
    struct search_code_masks *found);

/// The upper bound of one row, as above.
///
/// code, metadata: of the row.
float search_bound_code(
    int level, int bits, const uint8_t *code, const uint32_t *metadata, long codeBytes, const int8_t *values, const struct search_code_query *query);

#endif
