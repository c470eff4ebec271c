import Formats

extension MemoryStore {
  /// Runs an export on a thread of its own; closing the store ends it.
  ///
  /// - Parameter body: May block. Gets a check that it must call now and then, which throws once the task is cancelled. An ``ExportFile``
  ///   that `body` leaves without a commit is removed.
  func exporting<Value: Sendable>(
    _ body: @escaping @Sendable (MemoryStore, _ check: @escaping @Sendable () throws -> Void) throws -> Value
  ) async throws -> Value {
    try requireOpen()
    return try await core.background("the store cannot be exported") { _, check in try body(self, check) }
  }

  /// Writes a snapshot as JSON Lines, which ``importJSONLines(from:options:progress:)-([URL],_,_)`` reads back without loss.
  /// Earlier versions of contexts and memories are not part of it. Two stores with equal content give equal bytes.
  ///
  /// Blocks: to be called in ``exporting(_:)``.
  ///
  /// - Parameters:
  ///   - progress: Called now and then; an error that it throws ends the export.
  ///   - sink: Gets the text, about a MiB at a time.
  /// - Throws: ``StoreError`` `.notFound`, `.invalidUserID`, `.corrupted`; what the sink throws.
  package func exportLines(
    _ selection: ExportSelection = ExportSelection(), vectors: Interchange.Vectors = .base64,
    progress: @escaping (OperationProgress) throws -> Void = { _ in }, into sink: ([UInt8]) throws -> Void
  ) throws -> ExportSummary {
    var summary = ExportSummary()
    var writer = JSONWriter(reservingCapacity: Self.exportChunkBytes * 5 / 4)
    func flush(above limit: Int) throws {
      guard writer.bytes.count > limit else { return }
      try sink(writer.bytes)
      writer.bytes.removeAll(keepingCapacity: true)
    }
    try read { snapshot in
      try snapshot.read { reader in
        let walk = try ExportWalk(reader, selection, progress)
        writer.write(StoreLine(reader.store, vectors: selection.contextsOnly ? .none : vectors))
        unsafe try walk.forEachContext { header, recordType, record in
          unsafe try writer.writeContext(header, recordType, record)
          summary.contexts += 1
          try flush(above: Self.exportChunkBytes)
        }
        try walk.forEachMemory { record in
          writer.beginObject()
          writer.key("type")
          writer.write("memory")
          writer.writeFields(of: record.memory)
          if vectors != .none {
            writer.key("embedding")
            if let row = record.row {
              try walk.withRow(row) { components in
                if vectors == .base64 { writer.writeBase64(floats: components) } else { writer.writeFloats(components) }
              }
            } else {
              writer.writeNull()
            }
          }
          writer.endObject()
          writer.endLine()
          summary.memories += 1
          try flush(above: Self.exportChunkBytes)
        }
      }
    }
    try flush(above: 0)
    return summary
  }

  static var exportChunkBytes: Int { 1 << 20 }
}

extension Memory {
  /// The memory as JSON: the keys that <doc:Interchange> lists for a memory, from `id` on, in that order and without the embedding.
  ///
  /// - Returns: One object without white space and line feed.
  public var json: String {
    var writer = JSONWriter()
    writer.beginObject()
    writer.writeFields(of: self)
    writer.endObject()
    return writer.string
  }
}

extension StoreLine {
  init(_ store: StoreRecord, vectors: Interchange.Vectors) {
    self.init(
      format: Interchange.format, dimension: store.dimension.map(Int64.init), metric: store.metric.rawValue, embedder: store.embedder,
      vectors: vectors.rawValue)
  }
}

extension JSONWriter {
  fileprivate mutating func write(_ line: StoreLine) {
    beginObject()
    key("type")
    write("store")
    key("format")
    write(line.format)
    key("dimension")
    if let dimension = line.dimension { write(dimension) } else { writeNull() }
    key("metric")
    if let metric = line.metric { write(metric) } else { writeNull() }
    key("embedder")
    write(line.embedder)
    key("vectors")
    if let vectors = line.vectors { write(vectors) } else { writeNull() }
    endObject()
    endLine()
  }

  fileprivate mutating func write(_ embedder: EmbedderIdentity?) {
    guard let embedder else { return writeNull() }
    beginObject()
    key("name")
    write(embedder.name)
    key("dimension")
    write(embedder.dimension)
    key("version")
    write(embedder.version)
    endObject()
  }

  fileprivate mutating func writeContext(_ header: ContextEnvelope.Header, _ recordType: String, _ record: UnsafeRawBufferPointer) throws {
    beginObject()
    key("type")
    write("context")
    key("recordType")
    write(recordType)
    key("userID")
    write(header.userID)
    if header.schema != 1 {
      key("schema")
      write(header.schema)
    }
    key("value")
    var reader = unsafe CBORReader(record)
    do {
      try write(cbor: try reader.readValue())
    } catch {
      throw StoreError(.corrupted, "the \(recordType) of '\(header.userID)' does not decode", cause: error)
    }
    endObject()
    endLine()
  }

  /// Writes the keys of a memory, from `id` on and without the embedding, into the open object.
  mutating func writeFields(of memory: Memory) {
    key("id")
    write(memory.id.description)
    key("userID")
    write(memory.userID)
    key("text")
    write(memory.text)
    key("kind")
    writeOptional(memory.kind)
    key("sessionID")
    writeOptional(memory.sessionID)
    key("speaker")
    writeOptional(memory.speaker)
    key("createdAt")
    writeOptional(TimestampText.string(memory.createdAt.milliseconds))
    key("importance")
    write(memory.importance)
    key("expiresAt")
    writeOptional(memory.expiresAt.flatMap { TimestampText.string($0.milliseconds) })
    key("dedupeKey")
    writeOptional(memory.dedupeKey)
    key("metadata")
    write(memory.metadata)
    if memory.hasDetails { writeDetails(of: memory) }
  }

  /// Writes those of the keys that few memories have that are set.
  private mutating func writeDetails(of memory: Memory) {
    if !memory.tags.isEmpty {
      key("tags")
      beginArray()
      for tag in memory.tags { write(tag) }
      endArray()
    }
    write(memory.caption, "caption")
    write(memory.validFrom.flatMap { TimestampText.string($0.milliseconds) }, "validFrom")
    write(memory.validUntil.flatMap { TimestampText.string($0.milliseconds) }, "validUntil")
    write(memory.source, "source")
    write(memory.trust?.rawValue, "trust")
    if !memory.derivedFrom.isEmpty {
      key("derivedFrom")
      beginArray()
      for id in memory.derivedFrom { write(id.description) }
      endArray()
    }
    write(memory.replaces?.description, "replaces")
    write(memory.supersededBy?.description, "supersededBy")
  }

  private mutating func write(_ text: String?, _ name: StaticString) {
    guard let text else { return }
    key(name)
    write(text)
  }

  fileprivate mutating func writeOptional(_ text: String?) {
    if let text { write(text) } else { writeNull() }
  }

  /// Writes metadata in the order of the record: shorter keys first, then by bytes.
  mutating func write(_ metadata: [String: MetadataValue]) {
    beginObject()
    for (name, value) in metadata.sorted(by: { CBORKeyOrder.precedes($0.key, $1.key) }) {
      key(text: name)
      switch value {
      case .string(let value): write(value)
      case .integer(let value): write(value)
      case .double(let value): write(value)
      case .bool(let value): write(value)
      }
    }
    endObject()
  }
}
