#ifndef ENGRAM_BERT_KERNELS_H
#define ENGRAM_BERT_KERNELS_H

// The arithmetic of a BERT encoder on 32-bit floats. Matrices are row-major and dense. No function allocates or keeps state: any number of threads
// may call them on buffers of their own. The result of a row does not depend on the other rows of the call.

/// Instructions that a function uses. A level that the processor lacks must not be passed.
enum bert_level {
  /// 128-bit vectors, which every processor that the project builds for has.
  bert_level_portable = 0,
  /// AVX2 and FMA.
  bert_level_avx2 = 1,
  /// AVX-512F.
  bert_level_avx512 = 2,
};

/// The highest level of this processor.
int bert_best_level(void);

/// output[r][j] = bias[j] + sum over i of input[r][i] * weights[j][i]
///
/// input: rows × inputs; weights: outputs × inputs, as published; bias: outputs; output: rows × outputs.
void bert_linear(int level, const float *input, long rows, long inputs, const float *weights, const float *bias, long outputs, float *output);

/// values[i] = values[i] * 0.5 * (1 + erf(values[i] / sqrt(2))), within 1e-6 of the exact one.
void bert_gelu(int level, float *values, long count);

/// values[r] = normalized(values[r] + residual[r]) * scale + shift, with the mean 0 and the variance 1 of each row; residual may be null.
///
/// values, residual: rows × width; scale, shift: width.
void bert_add_norm(int level, float *values, const float *residual, const float *scale, const float *shift, float epsilon, long rows, long width);

/// Softmax attention of one text: for each head, softmax(query · keyᵀ / sqrt(headWidth)) · value.
///
/// query, key, value, output: tokens × (heads * headWidth); scratch: bert_attention_scratch floats. Computes the rows firstRow ..< lastRow of output.
void bert_attention(
    int level, const float *query, const float *key, const float *value, long tokens, long firstRow, long lastRow, long heads, long headWidth,
    float *output, float *scratch);

/// How many floats bert_attention needs.
long bert_attention_scratch(long tokens, long headWidth);

#endif
