/// The keys of one map, for lookup by coding key; built once for a keyed container.
///
/// Keys that are neither text nor integers of 64 bits match no coding key and are left out.
final class CBORKeyIndex {
  private struct TextKey {
    /// The UTF-8, in the input or, for a key in chunks, in `joined`.
    let start: Int
    let count: Int
    let isJoined: Bool
    let value: Int
  }

  private struct IntegerKey {
    let number: Int
    let value: Int
  }

  private let input: CBORDecodingInput
  /// Shorter first, then by bytes: the order of the deterministic encoding, so that sorting is rarely needed.
  private let texts: [TextKey]
  private let integers: [IntegerKey]
  private let joined: [UInt8]
  /// Where the last key was found. Decoders ask `contains`, `decodeNil` and `decode` for the same key, and all keys in order.
  private var lastFound = 0

  /// - Throws: ``CBORError`` `.invalidUTF8`; `.duplicateKey` if a map has both a number and its decimal text as keys, because a coding key
  ///   could mean either, or two texts that are equal in Swift, because a dictionary would lose one.
  init(_ input: CBORDecodingInput, map: Int) throws(CBORError) {
    var texts: [TextKey] = []
    var integers: [IntegerKey] = []
    var joined: [UInt8] = []
    let end = input.items[map].next
    var position = map + 1
    texts.reserveCapacity(min((end - position) / 2, 1024))
    while position < end {
      let value = position + 1
      switch input.major(position) {
      case .text: texts.append(try Self.readText(input, position, value, &joined))
      case .unsigned, .negative:
        let number = try input.read(position) { reader throws(CBORError) in try reader.readNumber() }
        if let number = try? number.integer(Int.self, at: 0) { integers.append(IntegerKey(number: number, value: value)) }
      default: break
      }
      position = input.items[value].next
    }
    unsafe Self.withBuffers(input, joined) { input, joined in
      func order(_ a: TextKey, _ b: TextKey) -> Int {
        // The ranges are those of keys that were read.
        unsafe Self.order(Self.utf8(a, input, joined), Self.utf8(b, input, joined))
      }
      let isSorted = zip(texts, texts.dropFirst()).allSatisfy { order($0, $1) <= 0 }
      if !isSorted { texts.sort { order($0, $1) < 0 } }
    }
    if !integers.isEmpty { integers.sort { $0.number < $1.number } }
    self.input = input
    self.texts = texts
    self.integers = integers
    self.joined = joined
    try refuseLookalikes(at: input.items[map].offset)
    for key in integers {
      var decimal = String(key.number)
      let isAmbiguous = decimal.withUTF8 { utf8 in unsafe find(UnsafeRawBufferPointer(utf8)) } != nil
      if isAmbiguous {
        throw CBORError(
          .duplicateKey, at: input.items[map].offset, "a map has the number \(key.number) and the text \"\(key.number)\" as keys")
      }
    }
  }

  /// Refuses keys of different bytes that are canonically equivalent, and so equal as keys of a `Dictionary`.
  private func refuseLookalikes(at offset: Int) throws(CBORError) {
    guard texts.count > 1 else { return }
    let lookalike = unsafe Self.withBuffers(input, joined) { input, joined -> String? in
      // The ranges are those of keys that were read, all of them valid UTF-8.
      if texts.allSatisfy({ unsafe Self.utf8($0, input, joined).allSatisfy { $0 < 0x80 } }) { return nil }
      var names: Set<String> = []
      for text in texts {
        let name = unsafe String(decoding: Self.utf8(text, input, joined), as: UTF8.self)
        if !names.insert(name).inserted { return name }
      }
      return nil
    }
    if let lookalike { throw CBORError.duplicate(lookalike, at: offset) }
  }

  private static func readText(
    _ input: CBORDecodingInput, _ item: Int, _ value: Int, _ joined: inout [UInt8]
  ) throws(CBORError) -> TextKey {
    if input.bytes[input.items[item].offset] == 0x7f {
      let text = try input.read(item) { reader throws(CBORError) in try reader.readChunkedText() }
      let start = joined.count
      joined += text.utf8
      return TextKey(start: start, count: joined.count - start, isJoined: true, value: value)
    }
    return try input.read(item) { reader throws(CBORError) in
      let start = reader.offset
      let utf8 = try unsafe reader.readTextBytes()
      // Most keys are ASCII and need no further check; others are validated as text.
      if !(unsafe utf8.allSatisfy { $0 < 0x80 }) { _ = try unsafe CBORReader.string(validating: utf8, at: start) }
      return TextKey(start: reader.offset - utf8.count, count: utf8.count, isJoined: false, value: value)
    }
  }

  // MARK: Lookup

  /// The item of the value, or `nil`. A coding key of integer form is looked for as a number first, then as text.
  @inline(__always)
  func value(for key: some CodingKey) -> Int? {
    if !integers.isEmpty, let number = CBORKeyForm.integer(key), let value = value(for: number) { return value }
    guard !texts.isEmpty else { return nil }
    var name = key.stringValue
    return name.withUTF8 { utf8 in unsafe find(UnsafeRawBufferPointer(utf8)) }  // Lent for the closure.
  }

  private func value(for number: Int) -> Int? {
    var low = 0
    var high = integers.count
    while low < high {
      let middle = (low + high) / 2
      if integers[middle].number < number { low = middle + 1 } else { high = middle }
    }
    return low < integers.count && integers[low].number == number ? integers[low].value : nil
  }

  private func find(_ name: UnsafeRawBufferPointer) -> Int? {
    guard let found = unsafe position(name, near: lastFound) else { return nil }
    lastFound = found
    return texts[found].value
  }

  private func position(_ name: UnsafeRawBufferPointer, near last: Int) -> Int? {
    unsafe Self.withBuffers(input, joined) { input, joined in
      for guess in last...last + 1 where guess < texts.count {
        if unsafe Self.order(name, Self.utf8(texts[guess], input, joined)) == 0 { return guess }
      }
      var low = 0
      var high = texts.count
      while low < high {
        let middle = (low + high) / 2
        let order = unsafe Self.order(name, Self.utf8(texts[middle], input, joined))
        if order == 0 { return middle }
        if order > 0 { low = middle + 1 } else { high = middle }
      }
      return nil
    }
  }

  func allKeys<Key: CodingKey>(_ type: Key.Type) -> [Key] {
    var keys = integers.compactMap { Key(intValue: $0.number) ?? Key(stringValue: String($0.number)) }
    unsafe Self.withBuffers(input, joined) { input, joined in
      for text in texts {
        // Valid UTF-8, checked when the index was made.
        let name = unsafe String(decoding: Self.utf8(text, input, joined), as: UTF8.self)
        if let key = Key(stringValue: name) { keys.append(key) }
      }
    }
    return keys
  }

  /// Lends both buffers that hold keys.
  @inline(__always)
  private static func withBuffers<Result>(
    _ input: CBORDecodingInput, _ joined: [UInt8], _ body: (UnsafeRawBufferPointer, UnsafeRawBufferPointer) -> Result
  ) -> Result {
    unsafe input.bytes.withUnsafeBytes { input in
      unsafe joined.withUnsafeBytes { joined in unsafe body(input, joined) }
    }
  }

  @inline(__always)
  private static func utf8(
    _ key: TextKey, _ input: UnsafeRawBufferPointer, _ joined: UnsafeRawBufferPointer
  ) -> UnsafeRawBufferPointer {
    // The range lies within the buffer in which the key was found or to which it was copied.
    unsafe UnsafeRawBufferPointer(rebasing: (key.isJoined ? joined : input)[key.start..<key.start + key.count])
  }

  @inline(__always)
  private static func order(_ a: UnsafeRawBufferPointer, _ b: UnsafeRawBufferPointer) -> Int {
    unsafe a.count != b.count ? a.count - b.count : CBORByteOrder.compare(a, b)
  }
}
