extension CBORReader {
  /// Reads one item as a tree. Trees keep map entries in the order of the input.
  ///
  /// - Throws: ``CBORError``, `.duplicateKey` among them: keys are compared by value, so that 1 in one byte and 1 in two are the same key.
  /// - Complexity: O(n log n) in the bytes of the item.
  package mutating func readValue() throws(CBORError) -> CBORValue {
    var keys = CBORKeyChecker()
    return try readValue(depthLeft: depthLimit, isInKey: false, keys: &keys)
  }

  /// Reads the only item of an input.
  package static func value(of bytes: [UInt8]) throws(CBORError) -> CBORValue {
    try withReader(over: bytes) { reader throws(CBORError) in
      let value = try reader.readValue()
      try reader.requireEnd()
      return value
    }
  }

  /// Passes over one item, checking that it is well-formed, but neither UTF-8 nor duplicate keys.
  package mutating func skip() throws(CBORError) {
    try skip(depthLeft: depthLimit)
  }

  /// Passes over one item as ``skip()`` does.
  ///
  /// - Returns: Its bytes as they are in the buffer.
  package mutating func readEncodedItem() throws(CBORError) -> UnsafeRawBufferPointer {
    let start = offset
    try skip()
    // SAFETY: `skip` has checked that the item ends inside the buffer.
    return unsafe UnsafeRawBufferPointer(rebasing: buffer[start..<offset])
  }

  /// `isInKey` is set inside a container that is itself a map key: such a key is encoded as a whole for the comparison, and that
  /// encoding finds the duplicates of every map within. So no byte is canonicalised more than once, however keys are nested.
  mutating func readValue(depthLeft: Int, isInKey: Bool, keys: inout CBORKeyChecker) throws(CBORError) -> CBORValue {
    let start = offset
    let head = try readHead()
    switch head.major {
    case 0: return .unsigned(head.argument)
    case 1: return .negative(head.argument)
    case 2, 3:
      offset = start
      return head.major == 2 ? .bytes(try readBytes()) : .text(try readText())
    case 4:
      let depthLeft = try descend(depthLeft, at: start)
      var count = try containerCount(head, at: start)
      var elements: [CBORValue] = []
      elements.reserveCapacity(min(count ?? 0, 64))  // A count is a claim: memory follows the elements that are there.
      while try hasNext(&count) {
        elements.append(try readValue(depthLeft: depthLeft, isInKey: isInKey, keys: &keys))
      }
      return .array(elements)
    case 5:
      let depthLeft = try descend(depthLeft, at: start)
      var count = try containerCount(head, at: start)
      var entries: [CBORValue.Entry] = []
      entries.reserveCapacity(min(count ?? 0, 64))
      let mark = keys.mark
      while try hasNext(&count) {
        let keyStart = offset
        let key: CBORValue
        if isInKey {
          key = try readValue(depthLeft: depthLeft, isInKey: true, keys: &keys)
        } else if let plain = try plainKeyEnd() {
          keys.append(plainKey: keyStart..<plain)
          key = try readValue(depthLeft: depthLeft, isInKey: true, keys: &keys)
        } else {
          key = try readValue(depthLeft: depthLeft, isInKey: true, keys: &keys)
          try keys.append(key, at: keyStart)
        }
        entries.append(CBORValue.Entry(key: key, value: try readValue(depthLeft: depthLeft, isInKey: isInKey, keys: &keys)))
      }
      try unsafe keys.checkUnique(since: mark, in: buffer)  // The buffer whose ranges were appended.
      return .map(entries)
    case 6:
      let depthLeft = try descend(depthLeft, at: start)
      return .tag(head.argument, try readValue(depthLeft: depthLeft, isInKey: isInKey, keys: &keys))
    default:
      if let value = floatValue(head) { return .float(value) }
      switch head.info {
      case 20, 21: return .bool(head.info == 21)
      case 22: return .null
      case 23: return .undefined
      case 31: throw strayBreak(at: start)
      default: return .simple(UInt8(truncatingIfNeeded: head.argument))
      }
    }
  }

  /// Moves over a string of either type, whose head has been read.
  ///
  /// - Parameter start: Where its head begins.
  mutating func skipString(_ head: Head, at start: Int) throws(CBORError) {
    guard head.isIndefinite else {
      _ = try unsafe contiguous(head, at: start)  // Only moves the cursor.
      return
    }
    offset = start
    try unsafe forEachChunk { _, _ in }  // Nothing is kept.
  }

  private mutating func skip(depthLeft: Int) throws(CBORError) {
    let start = offset
    let head = try readHead()
    switch head.major {
    case 0, 1: return
    case 2, 3:
      try skipString(head, at: start)
    case 4, 5:
      let depthLeft = try descend(depthLeft, at: start)
      var count = try containerCount(head, at: start)
      while try hasNext(&count) {
        try skip(depthLeft: depthLeft)
        if head.major == 5 { try skip(depthLeft: depthLeft) }
      }
    case 6: try skip(depthLeft: descend(depthLeft, at: start))
    default:
      if head.info == 31 { throw strayBreak(at: start) }
    }
  }

  @inline(__always)
  func descend(_ depthLeft: Int, at start: Int) throws(CBORError) -> Int {
    guard depthLeft > 0 else {
      throw CBORError(.depthExceeded, at: start, "arrays, maps and tags are nested deeper than \(depthLimit)")
    }
    return depthLeft - 1
  }

  func strayBreak(at start: Int) -> CBORError {
    CBORError(.malformedHead, at: start, "there is a break where an item is expected")
  }
}
