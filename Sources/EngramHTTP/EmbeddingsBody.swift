import Engram
import Formats

/// The bodies of `POST /v1/embeddings`.
enum EmbeddingsBody {
  /// What is wrong with an answer.
  struct Fault: Error {
    let code: StoreError.Code
    let message: String

    init(_ message: String, code: StoreError.Code = .embedderFailed) {
      self.code = code
      self.message = message
    }
  }

  private static let maximumDimension = 65_536

  static func request(_ texts: [String], model: String, dimensions: Int?) -> [UInt8] {
    var json = JSONWriter(reservingCapacity: texts.reduce(64) { $0 + $1.utf8.count + 8 })
    json.beginObject()
    json.key("model")
    json.write(model)
    json.key("input")
    json.beginArray()
    // Servers refuse an empty text, or have no vector for it.
    for text in texts { json.write(text.isEmpty ? " " : text) }
    json.endArray()
    if let dimensions {
      json.key("dimensions")
      json.write(dimensions)
    }
    json.endObject()
    return json.bytes
  }

  /// Reads the vectors of an answer, and puts them in the order of the texts.
  ///
  /// - Parameters:
  ///   - count: How many texts were sent.
  ///   - dimension: The dimension of each vector; if nil, that of the first vector.
  /// - Throws: ``Fault``; `JSONError` if the answer is not the JSON that it should be.
  static func vectors(_ body: [UInt8], count: Int, dimension: Int?) throws -> [[Float]] {
    let vectors = try JSONReader.read(body) { reader in
      var vectors: [[Float]?]?
      try reader.beginObject()
      while let key = try reader.nextKey() {
        guard key.equals("data") else {
          try reader.skipValue()
          continue
        }
        guard vectors == nil else { throw Fault("its answer has two lists of vectors") }
        vectors = try readData(&reader, count: count)
      }
      guard let vectors else { throw Fault("its answer has no 'data'") }
      return vectors
    }
    let found = vectors.count { $0 != nil }
    guard found == count else {
      throw Fault("it returned \(found) vectors for \(count) texts: that of text \(vectors.firstIndex { $0 == nil } ?? 0) is missing")
    }
    let all = vectors.compactMap { $0 }
    let expected = dimension ?? all.first?.count ?? 0
    for (index, vector) in all.enumerated() { try check(vector, index, expected) }
    return all
  }

  /// Reads the vectors into the order of their `index`; nil for each that is missing.
  private static func readData(_ reader: inout JSONReader, count: Int) throws -> [[Float]?] {
    var vectors = [[Float]?](repeating: nil, count: count)
    try reader.beginArray()
    while try reader.nextElement() {
      var (index, vector): (Int64?, [Float]?)
      try reader.beginObject()
      while let key = try reader.nextKey() {
        switch key {
        case "index": index = try reader.readInt64()
        case "embedding": vector = try readVector(&reader)
        default: try reader.skipValue()
        }
      }
      guard let index else { throw Fault("a vector of its answer has no 'index'") }
      guard let vector else { throw Fault("vector \(index) of its answer has no 'embedding'") }
      guard let place = Int(exactly: index), vectors.indices.contains(place) else {
        throw Fault("its answer has a vector \(index), and \(count) texts were sent")
      }
      guard vectors[place] == nil else { throw Fault("its answer has two vectors \(index)") }
      vectors[place] = vector
    }
    return vectors
  }

  /// Reads an array of numbers, or base64 over little-endian float32.
  private static func readVector(_ reader: inout JSONReader) throws -> [Float] {
    guard try reader.peek() != .string else { return try reader.readBase64Floats() }
    var vector: [Float] = []
    do throws(JSONError) {
      try reader.readFloatArray(into: &vector, atMost: maximumDimension)
    } catch {
      if error.code == .numberOutOfRange { throw Fault("a component of a vector is too large for a 32-bit float", code: .notFinite) }
      if error.code == .wrongCount { throw Fault("a vector has more than \(maximumDimension) components", code: .dimensionMismatch) }
      throw error
    }
    return vector
  }

  private static func check(_ vector: [Float], _ index: Int, _ dimension: Int) throws(Fault) {
    guard vector.count == dimension, dimension > 0 else {
      throw Fault("vector \(index) has \(vector.count) components, expected \(max(dimension, 1))", code: .dimensionMismatch)
    }
    var isZero = true
    for component in vector {
      guard component.isFinite else { throw Fault("a component of vector \(index) is NaN or infinite", code: .notFinite) }
      if component != 0 { isZero = false }
    }
    if isZero { throw Fault("vector \(index) is zero", code: .zeroNorm) }
  }
}
