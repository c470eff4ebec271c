/// The bytes of one container while it is being filled.
///
/// Map entries must be sorted, and containers of `Codable` can be filled in turns, so each has its own buffer until it is finished.
final class CBOREncodedContent {
  enum Kind {
    /// Nothing was encoded; as in Foundation's JSON, such a value becomes an empty map.
    case empty
    case single, array, map
  }

  /// The parts that grow with each entry or element. A struct, so that appending one is one access to this object.
  struct Buffer {
    var writer = CBORWriter(reservingCapacity: 128)
    fileprivate var entries: [Entry] = []
    /// Elements of an array.
    fileprivate(set) var count = 0

    /// Appends an entry whose value `write` appends; keeps nothing if that returns `false` or throws.
    @inline(__always)
    @discardableResult
    mutating func appendEntry(
      _ key: CBOREncodedKey, _ write: (inout CBORWriter) throws(CBORError) -> Bool
    ) throws(CBORError) -> Bool {
      if entries.capacity == 0 { entries.reserveCapacity(16) }
      let start = writer.bytes.count
      writer.key(key)
      let valueStart = writer.bytes.count
      guard try append(since: start, write) else { return false }
      entries.append(Entry(start: start, valueStart: valueStart, end: writer.bytes.count, child: -1))
      return true
    }

    /// Appends an element; keeps nothing if `write` returns `false` or throws.
    @inline(__always)
    @discardableResult
    mutating func appendElement(_ write: (inout CBORWriter) throws(CBORError) -> Bool) throws(CBORError) -> Bool {
      guard try append(since: writer.bytes.count, write) else { return false }
      count += 1
      return true
    }

    @inline(__always)
    private mutating func append(
      since start: Int, _ write: (inout CBORWriter) throws(CBORError) -> Bool
    ) throws(CBORError) -> Bool {
      do throws(CBORError) {
        if try write(&writer) { return true }
      } catch {
        writer.truncate(to: start)
        throw error
      }
      writer.truncate(to: start)
      return false
    }
  }

  /// A map entry in the buffer: the key, then the value. If `child` is not negative, the value is `children[child]` instead.
  fileprivate struct Entry {
    let start: Int
    let valueStart: Int
    let end: Int
    let child: Int
  }

  var kind: Kind
  var buffer = Buffer()
  /// Containers that were handed out. Their bytes are taken over when this one is finished; in an array, `position` is their place.
  private var children: [(position: Int, content: CBOREncodedContent)] = []
  /// Nested containers by encoded key: asking again for the same key gives the same container.
  private var childOfKey: [[UInt8]: Int] = [:]

  init(_ kind: Kind) {
    self.kind = kind
  }

  /// Empties the content and keeps the memory of its buffers.
  func reset() {
    kind = .empty
    buffer.writer.removeAll()
    buffer.entries.removeAll(keepingCapacity: true)
    buffer.count = 0
    if !children.isEmpty { children = [] }
    if !childOfKey.isEmpty { childOfKey = [:] }
  }

  // MARK: Filling

  /// Appends an entry whose value comes later, or finds the one that this key has already.
  func appendChild(_ key: CBOREncodedKey) -> CBOREncodedContent {
    let start = buffer.writer.bytes.count
    buffer.writer.key(key)
    let encodedKey = Array(buffer.writer.bytes[start...])
    if let child = childOfKey[encodedKey] {
      buffer.writer.truncate(to: start)
      return children[child].content
    }
    let end = buffer.writer.bytes.count
    childOfKey[encodedKey] = children.count
    buffer.entries.append(Entry(start: start, valueStart: end, end: end, child: children.count))
    let content = CBOREncodedContent(.empty)
    children.append((end, content))
    return content
  }

  /// Appends an element whose value comes later.
  func appendChild() -> CBOREncodedContent {
    let content = CBOREncodedContent(.empty)
    children.append((buffer.writer.bytes.count, content))
    buffer.count += 1
    return content
  }

  // MARK: Finishing

  func finish(into target: inout CBORWriter) {
    switch kind {
    case .empty:
      target.map(count: 0)
    case .single:
      append(0..<buffer.writer.bytes.count, to: &target)
    case .array:
      target.array(count: buffer.count)
      var position = 0
      for child in children {
        append(position..<child.position, to: &target)
        child.content.finish(into: &target)
        position = child.position
      }
      append(position..<buffer.writer.bytes.count, to: &target)
    case .map:
      let entries = sortedEntries()
      target.map(count: entries.count)
      for entry in entries {
        append(entry.start..<entry.end, to: &target)
        if entry.child >= 0 { children[entry.child].content.finish(into: &target) }
      }
    }
  }

  private func append(_ range: Range<Int>, to target: inout CBORWriter) {
    // Ranges are positions that the buffer had while it was filled.
    unsafe buffer.writer.bytes.withUnsafeBytes { bytes in
      unsafe target.encoded(UnsafeRawBufferPointer(rebasing: bytes[range]))
    }
  }

  /// In the order of the encoded keys; of equal keys only the last written stays.
  private func sortedEntries() -> [Entry] {
    var entries = buffer.entries
    guard entries.count > 1 else { return entries }
    unsafe buffer.writer.bytes.withUnsafeBytes { bytes in
      func order(_ a: Entry, _ b: Entry) -> Int {
        // Entries lie within the buffer, see above.
        unsafe CBORByteOrder.compare(bytes[a.start..<a.valueStart], bytes[b.start..<b.valueStart])
      }
      var hasDuplicates = false
      entries.sort { a, b in
        let order = order(a, b)
        if order == 0 { hasDuplicates = true }
        return order < 0 || (order == 0 && a.start < b.start)
      }
      guard hasDuplicates else { return }
      let sorted = entries
      entries = sorted.indices.filter { $0 + 1 == sorted.count || order(sorted[$0], sorted[$0 + 1]) != 0 }.map { sorted[$0] }
    }
    return entries
  }
}
