import Formats
public import Foundation
import Synchronization

/// The identity of a memory: 128 bits, laid out as a UUID of version 7, so that ids sort by the time they were made.
///
/// Ids made by one process ascend strictly, also within one millisecond.
public struct MemoryID: Sendable, Hashable, Comparable, LosslessStringConvertible, Codable {
  let high: UInt64
  let low: UInt64

  init(high: UInt64, low: UInt64) {
    self.high = high
    self.low = low
  }

  /// Makes a new id of this moment.
  public init() {
    self = MemoryIDGenerator.shared.next(millisecond: WallClock.now())
  }

  /// Parses the 36 characters of a UUID, in either case.
  public init?(_ description: String) {
    guard let bytes = UUIDText.bytes(description) else { return nil }
    self.init(bytes: bytes)
  }

  public init(_ uuid: UUID) {
    let bytes = unsafe withUnsafeBytes(of: uuid.uuid) { unsafe Array($0) }
    self.init(bytes: bytes)!
  }

  /// Nil unless there are 16 bytes, the most significant first.
  init?(bytes: [UInt8]) {
    guard bytes.count == 16 else { return nil }
    self.init(
      high: bytes[..<8].reduce(0) { $0 << 8 | UInt64($1) },
      low: bytes[8...].reduce(0) { $0 << 8 | UInt64($1) })
  }

  /// The 16 bytes, the most significant first.
  var bytes: [UInt8] {
    // SAFETY: the bytes are copied during the call.
    unsafe withUnsafeBytes(of: (high.bigEndian, low.bigEndian)) { unsafe Array($0) }
  }

  public var description: String {
    let digits = Array("0123456789abcdef".utf8)
    var text: [UInt8] = []
    text.reserveCapacity(36)
    for (index, byte) in bytes.enumerated() {
      if [4, 6, 8, 10].contains(index) { text.append(UInt8(ascii: "-")) }
      text.append(digits[Int(byte >> 4)])
      text.append(digits[Int(byte & 15)])
    }
    return String(decoding: text, as: UTF8.self)
  }

  public static func < (left: MemoryID, right: MemoryID) -> Bool {
    (left.high, left.low) < (right.high, right.low)
  }

  public init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    let text = try container.decode(String.self)
    guard let id = MemoryID(text) else {
      throw DecodingError.dataCorruptedError(in: container, debugDescription: "'\(text)' is not a memory id")
    }
    self = id
  }

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(description)
  }
}

/// RFC 9562, section 6.2, method 2: within a millisecond the random part is a counter that starts at random.
private final class MemoryIDGenerator: Sendable {
  static let shared = MemoryIDGenerator()

  private struct State {
    var millisecond: UInt64 = 0
    /// The 74 bits that are neither time nor version nor variant, as 12 and 62.
    var upper: UInt64 = 0
    var lower: UInt64 = 0
  }

  private let state = Mutex(State())
  private static let lowerMask: UInt64 = (1 << 62) - 1

  func next(millisecond now: Int64) -> MemoryID {
    let (millisecond, upper, lower) = state.withLock { state in
      let now = UInt64(clamping: now)
      if now > state.millisecond {
        state.millisecond = now
        state.upper = UInt64.random(in: 0..<(1 << 11))
        state.lower = UInt64.random(in: 0...Self.lowerMask)
      } else {
        // The clock stood still or went back: go on counting from the last id.
        state.lower = (state.lower + UInt64.random(in: 1...(1 << 32))) & Self.lowerMask
        if state.lower < (1 << 32) { state.upper += 1 }
        if state.upper >= (1 << 12) {
          state.upper = 0
          state.millisecond += 1
        }
      }
      return (state.millisecond, state.upper, state.lower)
    }
    return MemoryID(high: millisecond << 16 | 0x7000 | upper, low: 0x8000_0000_0000_0000 | lower)
  }
}
