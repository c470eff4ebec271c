import Checksums
import Formats
import Foundation
import LMDB

/// The record `meta`/`store`: what is fixed when a store is made.
struct StoreRecord: Sendable, Equatable {
  static let currentFormat = 1

  var format = Self.currentFormat
  var features = Features()
  let storeID: [UInt8]
  let generation: UInt64
  /// Nil: a store without embeddings.
  let dimension: Int?
  let metric: Metric
  /// Pinned by the first opener that brings an embedder.
  var embedder: EmbedderIdentity?
  /// The language of the words.
  var language = WordLanguage.english
  /// The text that the embedder gets of a memory; fixed when the embedder is pinned.
  var template = EmbeddingTemplate.text
  /// The secret of the hashes of ``UserKey``.
  let secret: [UInt8]
  let createdAt: Int64

  /// Bits of the format. A store with an unknown incompatible bit is not opened; one with an unknown read-only-compatible bit is not
  /// written.
  struct Features: Sendable, Equatable {
    static let knownReadOnlyCompatible: UInt64 = embeddingTemplate | language
    static let knownIncompatible: UInt64 = memoryDetails | memoryVersions

    /// Records and columns of memories of version 2 exist, see ``MemoryDetails``. Incompatible: a program that does not know it would lose
    /// fields and marks. Set by the commit that stores the first one.
    static let memoryDetails: UInt64 = 1
    /// Changed memories have versions. Incompatible: a program that does not know it would delete a memory and leave its earlier versions
    /// behind. Set by the commit that stores the first changed memory.
    static let memoryVersions: UInt64 = 2
    /// The embedder gets more than the text, see ``EmbeddingTemplate``: a program that does not know it would embed the text alone. Set
    /// when the embedder is pinned.
    static let embeddingTemplate: UInt64 = 1
    /// The words are not English ones: a program that does not know it would lose the language. Set when the store is made.
    static let language: UInt64 = 2

    var compatible: UInt64 = 0
    var readOnlyCompatible: UInt64 = 0
    var incompatible: UInt64 = 0
  }

  func encoded() -> [UInt8] {
    var writer = CBORWriter()
    writer.map(
      count: 7 + (dimension == nil ? 0 : 1) + (embedder == nil ? 0 : 1) + (template == .text ? 0 : 1) + (language == .english ? 0 : 1))
    writer.key("uuid")
    writer.bytes(storeID)
    writer.key("format")
    writer.int(format)
    writer.key("metric")
    writer.text(metric.rawValue)
    writer.key("secret")
    writer.bytes(secret)
    if let embedder {
      writer.key("embedder")
      writer.map(count: 3)
      writer.key("name")
      writer.text(embedder.name)
      writer.key("version")
      writer.text(embedder.version)
      writer.key("dimension")
      writer.int(embedder.dimension)
    }
    writer.key("features")
    writer.map(count: 3)
    writer.key("compatible")
    writer.unsigned(features.compatible)
    writer.key("incompatible")
    writer.unsigned(features.incompatible)
    writer.key("readOnlyCompatible")
    writer.unsigned(features.readOnlyCompatible)
    if language != .english {
      writer.key("language")
      writer.text(language.rawValue)
    }
    if template != .text {
      writer.key("template")
      writer.unsigned(template.rawValue)
    }
    writer.key("createdAt")
    writer.int(createdAt)
    if let dimension {
      writer.key("dimension")
      writer.int(dimension)
    }
    writer.key("generation")
    writer.unsigned(generation)
    return writer.bytes
  }

  /// Pins the embedder: for good, or until the store moves to another embedder.
  mutating func pin(_ embedder: EmbedderIdentity) {
    self.embedder = embedder
    template = .speakerAndCaption
    features.readOnlyCompatible |= Features.embeddingTemplate
  }

  /// The record of the same store with another embedder, whose vectors may have another dimension.
  func embedded(by embedder: EmbedderIdentity) -> StoreRecord {
    var record = StoreRecord(
      storeID: storeID, generation: generation, dimension: embedder.dimension, metric: metric, embedder: nil, secret: secret,
      createdAt: createdAt)
    record.format = format
    record.features = features
    record.language = language
    record.pin(embedder)
    return record
  }

  /// The record of another generation of the same store.
  func inGeneration(_ number: UInt64) -> StoreRecord {
    var record = StoreRecord(
      storeID: storeID, generation: number, dimension: dimension, metric: metric, embedder: embedder, secret: secret, createdAt: createdAt)
    record.format = format
    record.features = features
    record.template = template
    record.language = language
    return record
  }

  /// - Throws: ``StoreError`` `.newerFormat` or `.corrupted`.
  init(_ value: RawSpan) throws(StoreError) {
    self = try RecordCoding.decode(value, "the store's own record") { reader throws(CBORError) in try StoreRecord(&reader) }
    guard format <= Self.currentFormat else {
      throw StoreError(.newerFormat, "the store has format \(format), this version of Engram reads up to \(Self.currentFormat)")
    }
    let unknown = features.incompatible & ~Features.knownIncompatible
    guard unknown == 0 else {
      throw StoreError(
        .newerFormat, "the store uses features (bits \(String(unknown, radix: 16))) that this version of Engram does not know")
    }
    guard secret.count == XXH3.secretByteCount, storeID.count == 16, dimension.map(Limits.dimension.contains) ?? true,
      generation <= Limits.sequence
    else { throw StoreError(.corrupted, "the store's own record names an impossible dimension, identity, generation or secret") }
  }

  init(
    storeID: [UInt8], generation: UInt64, dimension: Int?, metric: Metric, embedder: EmbedderIdentity?, secret: [UInt8], createdAt: Int64
  ) {
    self.storeID = storeID
    self.generation = generation
    self.dimension = dimension
    self.metric = metric
    self.embedder = embedder
    self.secret = secret
    self.createdAt = createdAt
  }

  private init(_ reader: inout CBORReader) throws(CBORError) {
    var storeID: [UInt8]?
    var secret: [UInt8]?
    var format: Int?
    var metric: Metric?
    var generation: UInt64?
    var dimension: Int?
    var embedder: EmbedderIdentity?
    var features = Features()
    var createdAt: Int64 = 0
    var template: UInt64 = 0
    var language: String?
    unsafe try RecordCoding.readMap(&reader) { key, reader throws(CBORError) in
      if unsafe key.equals("uuid") {
        storeID = try reader.readBytes()
      } else if unsafe key.equals("format") {
        format = try reader.readInteger(Int.self)
      } else if unsafe key.equals("metric") {
        metric = Metric(rawValue: try reader.readText())
      } else if unsafe key.equals("secret") {
        secret = try reader.readBytes()
      } else if unsafe key.equals("embedder") {
        embedder = try Self.readEmbedder(&reader)
      } else if unsafe key.equals("language") {
        language = try reader.readText()
      } else if unsafe key.equals("template") {
        template = try reader.readUInt64()
      } else if unsafe key.equals("features") {
        features = try Self.readFeatures(&reader)
      } else if unsafe key.equals("createdAt") {
        createdAt = try reader.readInt64()
      } else if unsafe key.equals("dimension") {
        dimension = try reader.readInteger(Int.self)
      } else if unsafe key.equals("generation") {
        generation = try reader.readUInt64()
      } else {
        return false
      }
      return true
    }
    self.init(
      storeID: try reader.required(storeID, "uuid"), generation: try reader.required(generation, "generation"),
      dimension: dimension, metric: try reader.required(metric, "metric"), embedder: embedder,
      secret: try reader.required(secret, "secret"), createdAt: createdAt)
    self.format = try reader.required(format, "format")
    self.features = features
    guard let known = EmbeddingTemplate(rawValue: template) else {
      throw CBORError(.integerOutOfRange, at: reader.offset, "there is no template \(template)")
    }
    self.template = known
    guard let spoken = language.map({ WordLanguage(rawValue: $0) }) ?? .english else {
      throw CBORError(.integerOutOfRange, at: reader.offset, "there is no language '\(language ?? "")'")
    }
    self.language = spoken
  }

  private static func readEmbedder(_ reader: inout CBORReader) throws(CBORError) -> EmbedderIdentity {
    var name: String?
    var version: String?
    var dimension: Int?
    unsafe try RecordCoding.readMap(&reader) { key, reader throws(CBORError) in
      if unsafe key.equals("name") {
        name = try reader.readText()
      } else if unsafe key.equals("version") {
        version = try reader.readText()
      } else if unsafe key.equals("dimension") {
        dimension = try reader.readInteger(Int.self)
      } else {
        return false
      }
      return true
    }
    return EmbedderIdentity(
      name: try reader.required(name, "name"), dimension: try reader.required(dimension, "dimension"),
      version: try reader.required(version, "version"))
  }

  private static func readFeatures(_ reader: inout CBORReader) throws(CBORError) -> Features {
    var features = Features()
    unsafe try RecordCoding.readMap(&reader) { key, reader throws(CBORError) in
      if unsafe key.equals("compatible") {
        features.compatible = try reader.readUInt64()
      } else if unsafe key.equals("incompatible") {
        features.incompatible = try reader.readUInt64()
      } else if unsafe key.equals("readOnlyCompatible") {
        features.readOnlyCompatible = try reader.readUInt64()
      } else {
        return false
      }
      return true
    }
    return features
  }
}
