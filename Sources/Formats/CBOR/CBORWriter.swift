/// Appends CBOR items to a buffer that it owns, in the deterministic encoding of RFC 8949 section 4.2.1.
///
/// Heads are the shortest and lengths definite by construction. The caller of the item-by-item methods must ensure two things: a count is
/// followed by exactly as many items (twice as many for a map), and map keys come in bytewise order of their encodings, which for text
/// keys is: shorter first, then by bytes. ``value(_:depthLimit:)`` ensures both.
@usableFromInline package struct CBORWriter {
  /// How many levels of arrays, maps and tags may enclose one another, in writing and in reading.
  @usableFromInline package static let defaultDepthLimit = 128

  @usableFromInline package internal(set) var bytes: [UInt8]

  @inlinable @inline(__always)
  package init(reservingCapacity capacity: Int = 0) {
    bytes = []
    if capacity > 0 { bytes.reserveCapacity(capacity) }
  }

  /// Empties the buffer and keeps its memory.
  @inlinable @inline(__always)
  package mutating func removeAll() {
    bytes.removeAll(keepingCapacity: true)
  }

  // MARK: Numbers

  @inlinable @inline(__always)
  package mutating func unsigned(_ value: UInt64) {
    head(0x00, value)
  }

  @inlinable @inline(__always)
  package mutating func int(_ value: Int64) {
    // −1 − n has the bits of n inverted.
    head(value < 0 ? 0x20 : 0x00, UInt64(bitPattern: value < 0 ? ~value : value))
  }

  /// Every width; a value outside −2⁶⁴ … 2⁶⁴ − 1 becomes a big number (tag 2 or 3) with the fewest bytes.
  @inlinable @inline(__always)
  package mutating func int(_ value: some FixedWidthInteger) {
    if let small = Int64(exactly: value) {
      int(small)
    } else if let large = UInt64(exactly: value) {
      unsigned(large)
    } else if value < 0 {
      integer(negative: true, magnitude: UInt128(~value))
    } else {
      integer(negative: false, magnitude: UInt128(value))
    }
  }

  /// Appends `magnitude`, or −1 − `magnitude` if `negative`.
  @usableFromInline package mutating func integer(negative: Bool, magnitude: UInt128) {
    if let small = UInt64(exactly: magnitude) {
      head(negative ? 0x20 : 0x00, small)
      return
    }
    tag(negative ? 3 : 2)
    let count = 16 - magnitude.leadingZeroBitCount / 8
    head(0x40, UInt64(count))
    for index in (0..<count).reversed() {
      bytes.append(UInt8(truncatingIfNeeded: magnitude >> (UInt128(index) * 8)))
    }
  }

  /// The shortest of the three float formats that keeps the value; every NaN is `f97e00`.
  @inlinable @inline(__always)
  package mutating func double(_ value: Double) {
    let single = Float(value)
    guard Double(single) == value else {
      if value.isNaN {
        fixedHead(0xf9, UInt16(0x7e00))
      } else {
        fixedHead(0xfb, value.bitPattern)
      }
      return
    }
    if let half = CBORHalfFloat.pattern(exactly: single) {
      fixedHead(0xf9, half)
    } else {
      fixedHead(0xfa, single.bitPattern)
    }
  }

  // MARK: Strings

  @inlinable @inline(__always)
  package mutating func text(_ value: String) {
    var value = value
    value.withUTF8 { utf8 in
      unsafe text(utf8: UnsafeRawBufferPointer(utf8))  // The string lends its bytes for this closure.
    }
  }

  /// Text whose UTF-8 the caller already has and knows to be valid.
  @inlinable @inline(__always)
  package mutating func text(utf8: UnsafeRawBufferPointer) {
    unsafe string(0x60, utf8)
  }

  @inlinable @inline(__always)
  package mutating func text(utf8: [UInt8]) {
    head(0x60, UInt64(utf8.count))
    bytes.append(contentsOf: utf8)
  }

  /// A text key known at compile time; nothing is allocated.
  @inlinable @inline(__always)
  package mutating func key(_ name: StaticString) {
    // The literal lends its UTF-8 for this closure.
    name.withUTF8Buffer { unsafe string(0x60, UnsafeRawBufferPointer($0)) }
  }

  @inlinable @inline(__always)
  package mutating func bytes(_ value: [UInt8]) {
    head(0x40, UInt64(value.count))
    bytes.append(contentsOf: value)
  }

  @inlinable @inline(__always)
  package mutating func bytes(_ value: UnsafeRawBufferPointer) {
    unsafe string(0x40, value)
  }

  // MARK: Containers and simple values

  /// Announces `count` items.
  @inlinable @inline(__always)
  package mutating func array(count: Int) {
    head(0x80, UInt64(count))
  }

  /// Announces `count` pairs of key and value.
  @inlinable @inline(__always)
  package mutating func map(count: Int) {
    head(0xa0, UInt64(count))
  }

  /// Announces one item to which the tag applies.
  @inlinable @inline(__always)
  package mutating func tag(_ number: UInt64) {
    head(0xc0, number)
  }

  @inlinable @inline(__always)
  package mutating func bool(_ value: Bool) {
    bytes.append(value ? 0xf5 : 0xf4)
  }

  @inlinable @inline(__always)
  package mutating func null() {
    bytes.append(0xf6)
  }

  @inlinable @inline(__always)
  package mutating func undefined() {
    bytes.append(0xf7)
  }

  /// Appends items that are already encoded; the caller knows them to be well-formed and deterministic.
  @inlinable @inline(__always)
  package mutating func encoded(_ items: UnsafeRawBufferPointer) {
    unsafe bytes.append(contentsOf: items)
  }

  // MARK: Heads

  /// The shortest head of a major type, given as its first byte with the low five bits zero.
  @inlinable @inline(__always)
  package mutating func head(_ major: UInt8, _ argument: UInt64) {
    if argument < 24 {
      bytes.append(major | UInt8(truncatingIfNeeded: argument))
    } else {
      longHead(major, argument)
    }
  }

  @usableFromInline mutating func longHead(_ major: UInt8, _ argument: UInt64) {
    if argument <= 0xff {
      fixedHead(major | 24, UInt8(truncatingIfNeeded: argument))
    } else if argument <= 0xffff {
      fixedHead(major | 25, UInt16(truncatingIfNeeded: argument))
    } else if argument <= 0xffff_ffff {
      fixedHead(major | 26, UInt32(truncatingIfNeeded: argument))
    } else {
      fixedHead(major | 27, argument)
    }
  }

  @inlinable @inline(__always)
  mutating func fixedHead<Argument: FixedWidthInteger>(_ first: UInt8, _ argument: Argument) {
    bytes.append(first)
    unsafe withUnsafeBytes(of: argument.bigEndian) { unsafe bytes.append(contentsOf: $0) }  // Borrowed for the closure only.
  }

  @inlinable @inline(__always)
  mutating func string(_ major: UInt8, _ content: UnsafeRawBufferPointer) {
    head(major, UInt64(content.count))
    unsafe bytes.append(contentsOf: content)
  }
}
