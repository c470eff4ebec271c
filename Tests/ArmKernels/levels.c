// Whether every level of this processor bounds scores as the portable one does, bit for bit. Prints what differs; exit code 1 if anything does.
// SearchKernelTests do the same on the machine that runs the tests; this program is for processors that only an emulator has.

#include "code_kernels.h"
#include "search_kernels.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { chunk = 128 };

static float component(void) { return (float)(drand48() * 2 - 1); }

struct found {
  float bounds[chunk];
  struct search_code_masks masks;
};

// R divided by |s|.
static float relative_error(uint32_t metadata) {
  const uint32_t high = metadata & 0xffff0000u, low = metadata << 16;
  float scale, error;
  memcpy(&scale, &high, 4), memcpy(&error, &low, 4);
  return error / fabsf(scale);
}

// Compares several queries at once with the codes of a chunk: each must find what the portable level finds for it alone.
static int compare_tiles(long dimension, int bits, const uint8_t *codes, const uint32_t *metadata, const float *mean, int *compared) {
  enum { most = 13, tiles = 2 };
  const long codeBytes = search_code_bytes(dimension, bits), count = codeBytes * 8 / bits, counts[] = {1, 4, 5, 8, most}, ends[] = {128, 16, 112, 128, 48};
  int8_t *values = malloc((size_t)(most * count)), *tile = calloc((size_t)(tiles * search_tile_queries), (size_t)count);
  float *vector = malloc((size_t)dimension * 4), *bounds = malloc(most * chunk * 4), thresholds[most];
  uint8_t *room = malloc((size_t)search_tile_room(codeBytes, bits));
  struct search_code_query queries[most];
  struct search_code_masks masks[most];
  int wrong = 0;
  for (int number = 0; number < most; number++) {
    for (long i = 0; i < dimension; i++) vector[i] = number == 3 ? i % 2 * 2 - 1 : component();
    search_prepare_code_query(vector, mean, dimension, bits, values + number * count, queries + number);
    // Some rows have larger errors, some smaller ones.
    if (number % 3 == 1) queries[number].largestError = relative_error(metadata[number]);
    search_place_in_tile(values + number * count, count, number % search_tile_queries, tile + number / search_tile_queries * search_tile_queries * count);
    thresholds[number] = (float[]){0, 0.1f, -0.2f, 1, INFINITY, -INFINITY}[number % 6];
  }
  for (int level = search_level_portable; level <= search_best_level(); level++)
    for (int round = 0; round < 5; round++) {
      int differs = 0;
      search_filter_tiles(level, bits, codes, metadata, 0, ends[round], codeBytes, chunk * (codeBytes + 4), tile, queries, thresholds, counts[round], 0.07f,
                          room, bounds, masks);
      for (long number = 0; number < counts[round]; number++) {
        struct found plain;
        search_filter_codes(search_level_portable, bits, codes, metadata, 0, ends[round], codeBytes, chunk * (codeBytes + 4), values + number * count,
                            queries + number, thresholds[number], 0.07f, plain.bounds, &plain.masks);
        differs |= memcmp(plain.bounds, bounds + number * chunk, (size_t)ends[round] * 4) || memcmp(&plain.masks, masks + number, sizeof plain.masks);
      }
      if (differs) printf("level %d differs for %ld queries: dimension %ld, %d bits\n", level, counts[round], dimension, bits);
      wrong += differs != 0;
      *compared += 1;
    }
  free(values), free(tile), free(vector), free(bounds), free(room);
  return wrong;
}

// Returns how many comparisons of one dimension found a difference.
static int compare(long dimension, int bits, int *compared) {
  const long codeBytes = search_code_bytes(dimension, bits);
  const int best = search_best_level();
  float *rows = malloc((size_t)(chunk * dimension) * 4), *mean = malloc((size_t)dimension * 4), *vector = malloc((size_t)dimension * 4);
  // The codes begin at an odd address.
  uint8_t *memory = malloc((size_t)(chunk * codeBytes + 1)), *codes = memory + 1;
  int8_t *values = malloc((size_t)(codeBytes * 8 / bits));
  uint32_t metadata[chunk];
  struct search_code_query query;
  for (long i = 0; i < dimension; i++) mean[i] = component(), vector[i] = component();
  for (long i = 0; i < chunk * dimension; i++) rows[i] = component();
  search_encode_rows(search_level_portable, rows, chunk, dimension, mean, dimension, bits, codes, metadata);
  int wrong = 0;
  for (int level = search_level_portable + 1; level <= best; level++) {
    uint8_t *others = calloc((size_t)chunk, (size_t)codeBytes);
    uint32_t otherMetadata[chunk];
    search_encode_rows(level, rows, chunk, dimension, mean, dimension, bits, others, otherMetadata);
    if (memcmp(others, codes, (size_t)(chunk * codeBytes)) || memcmp(otherMetadata, metadata, sizeof metadata)) {
      printf("level %d encodes otherwise: dimension %ld, %d bits\n", level, dimension, bits);
      wrong++;
    }
    free(others);
    *compared += 1;
  }
  metadata[3] = 0, metadata[77] = 0x7f80;
  search_prepare_code_query(vector, mean, dimension, bits, values, &query);
  if (dimension % 2) query.largestError = relative_error(metadata[5]);

  const float thresholds[] = {0, 0.1f, -0.2f, 1, 5, INFINITY};
  const long ends[] = {128, 128, 128, 96, 16, 128}, firsts[] = {0, 16, 112, 32, 0, 0};
  for (int round = 0; round < 6; round++) {
    struct found plain;
    for (int level = search_level_portable; level <= best; level++) {
      struct found found;
      memset(&found, 0, sizeof found);
      search_filter_codes(level, bits, codes, metadata, firsts[round], ends[round], codeBytes, chunk * (codeBytes + 4), values, &query, thresholds[round],
                          0.07f, found.bounds, &found.masks);
      int differs = level > search_level_portable && memcmp(&found, &plain, sizeof found);
      for (long number = firsts[round]; number < ends[round]; number++) {
        float bound = search_bound_code(level, bits, codes + number * codeBytes, metadata + number, codeBytes, values, &query);
        differs |= memcmp(&bound, found.bounds + number, sizeof bound) != 0;
      }
      if (level == search_level_portable) plain = found;
      if (differs) printf("level %d differs: dimension %ld, %d bits, round %d\n", level, dimension, bits, round);
      wrong += differs != 0;
      *compared += 1;
    }
  }
  wrong += compare_tiles(dimension, bits, codes, metadata, mean, compared);
  free(rows), free(mean), free(vector), free(memory), free(values);
  return wrong;
}

int main(void) {
  const long dimensions[] = {1, 2, 31, 32, 33, 63, 64, 65, 100, 127, 128, 129, 255, 384, 1000, 4096, 8192};
  int compared = 0, wrong = 0;
  for (size_t number = 0; number < sizeof dimensions / sizeof *dimensions; number++)
    wrong += compare(dimensions[number], 4, &compared) + compare(dimensions[number], 2, &compared);
  printf("best level %d: %d compared, %d wrong\n", search_best_level(), compared, wrong);
  return wrong > 0;
}
