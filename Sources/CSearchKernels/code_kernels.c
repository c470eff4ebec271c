#include "code_kernels.h"
#include "code_values.h"

#include <math.h>
#include <string.h>

long search_code_bytes(long dimension, int bits) { return (dimension * bits + 255) / 256 * 32; }

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
  prepared->largestError = INFINITY;
  return center;
}
