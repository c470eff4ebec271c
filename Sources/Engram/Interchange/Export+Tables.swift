import Formats
import VectorSearch

extension MemoryStore {
  /// Writes the memories of a snapshot as comma-separated values, without contexts and embeddings. No import reads this format.
  ///
  /// - Throws: As ``exportLines(_:vectors:progress:into:)``.
  func exportCSV(
    _ selection: ExportSelection = ExportSelection(), progress: @escaping (OperationProgress) throws -> Void = { _ in },
    into sink: ([UInt8]) throws -> Void
  ) throws -> ExportSummary {
    var summary = ExportSummary()
    var table = CSVWriter()
    for name in ["id", "userID", "text", "kind", "sessionID", "speaker", "createdAt", "importance", "expiresAt", "dedupeKey", "metadata"]
      + detailColumns
    {
      table.write(name)
    }
    table.endRow()
    try read { snapshot in
      try snapshot.read { reader in
        try ExportWalk(reader, selection, progress).forEachMemory { record in
          table.write(record.memory)
          summary.memories += 1
          guard table.bytes.count > Self.exportChunkBytes else { return }
          try sink(table.bytes)
          table.bytes.removeAll(keepingCapacity: true)
        }
      }
    }
    try sink(table.bytes)
    return summary
  }

  /// Writes the embeddings of a snapshot as a NumPy array of float32: one row for each memory that has an embedding, in ascending order of
  /// ids.
  ///
  /// The format is version 1.0 of numpy/lib/format.py.
  /// - Parameters:
  ///   - rows: Gets the array file.
  ///   - ids: Gets a line for each row of the array: the memory's id.
  /// - Throws: As ``exportLines(_:vectors:progress:into:)``; `.dimensionMismatch` in a store without embeddings.
  func exportArray(
    _ selection: ExportSelection = ExportSelection(), progress: @escaping (OperationProgress) throws -> Void = { _ in },
    rows sink: ([UInt8]) throws -> Void,
    ids: ([UInt8]) throws -> Void
  ) throws -> ExportSummary {
    var summary = ExportSummary()
    try read { snapshot in
      try snapshot.read { reader in
        let walk = try ExportWalk(reader, selection, progress)
        let dimension = try reader.generation.requireRows().header.dimension
        // The shape comes before the data, so the rows are counted first.
        try walk.forEachMemory(.counting) { if $0.row != nil { summary.memories += 1 } }
        var bytes = Self.arrayHeader(rowCount: summary.memories, dimension: dimension)
        var names: [UInt8] = []
        try walk.forEachMemory { record in
          guard let row = record.row else { return }
          try walk.withRow(row) { components in
            for index in components.indices { bytes.appendLittleEndian(components[index].bitPattern) }
          }
          names.append(contentsOf: record.memory.id.description.utf8)
          names.append(0x0A)
          guard bytes.count > Self.exportChunkBytes else { return }
          try sink(bytes)
          bytes.removeAll(keepingCapacity: true)
          try ids(names)
          names.removeAll(keepingCapacity: true)
        }
        try sink(bytes)
        try ids(names)
      }
    }
    return summary
  }

  private static func arrayHeader(rowCount: Int, dimension: Int) -> [UInt8] {
    var text = "{'descr': '<f4', 'fortran_order': False, 'shape': (\(rowCount), \(dimension)), }"
    // Magic, version and length take ten bytes; the data begins at a multiple of 64.
    text += String(repeating: " ", count: 63 - (10 + text.utf8.count) % 64) + "\n"
    return [0x93] + Array("NUMPY".utf8) + [1, 0, UInt8(text.utf8.count & 0xFF), UInt8(text.utf8.count >> 8)] + Array(text.utf8)
  }
}

/// As in the lines of an exchange file; `tags` is a JSON array, and the ids of `derivedFrom` are separated by spaces.
private let detailColumns = [
  "tags", "caption", "validFrom", "validUntil", "source", "trust", "derivedFrom", "replaces", "supersededBy",
]

extension CSVWriter {
  fileprivate mutating func write(_ memory: Memory) {
    write(memory.id.description)
    write(memory.userID)
    write(memory.text)
    write(memory.kind)
    write(memory.sessionID)
    write(memory.speaker)
    write(TimestampText.string(memory.createdAt.milliseconds))
    write(memory.importance)
    write(memory.expiresAt.flatMap { TimestampText.string($0.milliseconds) })
    write(memory.dedupeKey)
    var metadata = JSONWriter()
    metadata.write(memory.metadata)
    write(metadata.string)
    var tags = JSONWriter()
    tags.beginArray()
    for tag in memory.tags { tags.write(tag) }
    tags.endArray()
    write(memory.tags.isEmpty ? nil : tags.string)
    write(memory.caption)
    write(memory.validFrom.flatMap { TimestampText.string($0.milliseconds) })
    write(memory.validUntil.flatMap { TimestampText.string($0.milliseconds) })
    write(memory.source)
    write(memory.trust?.rawValue)
    write(memory.derivedFrom.isEmpty ? nil : memory.derivedFrom.map(\.description).joined(separator: " "))
    write(memory.replaces?.description)
    write(memory.supersededBy?.description)
    endRow()
  }
}

extension [UInt8] {
  fileprivate mutating func appendLittleEndian(_ value: UInt32) {
    for shift in stride(from: UInt32(0), to: 32, by: 8) { append(UInt8(truncatingIfNeeded: value >> shift)) }
  }
}
