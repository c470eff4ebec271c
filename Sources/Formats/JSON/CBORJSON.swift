/// CBOR data items as JSON and back, without loss and with one spelling for each item.
///
/// Text, booleans, null, integers, arrays and maps with text keys are themselves; finite floats are JSON reals, with a point or an
/// exponent.
/// For the rest there are forms, objects with one key:
///
/// | item | form |
/// | --- | --- |
/// | bytes | `{"$bytes":"base64"}` |
/// | tag | `{"$tag":[number, item]}` |
/// | float that is not finite | `{"$float":"nan"}`, `"inf"`, `"-inf"` (every NaN is the same) |
/// | undefined | `{"$undefined":true}` |
/// | simple value 0–19, 32–255 | `{"$simple":number}` |
/// | integer below −2⁶³ | `{"$negative":"-18446744073709551616"}` |
/// | map with a key that is no text or begins with `$` | `{"$map":[[key, item], …]}` |
///
/// Arrays, maps and tags may be nested 128 deep, whatever depth of JSON that takes. `level` is the number of them around an item.
enum CBORJSON {
  static let maximumDepth = 128
  /// A map in `$map` form opens three JSON containers.
  static let containersPerItem = 3

  static let tooDeep = "CBOR arrays, maps and tags are nested more than \(maximumDepth) deep"

  /// Whether a plain object can represent the map.
  static func isPlain(_ entries: [CBORValue.Entry]) -> Bool {
    entries.allSatisfy {
      guard case .text(let key) = $0.key else { return false }
      return key.utf8.first != UInt8(ascii: "$")
    }
  }
}

extension JSONWriter {
  /// Writes a CBOR item in the spelling of ``CBORJSON``.
  ///
  /// - Throws: ``JSONError`` `.depthExceeded`, `.duplicateKey` for a map with equal keys, `.invalidForm` for a simple value that CBOR
  ///   reserves (20–31); the writer is then as it was before.
  package mutating func write(cbor value: CBORValue) throws(JSONError) {
    try undoingOnError { writer throws(JSONError) in try writer.write(value, level: 0) }
  }

  private mutating func write(_ value: CBORValue, level: Int) throws(JSONError) {
    switch value {
    case .unsigned(let integer): write(integer)
    case .negative(let complement) where complement > UInt64(Int64.max):
      beginForm("$negative")
      writeQuotedNegative(complement)
      endObject()
    case .negative(let complement): writeNegative(complement)
    case .text(let text): write(text)
    case .bool(let bool): write(bool)
    case .null: writeNull()
    case .bytes(let data):
      beginForm("$bytes")
      writeBase64(data)
      endObject()
    case .undefined:
      beginForm("$undefined")
      write(true)
      endObject()
    case .simple(let number):
      guard !(20...31).contains(number) else {
        throw JSONError(.invalidForm, offset: bytes.count, "\(number) is no simple value of its own in CBOR")
      }
      beginForm("$simple")
      write(number)
      endObject()
    case .float(let float):
      guard !float.isFinite else { return write(float) }
      beginForm("$float")
      write(float.isNaN ? "nan" : float < 0 ? "-inf" : "inf")
      endObject()
    case .tag(let number, let content):
      let inner = try descend(level)
      beginForm("$tag")
      beginArray()
      write(number)
      try write(content, level: inner)
      endArray()
      endObject()
    case .array(let elements):
      let inner = try descend(level)
      beginArray()
      for element in elements { try write(element, level: inner) }
      endArray()
    case .map(let entries):
      let inner = try descend(level)
      try CBORJSON.isPlain(entries) ? writeObject(entries, level: inner) : writePairs(entries, level: inner)
    }
  }

  private mutating func writeObject(_ entries: [CBORValue.Entry], level: Int) throws(JSONError) {
    var keys = UniqueKeys()
    beginObject()
    for entry in entries {
      guard case .text(let text) = entry.key else { continue }
      guard keys.insert(text) else { throw JSONError.duplicate(text, at: bytes.count) }
      key(text: text)
      try write(entry.value, level: level)
    }
    endObject()
  }

  private mutating func writePairs(_ entries: [CBORValue.Entry], level: Int) throws(JSONError) {
    var keys = SpelledKeys()
    beginForm("$map")
    beginArray()
    for entry in entries {
      beginArray()
      let start = bytes.count
      try write(entry.key, level: level)
      keys.append(start..<bytes.count)
      try write(entry.value, level: level)
      endArray()
    }
    if let place = keys.duplicate(in: bytes) {
      throw JSONError(.duplicateKey, offset: keys.start(of: place), "a CBOR map has two equal keys")
    }
    endArray()
    endObject()
  }

  private func descend(_ level: Int) throws(JSONError) -> Int {
    guard level < CBORJSON.maximumDepth else { throw JSONError(.depthExceeded, offset: bytes.count, CBORJSON.tooDeep) }
    return level + 1
  }

  private mutating func beginForm(_ name: StaticString) {
    beginObject()
    key(name)
  }

  private mutating func writeQuotedNegative(_ complement: UInt64) {
    var digits = JSONWriter()
    digits.writeNegative(complement)
    write(digits.string)
  }
}
