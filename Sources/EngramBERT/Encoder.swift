import CBertKernels
import Dispatch

/// The forward pass of a BERT encoder: token ids to one vector per text.
///
/// Texts are computed together as the rows of one matrix, without padding: all but the attention works on each row alone. So a text's
/// vector does not depend, in any bit, on what else is computed with it.
final class Encoder: Sendable {
  /// Rows whose intermediate values stay in the second-level cache: 96 × 1,536 floats are 576 KiB.
  static let rowsOfBlock = 96

  private struct Linear: Sendable {
    let weights: FloatTensor
    let bias: FloatTensor
  }

  private struct Norm: Sendable {
    let scale: FloatTensor
    let shift: FloatTensor
  }

  private struct Layer: Sendable {
    let query, key, value, attention: Linear
    let attentionNorm: Norm
    let intermediate, output: Linear
    let outputNorm: Norm
  }

  let shape: ModelFolder.Shape
  private let pooling: ModelFolder.Pooling
  private let normalizes: Bool
  private let level: Int32
  private let words, positions, types: FloatTensor
  private let embeddingNorm: Norm
  private let layers: [Layer]

  /// - Parameter level: The kernels to use; nil for the fastest of this machine.
  /// - Throws: ``ModelFault``: a tensor is missing, or has another shape than `folder` says.
  init(_ file: SafeTensors, _ folder: ModelFolder, level: Int32? = nil) throws(ModelFault) {
    let shape = folder.shape
    let hidden = shape.hidden
    self.shape = shape
    pooling = folder.pooling
    normalizes = folder.normalizes
    self.level = level ?? bert_best_level()
    let prefix = file.contains("embeddings.word_embeddings.weight") ? "" : "bert."
    func linear(_ name: String, _ outputs: Int, _ inputs: Int) throws(ModelFault) -> Linear {
      Linear(
        weights: try file.floats("\(prefix)\(name).weight", shape: [outputs, inputs]),
        bias: try file.floats("\(prefix)\(name).bias", shape: [outputs]))
    }
    func norm(_ name: String) throws(ModelFault) -> Norm {
      // Files that were converted from TensorFlow have the older names.
      let isOld = !file.contains("\(prefix)\(name).weight") && file.contains("\(prefix)\(name).gamma")
      return Norm(
        scale: try file.floats("\(prefix)\(name).\(isOld ? "gamma" : "weight")", shape: [hidden]),
        shift: try file.floats("\(prefix)\(name).\(isOld ? "beta" : "bias")", shape: [hidden]))
    }
    words = try file.floats("\(prefix)embeddings.word_embeddings.weight", shape: [shape.vocabulary, hidden])
    positions = try file.floats("\(prefix)embeddings.position_embeddings.weight", shape: [shape.positions, hidden])
    types = try file.floats("\(prefix)embeddings.token_type_embeddings.weight", shape: [shape.tokenTypes, hidden])
    embeddingNorm = try norm("embeddings.LayerNorm")
    var layers: [Layer] = []
    for index in 0..<shape.layers {
      let name = "encoder.layer.\(index)"
      layers.append(
        Layer(
          query: try linear("\(name).attention.self.query", hidden, hidden), key: try linear("\(name).attention.self.key", hidden, hidden),
          value: try linear("\(name).attention.self.value", hidden, hidden),
          attention: try linear("\(name).attention.output.dense", hidden, hidden),
          attentionNorm: try norm("\(name).attention.output.LayerNorm"),
          intermediate: try linear("\(name).intermediate.dense", shape.intermediate, hidden),
          output: try linear("\(name).output.dense", hidden, shape.intermediate), outputNorm: try norm("\(name).output.LayerNorm")))
    }
    self.layers = layers
  }

  /// The vectors of texts, one after the other.
  ///
  /// - Parameters:
  ///   - texts: Token ids, at least one per text, at most as many as the model has positions, each below the size of the vocabulary.
  ///   - threads: The most threads that work on the rows, if there are enough rows for several.
  /// - Returns: texts × hidden floats.
  func vectors(of texts: [[Int32]], threads: Int) -> [Float] {
    let rows = texts.reduce(0) { $0 + $1.count }
    let longest = texts.lazy.map(\.count).max() ?? 0
    guard rows > 0 else { return [] }
    let starts = texts.reduce(into: [0]) { starts, text in starts.append(starts[starts.count - 1] + text.count) }
    // Many rows are split among the threads; with few, the threads would wait longer than they work.
    let parts = rows < 48 ? 1 : max((rows + Self.rowsOfBlock - 1) / Self.rowsOfBlock, min(threads, rows / 24))
    let blocks = (0..<parts).map { (rows * $0 / parts)..<(rows * ($0 + 1) / parts) }
    let workers = min(threads, parts)
    let workspace = Workspace(
      rows: rows, hidden: shape.hidden, blockRows: blocks.lazy.map(\.count).max() ?? 0, intermediate: shape.intermediate,
      scratch: bert_attention_scratch(longest, shape.hidden / shape.heads), blocks: parts)

    Self.inParallel(parts, workers) { self.embed(texts, starts, blocks[$0], workspace) }
    for layer in layers {
      Self.inParallel(parts, workers) { self.project(layer, blocks[$0], workspace) }
      Self.inParallel(parts, workers) { self.transform(layer, starts, blocks[$0], $0, workspace) }
    }
    return pooled(starts, workspace)
  }

  /// Calls `body` for 0 ..< `count` on at most `workers` threads, one of them the caller's, and returns when all is done.
  static func inParallel(_ count: Int, _ workers: Int, _ body: @Sendable (Int) -> Void) {
    if workers < 2 {
      for index in 0..<count { body(index) }
      return
    }
    DispatchQueue.concurrentPerform(iterations: workers) { worker in
      for index in stride(from: worker, to: count, by: workers) { body(index) }
    }
  }

  // MARK: Steps: each writes its block's rows only

  /// Word, position and type of each token, summed and normalized.
  private func embed(_ texts: [[Int32]], _ starts: [Int], _ block: Range<Int>, _ workspace: Workspace) {
    let hidden = shape.hidden
    // SAFETY (of all steps): rows lie in `workspace`, which has `rows` of them; ids and positions were checked by the caller; tensors have
    // the shapes that `init` checked. Two threads never write one row, and read rows of others only after the step that wrote them.
    for (index, text) in texts.enumerated() {
      let range = block.clamped(to: starts[index]..<starts[index + 1])
      for row in range {
        let position = row - starts[index]
        let word = unsafe words.base + Int(text[position]) * hidden
        let place = unsafe positions.base + position * hidden
        let target = unsafe workspace.states + row * hidden
        for column in 0..<hidden { unsafe target[column] = word[column] + types.base[column] + place[column] }
      }
    }
    unsafe bert_add_norm(
      level, workspace.states + block.lowerBound * hidden, nil, embeddingNorm.scale.base, embeddingNorm.shift.base, shape.epsilon,
      block.count, hidden)
  }

  private func apply(_ linear: Linear, _ input: UnsafePointer<Float>, _ rows: Int, _ output: UnsafeMutablePointer<Float>) {
    unsafe bert_linear(
      level, input, rows, linear.weights.count / linear.bias.count, linear.weights.base, linear.bias.base, linear.bias.count, output)
  }

  /// Queries, keys and values.
  private func project(_ layer: Layer, _ block: Range<Int>, _ workspace: Workspace) {
    let offset = block.lowerBound * shape.hidden
    unsafe apply(layer.query, workspace.states + offset, block.count, workspace.queries + offset)
    unsafe apply(layer.key, workspace.states + offset, block.count, workspace.keys + offset)
    unsafe apply(layer.value, workspace.states + offset, block.count, workspace.values + offset)
  }

  /// Attention, and all that follows in a layer.
  private func transform(_ layer: Layer, _ starts: [Int], _ block: Range<Int>, _ part: Int, _ workspace: Workspace) {
    let hidden = shape.hidden
    for index in 0..<(starts.count - 1) {
      let text = starts[index]..<starts[index + 1]
      let range = block.clamped(to: text)
      if range.isEmpty { continue }
      let offset = text.lowerBound * hidden
      unsafe bert_attention(
        level, workspace.queries + offset, workspace.keys + offset, workspace.values + offset, text.count,
        range.lowerBound - text.lowerBound,
        range.upperBound - text.lowerBound, shape.heads, hidden / shape.heads, workspace.contexts + offset, workspace.scratch(part))
    }
    let states = unsafe workspace.states + block.lowerBound * hidden
    let contexts = unsafe workspace.contexts + block.lowerBound * hidden
    let intermediates = unsafe workspace.intermediates(part)
    // The queries of these rows are no longer needed: their memory takes the results that are added next.
    let results = unsafe workspace.queries + block.lowerBound * hidden
    unsafe apply(layer.attention, contexts, block.count, results)
    unsafe bert_add_norm(
      level, states, results, layer.attentionNorm.scale.base, layer.attentionNorm.shift.base, shape.epsilon, block.count, hidden)
    unsafe apply(layer.intermediate, states, block.count, intermediates)
    unsafe bert_gelu(level, intermediates, block.count * shape.intermediate)
    unsafe apply(layer.output, intermediates, block.count, results)
    unsafe bert_add_norm(
      level, states, results, layer.outputNorm.scale.base, layer.outputNorm.shift.base, shape.epsilon, block.count, hidden)
  }

  private func pooled(_ starts: [Int], _ workspace: Workspace) -> [Float] {
    let hidden = shape.hidden
    var vectors = [Float](repeating: 0, count: (starts.count - 1) * hidden)
    for text in 0..<(starts.count - 1) {
      let rows = pooling == .cls ? starts[text]..<(starts[text] + 1) : starts[text]..<starts[text + 1]
      for row in rows {
        let state = unsafe workspace.states + row * hidden
        for column in 0..<hidden { unsafe vectors[text * hidden + column] += state[column] }
      }
      let vector = text * hidden..<(text + 1) * hidden
      let factor =
        if normalizes {
          // The mean has the direction of the sum.
          1 / max(vectors[vector].reduce(Float(0)) { $0 + $1 * $1 }.squareRoot(), .leastNormalMagnitude)
        } else {
          1 / Float(rows.count)
        }
      for index in vector { vectors[index] *= factor }
    }
    return vectors
  }
}

/// The memory of one forward pass.
@safe
private final class Workspace: Sendable {
  // SAFETY: `init` allocates all of it at once and `deinit` frees it; the steps of the encoder write disjoint rows.
  nonisolated(unsafe) let states, queries, keys, values, contexts: UnsafeMutablePointer<Float>
  private nonisolated(unsafe) let base: UnsafeMutablePointer<Float>
  private nonisolated(unsafe) let shared: UnsafeMutablePointer<Float>
  private let intermediateFloats: Int
  private let partFloats: Int

  init(rows: Int, hidden: Int, blockRows: Int, intermediate: Int, scratch: Int, blocks: Int) {
    // Each part begins at a cache line.
    func lines(_ floats: Int) -> Int { (floats + 15) / 16 * 16 }
    let matrix = lines(rows * hidden)
    intermediateFloats = lines(blockRows * intermediate)
    partFloats = intermediateFloats + lines(scratch)
    let bytes = (5 * matrix + blocks * partFloats) * MemoryLayout<Float>.stride
    let memory = UnsafeMutableRawPointer.allocate(byteCount: bytes, alignment: 64)
    unsafe base = memory.bindMemory(to: Float.self, capacity: bytes / MemoryLayout<Float>.stride)
    unsafe states = base
    unsafe queries = base + matrix
    unsafe keys = base + 2 * matrix
    unsafe values = base + 3 * matrix
    unsafe contexts = base + 4 * matrix
    unsafe shared = base + 5 * matrix
  }

  deinit { unsafe base.deallocate() }

  func intermediates(_ part: Int) -> UnsafeMutablePointer<Float> { unsafe shared + part * partFloats }
  func scratch(_ part: Int) -> UnsafeMutablePointer<Float> { unsafe shared + part * partFloats + intermediateFloats }
}
