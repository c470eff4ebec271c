import CLMDB

/// One occupied slot of the reader table.
package struct ReaderSlot: Sendable, Equatable {
  package let processID: Int32
  package let thread: String
  /// The snapshot that the slot pins; nil for a slot that is kept for a pooled transaction.
  package let transactionID: Int?
}

/// The reader table, the only view of the readers of other processes.
package struct ReaderTable: Sendable, Equatable {
  package let slots: [ReaderSlot]
  /// Lines that were not understood: while there is one, nothing may be reclaimed on the table's word.
  package let unreadableLines: [String]
  /// The mount is read-only and LMDB works without locks: nobody's snapshot is protected.
  package let isUnlocked: Bool

  /// Parses the text of `mdb_reader_list`.
  package init(text: String) {
    var slots: [ReaderSlot] = []
    var unreadable: [String] = []
    var unlocked = false
    for line in text.split(separator: "\n") {
      let fields = line.split(separator: " ")
      if line.hasPrefix("(no reader locks)") {
        unlocked = true
      } else if fields == ["pid", "thread", "txnid"] || line.hasPrefix("(no active readers)") {
        continue
      } else if fields.count == 3, let process = Int32(fields[0]), process > 0,
        fields[1].allSatisfy(\.isHexDigit), fields[2] == "-" || Int(fields[2]) != nil
      {
        slots.append(ReaderSlot(processID: process, thread: String(fields[1]), transactionID: Int(fields[2])))
      } else {
        unreadable.append(String(line))
      }
    }
    self.slots = slots
    unreadableLines = unreadable
    isUnlocked = unlocked
  }
}

extension Environment {
  package func readerTable() throws(LMDBError) -> ReaderTable {
    var text = ""
    let code = unsafe withUnsafeMutablePointer(to: &text) { pointer in
      unsafe mdb_reader_list(
        handle,
        { line, context in
          // SAFETY: LMDB passes a NUL-terminated line and the context given below, which outlives the call.
          if let line = unsafe line, let context = unsafe context {
            unsafe context.assumingMemoryBound(to: String.self).pointee += String(cString: line)
          }
          return 0
        }, pointer)
    }
    if code < 0 { throw LMDBError(code: code, operation: "mdb_reader_list") }
    return ReaderTable(text: text)
  }
}
