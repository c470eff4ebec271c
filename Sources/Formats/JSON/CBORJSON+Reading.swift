extension JSONReader {
  /// Reads a CBOR item in any spelling that ``CBORJSON`` describes: the order of an object's members is kept, `$map` may also hold a map
  /// that needs no form.
  ///
  /// - Throws: ``JSONError``: also `.duplicateKey`, `.invalidForm` for a `$` key that is no form or not alone, `.numberOutOfRange` for an
  ///   integer beyond −2⁶⁴ … 2⁶⁴ − 1, which would lose digits, and `.tooLarge` for an item that surely takes more than `limit` bytes as
  ///   CBOR.
  package mutating func readCBOR(atMostBytes limit: Int = .max) throws(JSONError) -> CBORValue {
    let outerDepth = maximumDepth
    maximumDepth = max(outerDepth, depth + CBORJSON.containersPerItem * (CBORJSON.maximumDepth + 1))
    itemBytesLeft = limit
    defer { maximumDepth = outerDepth }
    return try readItem(level: 0, isInKey: false)
  }

  /// Counts the bytes that an item takes at least, so that no tree grows far beyond the size that can be stored.
  private mutating func spend(_ byteCount: Int) throws(JSONError) {
    guard byteCount <= itemBytesLeft else { throw JSONError(.tooLarge, offset: position, "the value is larger than can be stored") }
    itemBytesLeft -= byteCount
  }

  /// - Parameter isInKey: Within the key of a `$map`. The outermost such key is spelled as a whole, which finds the duplicates of every
  ///   `$map` in it, so that no key is spelled once for each level.
  private mutating func readItem(level: Int, isInKey: Bool) throws(JSONError) -> CBORValue {
    try spend(1)
    switch try peek() {
    case .null:
      try readNull()
      return .null
    case .bool: return .bool(try readBool())
    case .string:
      let text = try readString()
      try spend(text.utf8.count)
      return .text(text)
    case .number: return try readItemNumber()
    case .array:
      let inner = try descend(level)
      var elements: [CBORValue] = []
      try beginArray()
      while try nextElement() { elements.append(try readItem(level: inner, isInKey: isInKey)) }
      return .array(elements)
    case .object: return try readMapOrForm(level: level, isInKey: isInKey)
    }
  }

  private func descend(_ level: Int) throws(JSONError) -> Int {
    guard level < CBORJSON.maximumDepth else { throw JSONError(.depthExceeded, offset: position, CBORJSON.tooDeep) }
    return level + 1
  }

  private mutating func readItemNumber() throws(JSONError) -> CBORValue {
    let start = position
    switch try readNumber() {
    case .integer(let integer): return integer < 0 ? .negative(UInt64(~integer)) : .unsigned(UInt64(integer))
    case .unsigned(let integer): return .unsigned(integer)
    case .negative(let complement): return .negative(complement)
    case .real(let real):
      for index in start..<position {
        switch byte(index) {
        case UInt8(ascii: "."), UInt8(ascii: "e"), UInt8(ascii: "E"): return .float(real)
        default: continue
        }
      }
      throw JSONError(.numberOutOfRange, offset: start, "the integer does not fit 64 bits; with a decimal point it would be a real number")
    }
  }

  private mutating func readMapOrForm(level: Int, isInKey: Bool) throws(JSONError) -> CBORValue {
    var entries: [CBORValue.Entry] = []
    var keys = UniqueKeys()
    try beginObject()
    while let text = try nextKey() {
      let key = text.string
      if key.utf8.first == UInt8(ascii: "$") {
        guard entries.isEmpty else { throw JSONError(.invalidForm, offset: text.offset, "a key that begins with $ must be the only key") }
        let form = try readForm(key, at: text.offset, level: level, isInKey: isInKey)
        guard try nextKey() == nil else { throw JSONError(.invalidForm, offset: position, "a key that begins with $ must be the only key") }
        return form
      }
      try spend(key.utf8.count + 1)
      guard keys.insert(key) else { throw JSONError.duplicate(key, at: text.offset) }
      entries.append(CBORValue.Entry(key: .text(key), value: try readItem(level: try descend(level), isInKey: isInKey)))
    }
    _ = try descend(level)  // for an empty map; a form is no container by itself
    return .map(entries)
  }

  private mutating func readForm(
    _ name: String, at offset: Int, level: Int, isInKey: Bool
  ) throws(JSONError) -> CBORValue {
    switch name {
    case "$bytes":
      let bytes = try readBase64()
      try spend(bytes.count)
      return .bytes(bytes)
    case "$float":
      let text = try readStringBytes()
      switch text {
      case "nan": return .float(.nan)
      case "inf": return .float(.infinity)
      case "-inf": return .float(-.infinity)
      default: throw JSONError(.invalidForm, offset: text.offset, "$float is \"nan\", \"inf\" or \"-inf\"")
      }
    case "$undefined":
      guard try readBool() else { throw JSONError(.invalidForm, offset: offset, "$undefined is true") }
      return .undefined
    case "$simple":
      let number = try readInt64()
      guard let simple = UInt8(exactly: number), !(20...31).contains(simple) else {
        throw JSONError(.invalidForm, offset: offset, "$simple is 0 to 19 or 32 to 255")
      }
      return .simple(simple)
    case "$negative":
      let text = try readStringBytes()
      guard let complement = Self.complement(text.string) else {
        throw JSONError(.invalidForm, offset: text.offset, "$negative is the digits of an integer from -18446744073709551616 to -1")
      }
      return .negative(complement)
    case "$tag": return try readTag(at: offset, level: level, isInKey: isInKey)
    case "$map": return try readPairs(at: offset, level: level, isInKey: isInKey)
    default:
      throw JSONError(
        .invalidForm, offset: offset, "\"\(TerminalText.excerpt(name))\" is no form; a map with such a key is written with $map")
    }
  }

  /// The value −1 − n, where `text` is n, negative, in canonical decimal digits; nil for any other text.
  private static func complement(_ text: String) -> UInt64? {
    guard text.utf8.first == UInt8(ascii: "-") else { return nil }
    let digits = text.utf8.dropFirst()
    guard let first = digits.first, (UInt8(ascii: "1")...UInt8(ascii: "9")).contains(first) else { return nil }
    if text == "-18446744073709551616" { return .max }
    return UInt64(text.dropFirst()).map { $0 - 1 }
  }

  private mutating func readTag(at offset: Int, level: Int, isInKey: Bool) throws(JSONError) -> CBORValue {
    let shape = JSONError(.invalidForm, offset: offset, "$tag is an array of a number from 0 to 2^64 - 1 and an item")
    try beginArray()
    guard try nextElement() else { throw shape }
    let number: UInt64
    switch try readNumber() {
    case .integer(let integer) where integer >= 0: number = UInt64(integer)
    case .unsigned(let integer): number = integer
    default: throw shape
    }
    guard try nextElement() else { throw shape }
    let content = try readItem(level: try descend(level), isInKey: isInKey)
    guard try !nextElement() else { throw shape }
    return .tag(number, content)
  }

  private mutating func readPairs(at offset: Int, level: Int, isInKey: Bool) throws(JSONError) -> CBORValue {
    let shape = JSONError(.invalidForm, offset: offset, "$map is an array of arrays of two items")
    let inner = try descend(level)
    var entries: [CBORValue.Entry] = []
    var (keys, starts) = (SpelledKeys(), [Int]())
    var spelling = JSONWriter()
    try beginArray()
    while try nextElement() {
      try beginArray()
      guard try nextElement() else { throw shape }
      let start = position
      let key = try readItem(level: inner, isInKey: true)
      if !isInKey {
        let written = spelling.bytes.count
        do throws(JSONError) {
          try spelling.write(cbor: key)
        } catch {
          throw JSONError(error.code, offset: start, error.message)
        }
        keys.append(written..<spelling.bytes.count)
        starts.append(start)
        spelling.endLine()
      }
      guard try nextElement() else { throw shape }
      entries.append(CBORValue.Entry(key: key, value: try readItem(level: inner, isInKey: isInKey)))
      guard try !nextElement() else { throw shape }
    }
    if let place = keys.duplicate(in: spelling.bytes) {
      throw JSONError(.duplicateKey, offset: starts[place], "a key occurs twice in one $map")
    }
    return .map(entries)
  }
}
