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
  /// Lines that could not be parsed. If there is one, nothing may be reclaimed, because the table may hide a reader.
  package let unreadableLines: [String]
  /// The mount is read-only and LMDB works without locks: no snapshot is protected.
  package let isUnlocked: Bool

  /// How many slots each process holds.
  package var slotsByProcess: [Int32: Int] { slots.reduce(into: [:]) { $0[$1.processID, default: 0] += 1 } }

  /// Parses the text of `mdb_reader_list`.
  package init(text: String) {
    var slots: [ReaderSlot] = []
    var unreadable: [String] = []
    var unlocked = false
    // By bytes: as characters, a carriage return would hide the line's end.
    for bytes in text.utf8.split(separator: UInt8(ascii: "\n")) {
      let line = String(decoding: bytes, as: UTF8.self)
      let fields = bytes.split(separator: UInt8(ascii: " ")).map { String(decoding: $0, as: UTF8.self) }
      if line == "(no reader locks)" {
        unlocked = true
      } else if fields == ["pid", "thread", "txnid"] || line == "(no active readers)" {
        continue
      } else if fields.count == 3, let process = Self.decimal(fields[0], as: Int32.self), process > 0,
        fields[1].allSatisfy({ $0.isASCII && $0.isHexDigit }), fields[2] == "-" || Self.decimal(fields[2], as: Int.self) != nil
      {
        slots.append(ReaderSlot(processID: process, thread: fields[1], transactionID: Int(fields[2])))
      } else {
        unreadable.append(line)
      }
    }
    self.slots = slots
    unreadableLines = unreadable
    isUnlocked = unlocked
  }

  /// A number without a sign, as `mdb_reader_list` prints it.
  private static func decimal<Number: FixedWidthInteger>(_ field: String, as type: Number.Type) -> Number? {
    field.utf8.allSatisfy { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) } ? Number(field) : nil
  }
}

extension Environment {
  package func readerTable() throws(LMDBError) -> ReaderTable {
    try enter("reader table")
    defer { leave() }
    return unsafe try Self.readerTable(of: handle)
  }

  /// The table of an environment whose databases may not be open yet.
  static func readerTable(of handle: OpaquePointer) throws(LMDBError) -> ReaderTable {
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
