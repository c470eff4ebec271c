/// Appends JSON to a byte buffer, and puts in the commas.
///
/// The output has no white space, and only the escapes that programs and terminals need. The caller keeps containers balanced and gives
/// every member a key; that is not checked, except that ``endLine()`` requires all containers to be closed.
public struct JSONWriter: Sendable {
  /// The output so far. May be taken out and emptied between lines.
  public var bytes: [UInt8]
  /// How many arrays and objects are open.
  public private(set) var depth = 0
  private var needsComma = false

  public init(reservingCapacity capacity: Int = 0) {
    bytes = []
    bytes.reserveCapacity(capacity)
  }

  /// The output as text.
  public var string: String { String(decoding: bytes, as: UTF8.self) }

  // MARK: Containers

  public mutating func beginObject() { open(UInt8(ascii: "{")) }
  public mutating func endObject() { close(UInt8(ascii: "}")) }
  public mutating func beginArray() { open(UInt8(ascii: "[")) }
  public mutating func endArray() { close(UInt8(ascii: "]")) }

  /// Ends a line of JSON Lines.
  public mutating func endLine() {
    precondition(depth == 0, "an array or object is still open")
    bytes.append(0x0A)
    needsComma = false
  }

  /// Writes the key of the next member; allocates nothing.
  public mutating func key(_ name: StaticString) {
    separate()
    // The closure gets the literal's own storage, which lives for ever.
    name.withUTF8Buffer { unsafe appendQuoted($0) }
    endKey()
  }

  /// Writes the key of the next member.
  public mutating func key(text: String) {
    separate()
    quote(text)
    endKey()
  }

  // MARK: Scalars

  public mutating func writeNull() {
    separate()
    append("null")
  }

  public mutating func write(_ value: Bool) {
    separate()
    append(value ? "true" : "false")
  }

  public mutating func write(_ value: String) {
    separate()
    quote(value)
  }

  public mutating func write(_ value: some FixedWidthInteger) {
    separate()
    appendDigits(UInt64(value.magnitude), isNegative: value < 0)
  }

  /// Writes the integer −1 − `complement`.
  public mutating func writeNegative(_ complement: UInt64) {
    separate()
    append("-")
    appendMagnitude(ofNegative: complement)
  }

  /// Writes the shortest decimal that reads back as the same double, always with a point or an exponent.
  ///
  /// `value` is finite: JSON has no other numbers.
  public mutating func write(_ value: Double) {
    precondition(value.isFinite, "JSON has no infinity and no NaN")
    separate()
    bytes.append(contentsOf: value.description.utf8)
  }

  /// Writes the shortest decimal that reads back as the same float, always with a point or an exponent; `value` is finite.
  public mutating func write(_ value: Float) {
    precondition(value.isFinite, "JSON has no infinity and no NaN")
    separate()
    bytes.append(contentsOf: value.description.utf8)
  }

  /// Writes an array of finite floats.
  public mutating func writeFloats(_ floats: Span<Float>) {
    beginArray()
    bytes.reserveCapacity(bytes.count + 14 * floats.count)
    for index in floats.indices { write(floats[index]) }
    endArray()
  }

  /// Writes an array of finite floats.
  public mutating func writeFloats(_ floats: [Float]) { writeFloats(floats.span) }

  /// Writes a string of base64.
  public mutating func writeBase64(_ data: [UInt8]) {
    // Bytes have no padding: every byte of the span is initialised.
    writeBase64(unsafe data.span.bytes)
  }

  /// Writes a string of base64.
  public mutating func writeBase64(_ data: RawSpan) {
    separate()
    bytes.append(UInt8(ascii: "\""))
    Base64.encode(data, into: &bytes)
    bytes.append(UInt8(ascii: "\""))
  }

  /// Writes a string of base64 over little-endian float32.
  public mutating func writeBase64(floats: Span<Float>) {
    separate()
    bytes.append(UInt8(ascii: "\""))
    Base64.encodeFloats(floats, into: &bytes)
    bytes.append(UInt8(ascii: "\""))
  }

  // MARK: Written JSON

  /// Writes a value that is JSON already.
  ///
  /// - Parameter json: One valid value without white space around it; not checked.
  public mutating func write(json: String) {
    separate()
    bytes.append(contentsOf: json.utf8)
  }

  /// Writes the members of an object that is JSON already into the open object.
  ///
  /// - Parameter json: One valid object without white space around it; not checked.
  public mutating func writeMembers(ofJSON json: String) {
    let members = json.utf8.dropFirst().dropLast()
    guard !members.isEmpty else { return }
    separate()
    bytes.append(contentsOf: members)
  }

  // MARK: Machinery

  /// Calls `body`; when it throws, the writer is as it was before.
  mutating func undoingOnError(_ body: (inout JSONWriter) throws(JSONError) -> Void) throws(JSONError) {
    let (count, depth, needsComma) = (bytes.count, depth, needsComma)
    do throws(JSONError) {
      try body(&self)
    } catch {
      bytes.removeLast(bytes.count - count)
      self.depth = depth
      self.needsComma = needsComma
      throw error
    }
  }

  @inline(__always)
  private mutating func separate() {
    if needsComma { bytes.append(UInt8(ascii: ",")) }
    needsComma = true
  }

  private mutating func open(_ bracket: UInt8) {
    separate()
    bytes.append(bracket)
    depth += 1
    needsComma = false
  }

  private mutating func close(_ bracket: UInt8) {
    bytes.append(bracket)
    depth -= 1
    needsComma = true
  }

  private mutating func endKey() {
    bytes.append(UInt8(ascii: ":"))
    needsComma = false
  }

  private mutating func append(_ literal: StaticString) {
    // The closure gets the literal's own storage, which lives for ever.
    literal.withUTF8Buffer { unsafe bytes.append(contentsOf: $0) }
  }

  /// The digits of 1 + `complement`, which may be 2⁶⁴.
  mutating func appendMagnitude(ofNegative complement: UInt64) {
    if complement == .max { append("18446744073709551616") } else { appendDigits(complement + 1, isNegative: false) }
  }

  private mutating func appendDigits(_ magnitude: UInt64, isNegative: Bool) {
    if isNegative { bytes.append(UInt8(ascii: "-")) }
    let start = bytes.count
    var rest = magnitude
    repeat {
      bytes.append(UInt8(ascii: "0") + UInt8(truncatingIfNeeded: rest % 10))
      rest /= 10
    } while rest != 0
    bytes[start...].reverse()
  }
}
