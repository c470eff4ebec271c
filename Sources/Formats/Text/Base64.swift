/// Base64 with the standard alphabet and padding (RFC 4648, section 4), on whole buffers.
package enum Base64 {
  /// Why a text is not base64, and where.
  package struct Failure: Error, Sendable, Equatable {
    /// Zero-based offset of the first character at fault; the length of the text when something is missing at its end.
    package let offset: Int
    package let message: String
  }

  /// How many bytes a text of `count` characters holds at most.
  package static func maximumDecodedCount(_ count: Int) -> Int { count / 4 * 3 }

  /// How many characters `count` bytes take.
  package static func encodedCount(_ count: Int) -> Int { (count + 2) / 3 * 4 }

  /// Decodes strictly: no white space, padding required, unused bits zero.
  package static func decode(_ text: RawSpan) throws(Failure) -> [UInt8] {
    let count = try decodedCount(text)
    var failure: Failure?
    // The buffer is written in full by `decode(_:into:)`, or the error is thrown and no element is counted.
    let bytes = unsafe [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
      failure = unsafe decode(text, into: UnsafeMutableRawBufferPointer(rebasing: UnsafeMutableRawBufferPointer(buffer)[..<count]))
      initialized = failure == nil ? count : 0
    }
    if let failure { throw failure }
    return bytes
  }

  /// Decodes as ``decode(_:)-(RawSpan)`` does.
  package static func decode(_ text: [UInt8]) throws(Failure) -> [UInt8] {
    // Bytes have no padding: every byte of the span is initialised.
    try decode(unsafe text.span.bytes)
  }

  /// Decodes little-endian float32 values; as strict as ``decode(_:)``, and the byte count is a multiple of four.
  package static func decodeFloats(_ text: RawSpan) throws(Failure) -> [Float] {
    let count = try decodedCount(text)
    guard count % 4 == 0 else {
      throw Failure(offset: text.byteCount, message: "\(count) bytes are no whole number of 4-byte floats")
    }
    var failure: Failure?
    // As in `decode(_:)`; the memory of floats may be written as raw bytes because Float is trivial.
    let floats = unsafe [Float](unsafeUninitializedCapacity: count / 4) { buffer, initialized in
      failure = unsafe decode(text, into: UnsafeMutableRawBufferPointer(rebasing: UnsafeMutableRawBufferPointer(buffer)[..<count]))
      initialized = failure == nil ? count / 4 : 0
    }
    if let failure { throw failure }
    #if _endian(big)
      return floats.map { Float(bitPattern: $0.bitPattern.byteSwapped) }
    #else
      return floats
    #endif
  }

  /// Decodes as ``decodeFloats(_:)-(RawSpan)`` does.
  package static func decodeFloats(_ text: [UInt8]) throws(Failure) -> [Float] {
    // Bytes have no padding: every byte of the span is initialised.
    try decodeFloats(unsafe text.span.bytes)
  }

  /// Appends `data` as base64 to `text`.
  package static func encode(_ data: RawSpan, into text: inout [UInt8]) {
    let start = text.count
    let count = encodedCount(data.byteCount)
    text.append(contentsOf: repeatElement(UInt8(ascii: "="), count: count))
    // There are `count` bytes from `start` on, and that is what the input takes; 6-bit values index 64 letters.
    unsafe alphabet.withUnsafeBytes { table in
      unsafe data.withUnsafeBytes { input in
        unsafe text.withUnsafeMutableBytes { all in
          unsafe encode(input, into: UnsafeMutableRawBufferPointer(rebasing: all[start...]), table)
        }
      }
    }
  }

  /// Appends `data` as base64 to `text`.
  package static func encode(_ data: [UInt8], into text: inout [UInt8]) {
    // Bytes have no padding: every byte of the span is initialised.
    encode(unsafe data.span.bytes, into: &text)
  }

  /// Appends the little-endian bytes of `floats` as base64 to `text`.
  package static func encodeFloats(_ floats: Span<Float>, into text: inout [UInt8]) {
    #if _endian(big)
      var swapped: [UInt32] = []
      for index in floats.indices { swapped.append(floats[index].bitPattern.littleEndian) }
      // Integers have no padding: every byte of the span is initialised.
      encode(unsafe swapped.span.bytes, into: &text)
    #else
      // Floats have no padding, so every byte of the span is initialised.
      encode(unsafe floats.bytes, into: &text)
    #endif
  }

  // MARK: Machinery

  private static let alphabet = [UInt8]("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)

  /// The six bits of each character of the alphabet; 0xFF for any other byte.
  private static let values: [UInt8] = {
    var values = [UInt8](repeating: 0xFF, count: 256)
    for (value, letter) in alphabet.enumerated() { values[Int(letter)] = UInt8(value) }
    return values
  }()

  /// The byte count that the length and the padding promise.
  private static func decodedCount(_ text: RawSpan) throws(Failure) -> Int {
    let count = text.byteCount
    guard count % 4 == 0 else {
      throw Failure(offset: count, message: "the length of base64 is a multiple of 4, this has \(count) characters")
    }
    guard count > 0 else { return 0 }
    let padding = UInt8(ascii: "=")
    // In bounds: at least four characters.
    let last = unsafe text.unsafeLoad(fromByteOffset: count - 1, as: UInt8.self)
    let beforeLast = unsafe text.unsafeLoad(fromByteOffset: count - 2, as: UInt8.self)
    return count / 4 * 3 - (last != padding ? 0 : beforeLast != padding ? 1 : 2)
  }

  /// Fills `output`, whose size is `decodedCount(text)`.
  private static func decode(_ text: RawSpan, into output: UnsafeMutableRawBufferPointer) -> Failure? {
    // A byte indexes 256 values. The loop bounds keep every read inside `input` and every write inside `output`.
    unsafe values.withUnsafeBufferPointer { table in
      unsafe text.withUnsafeBytes { input in
        var read = 0
        var written = 0
        let outputCount = output.count
        // Eight characters make six bytes; they are stored as eight, the last two to be overwritten, while there is room.
        while written + 8 <= outputCount {
          let word = unsafe UInt64(littleEndian: input.loadUnaligned(fromByteOffset: read, as: UInt64.self))
          var bits: UInt64 = 0
          var check: UInt8 = 0
          for shift in 0..<8 {
            let value = unsafe table[Int(truncatingIfNeeded: word >> UInt64(truncatingIfNeeded: shift * 8) & 0xFF)]
            check |= value
            bits = bits << 6 | UInt64(value)
          }
          if check & 0xC0 != 0 { return unsafe invalid(input, from: read, table) }
          unsafe output.storeBytes(of: (bits << 16).bigEndian, toByteOffset: written, as: UInt64.self)
          read += 8
          written += 6
        }
        while written < outputCount {
          let wanted = min(3, outputCount - written)
          var bits: UInt32 = 0
          for offset in 0...wanted {
            let value = unsafe table[Int(input[read + offset])]
            guard value < 64 else { return unsafe invalid(input, from: read, table) }
            bits |= UInt32(value) << UInt32(18 - 6 * offset)
          }
          for offset in 0..<wanted {
            unsafe output[written + offset] = UInt8(truncatingIfNeeded: bits >> UInt32(16 - 8 * offset))
          }
          if bits & (0xFF_FFFF >> UInt32(8 * wanted)) != 0 {
            return Failure(offset: read + wanted, message: "the last character of base64 has bits that belong to no byte")
          }
          read += 4
          written += wanted
        }
        return nil
      }
    }
  }

  /// The failure for the first character from `start` on that is outside the alphabet.
  private static func invalid(_ input: UnsafeRawBufferPointer, from start: Int, _ table: UnsafeBufferPointer<UInt8>) -> Failure {
    // In bounds: start <= index < count, and a byte indexes 256 values.
    let offset = (start..<input.count).first { unsafe table[Int(input[$0])] == 0xFF } ?? start
    let isPadding = unsafe input[offset] == UInt8(ascii: "=")
    return Failure(
      offset: offset, message: isPadding ? "base64 padding occurs before the end" : "a character that is not in the base64 alphabet")
  }

  private static func encode(_ input: UnsafeRawBufferPointer, into output: UnsafeMutableRawBufferPointer, _ table: UnsafeRawBufferPointer) {
    var read = 0
    var written = 0
    let inputCount = input.count
    // Six bytes make eight characters; eight bytes are loaded while there are as many.
    while read + 8 <= inputCount {
      let bits = unsafe UInt64(bigEndian: input.loadUnaligned(fromByteOffset: read, as: UInt64.self))
      var letters: UInt64 = 0
      for index in 0..<8 {
        let value = Int(truncatingIfNeeded: bits >> UInt64(truncatingIfNeeded: 58 - 6 * index) & 0x3F)
        letters |= UInt64(unsafe table[value]) << UInt64(truncatingIfNeeded: 8 * index)
      }
      unsafe output.storeBytes(of: letters.littleEndian, toByteOffset: written, as: UInt64.self)
      read += 6
      written += 8
    }
    while read < inputCount {
      let taken = min(3, inputCount - read)
      var bits: UInt32 = 0
      for offset in 0..<taken { bits |= UInt32(unsafe input[read + offset]) << UInt32(16 - 8 * offset) }
      for offset in 0...taken {
        unsafe output[written + offset] = table[Int(truncatingIfNeeded: bits >> UInt32(18 - 6 * offset) & 0x3F)]
      }
      read += 3
      written += 4
    }
  }
}
