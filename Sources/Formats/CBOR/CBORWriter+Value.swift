extension CBORWriter {
  /// Appends a tree; map entries are put into the order of their encoded keys.
  ///
  /// A big number (tag 2 or 3) is written with its tag, even if an integer would hold it.
  ///
  /// - Throws: ``CBORError`` `.duplicateKey`, `.depthExceeded`, or `.unencodable` for a simple value from 24 to 31. The buffer then
  ///   ends in an incomplete item and must be discarded.
  /// - Complexity: O(n log n) in the entries of the largest map.
  package mutating func value(_ value: CBORValue, depthLimit: Int = CBORWriter.defaultDepthLimit) throws(CBORError) {
    try append(value, depthLeft: depthLimit)
  }

  private mutating func append(_ value: CBORValue, depthLeft: Int) throws(CBORError) {
    switch value {
    case .unsigned(let value): unsigned(value)
    case .negative(let value): head(0x20, value)
    case .bytes(let value): bytes(value)
    case .text(let value): text(value)
    case .bool(let value): bool(value)
    case .null: null()
    case .undefined: undefined()
    case .float(let value): double(value)
    case .simple(let value):
      guard !(24...31).contains(value) else {
        throw CBORError(.unencodable, at: bytes.count, "simple value \(value) has no encoding")
      }
      head(0xe0, UInt64(value))
    case .array(let elements):
      let depthLeft = try descend(depthLeft)
      array(count: elements.count)
      for element in elements { try append(element, depthLeft: depthLeft) }
    case .tag(let number, let content):
      let depthLeft = try descend(depthLeft)
      tag(number)
      try append(content, depthLeft: depthLeft)
    case .map(let entries):
      let depthLeft = try descend(depthLeft)
      map(count: entries.count)
      var spans: [EntrySpan] = []
      spans.reserveCapacity(entries.count)
      for entry in entries {
        let start = bytes.count
        try append(entry.key, depthLeft: depthLeft)
        let keyEnd = bytes.count
        try append(entry.value, depthLeft: depthLeft)
        spans.append(EntrySpan(start: start, keyEnd: keyEnd, end: bytes.count))
      }
      try sortEntries(&spans)
    }
  }

  private func descend(_ depthLeft: Int) throws(CBORError) -> Int {
    guard depthLeft > 0 else {
      throw CBORError(.depthExceeded, at: bytes.count, "arrays, maps and tags are nested too deep")
    }
    return depthLeft - 1
  }

  /// Where one map entry is in the buffer.
  private struct EntrySpan {
    let start: Int
    let keyEnd: Int
    let end: Int
  }

  /// Puts the entries, which are the tail of the buffer, into the order of their keys.
  private mutating func sortEntries(_ spans: inout [EntrySpan]) throws(CBORError) {
    guard let first = spans.first, let last = spans.last, spans.count > 1 else { return }
    func precedes(_ a: EntrySpan, _ b: EntrySpan, in buffer: UnsafeRawBufferPointer) -> Bool {
      unsafe CBORByteOrder.compare(buffer[a.start..<a.keyEnd], buffer[b.start..<b.keyEnd]) < 0
    }
    let alreadyInOrder = unsafe bytes.withUnsafeBytes { buffer in
      zip(spans, spans.dropFirst()).allSatisfy { a, b in unsafe precedes(a, b, in: buffer) }
    }
    if alreadyInOrder { return }
    // Spans come from `bytes.count` at the time of writing, so all of them are within the buffer.
    unsafe bytes.withUnsafeBytes { buffer in
      spans.sort { a, b in unsafe precedes(a, b, in: buffer) }
    }
    let duplicate = unsafe bytes.withUnsafeBytes { buffer in
      zip(spans, spans.dropFirst()).first { a, b in unsafe !precedes(a, b, in: buffer) }?.1.start
    }
    if let duplicate {
      throw CBORError(.duplicateKey, at: duplicate, "a map has the same key twice")
    }
    var sorted: [UInt8] = []
    sorted.reserveCapacity(last.end - first.start)
    for span in spans { sorted += bytes[span.start..<span.end] }
    bytes.replaceSubrange(first.start..<last.end, with: sorted)
  }
}
