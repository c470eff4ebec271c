#if canImport(FoundationEssentials)
  import FoundationEssentials
#else
  import Foundation
#endif

/// The types that have a CBOR form of their own, found by comparing type identities.
///
/// Generic code, such as that of `Array` and `Optional`, passes even integers and strings as "some `Encodable`"; going through their own
/// `encode(to:)` would cost an encoder and a container for each. In every `unsafeBitCast` below, the line itself has just established
/// that the two types are the same.
enum CBORKnownType {
  /// Whether `Value` is such a type; if so, appends the value.
  ///
  /// - Throws: ``CBORError`` `.depthExceeded` if the tags of a date, UUID, URL, decimal or big number would be nested too deep.
  static func write<Value>(_ value: Value, to writer: inout CBORWriter, depthLeft: Int) throws(CBORError) -> Bool {
    let type = Value.self
    if type == String.self {
      writer.text(unsafe unsafeBitCast(value, to: String.self))
    } else if type == Int.self {
      writer.int(unsafe unsafeBitCast(value, to: Int.self))
    } else if type == Double.self {
      writer.double(unsafe unsafeBitCast(value, to: Double.self))
    } else if type == Float.self {
      writer.double(Double(unsafe unsafeBitCast(value, to: Float.self)))
    } else if type == Bool.self {
      writer.bool(unsafe unsafeBitCast(value, to: Bool.self))
    } else if type == Data.self {
      writer.data(unsafe unsafeBitCast(value, to: Data.self))
    } else if type == Date.self {
      try requireTags(depthLeft, writer)
      writer.date(unsafe unsafeBitCast(value, to: Date.self))
    } else if type == UUID.self {
      try requireTags(depthLeft, writer)
      writer.uuid(unsafe unsafeBitCast(value, to: UUID.self))
    } else if type == URL.self {
      try requireTags(depthLeft, writer)
      writer.url(unsafe unsafeBitCast(value, to: URL.self))
    } else if type == Decimal.self {
      try requireTags(depthLeft, writer)
      writer.decimal(unsafe unsafeBitCast(value, to: Decimal.self))
    } else if type == [String].self {
      try requireDepth(depthLeft, 1, writer)
      let elements = unsafe unsafeBitCast(value, to: [String].self)
      writer.array(count: elements.count)
      for element in elements { writer.text(element) }
    } else if type == [Double].self {
      try requireDepth(depthLeft, 1, writer)
      let elements = unsafe unsafeBitCast(value, to: [Double].self)
      writer.array(count: elements.count)
      for element in elements { writer.double(element) }
    } else if type == [Float].self {
      try requireDepth(depthLeft, 1, writer)
      let elements = unsafe unsafeBitCast(value, to: [Float].self)
      writer.array(count: elements.count)
      for element in elements { writer.double(Double(element)) }
    } else if type == [Int].self {
      try requireDepth(depthLeft, 1, writer)
      let elements = unsafe unsafeBitCast(value, to: [Int].self)
      writer.array(count: elements.count)
      for element in elements { writer.int(element) }
    } else if type == [UInt8].self {
      try requireDepth(depthLeft, 1, writer)
      let elements = unsafe unsafeBitCast(value, to: [UInt8].self)
      writer.array(count: elements.count)
      for element in elements { writer.unsigned(UInt64(element)) }
    } else if type == Int8.self {
      writer.int(unsafe unsafeBitCast(value, to: Int8.self))
    } else if type == Int16.self {
      writer.int(unsafe unsafeBitCast(value, to: Int16.self))
    } else if type == Int32.self {
      writer.int(unsafe unsafeBitCast(value, to: Int32.self))
    } else if type == Int64.self {
      writer.int(unsafe unsafeBitCast(value, to: Int64.self))
    } else if type == Int128.self {
      try requireTags(depthLeft, writer)
      writer.int(unsafe unsafeBitCast(value, to: Int128.self))
    } else if type == UInt.self {
      writer.int(unsafe unsafeBitCast(value, to: UInt.self))
    } else if type == UInt8.self {
      writer.int(unsafe unsafeBitCast(value, to: UInt8.self))
    } else if type == UInt16.self {
      writer.int(unsafe unsafeBitCast(value, to: UInt16.self))
    } else if type == UInt32.self {
      writer.int(unsafe unsafeBitCast(value, to: UInt32.self))
    } else if type == UInt64.self {
      writer.int(unsafe unsafeBitCast(value, to: UInt64.self))
    } else if type == UInt128.self {
      try requireTags(depthLeft, writer)
      writer.int(unsafe unsafeBitCast(value, to: UInt128.self))
    } else {
      return false
    }
    return true
  }

  /// The value at an item, or `nil` if `Value` is not such a type.
  static func read<Value>(_ type: Value.Type, _ input: CBORDecodingInput, _ item: Int) throws(CBORError) -> Value? {
    @inline(__always)
    func read<Known>(_ body: (inout CBORReader) throws(CBORError) -> Known) throws(CBORError) -> Value {
      cast(try input.read(item, body))
    }
    @inline(__always)
    func cast<Known>(_ value: Known) -> Value { unsafe unsafeBitCast(value, to: Value.self) }
    @inline(__always)
    func integer<Known: FixedWidthInteger>(_ known: Known.Type) throws(CBORError) -> Value {
      try read { reader throws(CBORError) in try reader.readInteger(known) }
    }
    if type == String.self { return try read { reader throws(CBORError) in try reader.readText() } }
    if type == Int.self { return try integer(Int.self) }
    if type == Double.self { return try read { reader throws(CBORError) in try reader.readDouble() } }
    if type == Float.self { return try read { reader throws(CBORError) in try reader.readFloat() } }
    if type == Bool.self { return try read { reader throws(CBORError) in try reader.readBool() } }
    if type == Data.self { return try read { reader throws(CBORError) in try reader.readData() } }
    if type == Date.self { return try read { reader throws(CBORError) in try reader.readDate() } }
    if type == UUID.self { return try read { reader throws(CBORError) in try reader.readUUID() } }
    if type == URL.self { return try read { reader throws(CBORError) in try reader.readURL() } }
    if type == Decimal.self { return try read { reader throws(CBORError) in try reader.readDecimal() } }
    if type == [String].self { return elements(input, item) { reader throws(CBORError) in try reader.readText() }.map(cast) }
    if type == [Double].self { return elements(input, item) { reader throws(CBORError) in try reader.readDouble() }.map(cast) }
    if type == [Float].self { return elements(input, item) { reader throws(CBORError) in try reader.readFloat() }.map(cast) }
    if type == [Int].self { return elements(input, item) { reader throws(CBORError) in try reader.readInteger(Int.self) }.map(cast) }
    if type == [UInt8].self { return elements(input, item) { reader throws(CBORError) in try reader.readInteger(UInt8.self) }.map(cast) }
    if type == Int8.self { return try integer(Int8.self) }
    if type == Int16.self { return try integer(Int16.self) }
    if type == Int32.self { return try integer(Int32.self) }
    if type == Int64.self { return try integer(Int64.self) }
    if type == Int128.self { return try integer(Int128.self) }
    if type == UInt.self { return try integer(UInt.self) }
    if type == UInt8.self { return try integer(UInt8.self) }
    if type == UInt16.self { return try integer(UInt16.self) }
    if type == UInt32.self { return try integer(UInt32.self) }
    if type == UInt64.self { return try integer(UInt64.self) }
    if type == UInt128.self { return try integer(UInt128.self) }
    return nil
  }

  /// All elements of an array, or `nil` if anything is wrong with it: `Array` then decodes it by itself and names the element at fault.
  @inline(__always)
  private static func elements<Element>(
    _ input: CBORDecodingInput, _ item: Int, _ read: (inout CBORReader) throws(CBORError) -> Element
  ) -> [Element]? {
    try? input.read(item) { reader throws(CBORError) in
      var count = try reader.readArrayCount()
      var elements: [Element] = []
      elements.reserveCapacity(count ?? 0)  // The input was checked: the elements are there.
      while try reader.hasNext(&count) { elements.append(try read(&reader)) }
      return elements
    }
  }

  @inline(__always)
  private static func requireTags(_ depthLeft: Int, _ writer: CBORWriter) throws(CBORError) {
    // A decimal is a tag around an array, an extended time a tag around a map; all tagged types need two levels, so that all can be read.
    try requireDepth(depthLeft, 2, writer)
  }

  @inline(__always)
  private static func requireDepth(_ depthLeft: Int, _ needed: Int, _ writer: CBORWriter) throws(CBORError) {
    guard depthLeft >= needed else {
      throw CBORError(.depthExceeded, at: writer.bytes.count, "arrays, maps and tags are nested too deep")
    }
  }
}
