import Formats

extension WriteTransaction {
  /// Adds an embedding to a memory that has none. The memory keeps its version, because the embedding is not one of its fields.
  ///
  /// - Parameters:
  ///   - components: The row as it will be in the file.
  ///   - text: The text that was embedded.
  /// - Returns: False, and nothing is changed, if the memory is gone, has expired or has an embedding, or if the text to embed has changed
  ///   since.
  mutating func attach(_ components: [Float], to id: MemoryID, embeddedFrom text: String) throws -> Bool {
    guard let found = try batch.reader.memoryRecord(id), !batch.reader.isExpired(found.memory), found.row == nil,
      batch.generation.template.text(of: found.memory).hasSameBytes(as: text)
    else { return false }
    try attach(components, to: found)
    return true
  }

  /// Adds an embedding to a memory that has none, without comparing the text that was embedded.
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
