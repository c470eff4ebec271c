/// One checked input with an index of its items, shared by all decoders of a call and alive as long as any of them.
final class CBORDecodingInput {
  /// Items are in the order of the input: a container's parts follow it. A key that is itself a container, and a string in chunks, are
  /// one item.
  struct Item {
    let offset: Int
    /// The index of the first item that is not part of this one.
    var next: Int
  }

  let bytes: [UInt8]
  let items: [Item]
  let userInfo: [CodingUserInfoKey: Any]
  let depthLimit: Int

  init(_ bytes: [UInt8], userInfo: [CodingUserInfoKey: Any], depthLimit: Int) throws(CBORError) {
    self.bytes = bytes
    self.userInfo = userInfo
    self.depthLimit = depthLimit
    items = try unsafe bytes.withUnsafeBufferPointer { buffer throws(CBORError) in
      var reader = unsafe CBORReader(UnsafeRawBufferPointer(buffer), depthLimit: depthLimit)  // Used within the closure only.
      var items: [Item] = []
      items.reserveCapacity(min(bytes.count / 4 + 4, 1024))
      var keys = CBORKeyChecker()
      try reader.index(into: &items, depthLeft: depthLimit, keys: &keys)
      try reader.requireEnd()
      return items
    }
  }

  /// Lends `body` a reader at an item.
  @inline(__always)
  func read<Result>(_ item: Int, _ body: (inout CBORReader) throws(CBORError) -> Result) throws(CBORError) -> Result {
    let offset = items[item].offset
    return try unsafe bytes.withUnsafeBufferPointer { buffer throws(CBORError) in
      // Used within the closure only.
      var reader = unsafe CBORReader(UnsafeRawBufferPointer(buffer), offset: offset, depthLimit: depthLimit)
      return try body(&reader)
    }
  }

  @inline(__always)
  func isNull(_ item: Int) -> Bool {
    let first = bytes[items[item].offset]
    return first == 0xf6 || first == 0xf7
  }

  func major(_ item: Int) -> CBORMajor {
    // Three bits have no other value.
    CBORMajor(rawValue: bytes[items[item].offset] >> 5) ?? .simple
  }
}

extension CBORReader {
  fileprivate mutating func index(
    into items: inout [CBORDecodingInput.Item], depthLeft: Int, keys: inout CBORKeyChecker
  ) throws(CBORError) {
    let start = offset
    let head = try readHead()
    if head.major == 6 && head.argument == 55799 {
      return try index(into: &items, depthLeft: descend(depthLeft, at: start), keys: &keys)
    }
    let position = items.count
    items.append(CBORDecodingInput.Item(offset: start, next: position + 1))
    switch head.major {
    case 0, 1: return
    case 2, 3:
      try skipString(head, at: start)
      return
    case 4:
      let depthLeft = try descend(depthLeft, at: start)
      var count = try containerCount(head, at: start)
      while try hasNext(&count) { try index(into: &items, depthLeft: depthLeft, keys: &keys) }
    case 5:
      let depthLeft = try descend(depthLeft, at: start)
      var count = try containerCount(head, at: start)
      let mark = keys.mark
      while try hasNext(&count) {
        try indexKey(into: &items, depthLeft: depthLeft, keys: &keys)
        try index(into: &items, depthLeft: depthLeft, keys: &keys)
      }
      try unsafe keys.checkUnique(since: mark, in: buffer)  // The buffer whose ranges were appended.
    case 6:
      try index(into: &items, depthLeft: descend(depthLeft, at: start), keys: &keys)
    default:
      if head.isIndefinite { throw strayBreak(at: start) }
      return
    }
    items[position].next = items.count
  }

  @inline(__always)
  private mutating func indexKey(
    into items: inout [CBORDecodingInput.Item], depthLeft: Int, keys: inout CBORKeyChecker
  ) throws(CBORError) {
    let start = offset
    items.append(CBORDecodingInput.Item(offset: start, next: items.count + 1))
    if let end = try plainKeyEnd() {
      keys.append(plainKey: start..<end)
      offset = end
    } else {
      let key = try readValue(depthLeft: depthLeft, isInKey: true, keys: &keys)
      try keys.append(key, at: start)
    }
  }
}
