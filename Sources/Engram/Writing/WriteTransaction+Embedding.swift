import Formats

extension WriteTransaction {
  /// Gives a memory that has no embedding one. The memory keeps its version, because an embedding is none of its fields.
  ///
  /// - Parameters:
  ///   - components: The row as it will be in the file.
  ///   - text: What the embedder got.
  /// - Returns: False, and nothing is changed, if the memory is gone, has expired or has an embedding, or if the embedder would get another text by now.
  mutating func attach(_ components: [Float], to id: MemoryID, embeddedFrom text: String) throws -> Bool {
    guard let found = try batch.reader.memoryRecord(id), !batch.reader.isExpired(found.memory), found.row == nil,
      batch.generation.template.text(of: found.memory).hasSameBytes(as: text)
    else { return false }
    try attach(components, to: found)
    return true
  }

  /// Gives a memory without an embedding one, whatever it was made from.
  mutating func attach(_ components: [Float], to found: MemoryRecord) throws {
    var record = found
    let key = batch.reader.userKey(record.memory.userID)
    try batch.updateUser(key, record.memory.userID) { user, batch in
      record.row = try batch.addRow(components, of: record.memory, key: key, user: &user)
    }
    try batch.replaceWords(of: record, key)
    try putRecord(record)
    try batch.writeBlocksIfMany()
  }
}
