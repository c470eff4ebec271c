/// Finds offsets at which a pattern may begin, with two Bloom filters (Bloom, "Space/Time Trade-offs in Hash Coding with Allowable Errors",
/// 1970).
///
/// Of the searched bytes, only the windows of eight bytes at every eighth offset are looked up. A pattern of fifteen bytes or more contains
/// one of these windows completely, wherever it lies, so the first filter has the eight windows of the pattern that this can be. With
/// shorter patterns the windows lie closer. If a window is found, the offsets at which its pattern may begin are looked up in the second
/// filter, by the first sixteen bytes of the patterns, or the first eight of shorter ones.
struct PrefixFilter: Sendable {
  /// Bytes from one window to the next.
  private let step: Int
  private var windows: BitTable
  private var beginnings: BitTable
  /// Whether a pattern has fewer than sixteen bytes.
  private var hasShortPatterns = false

  /// - Parameters:
  ///   - count: The number of patterns.
  ///   - shortestBytes: The bytes of the shortest pattern, at least eight.
  init(count: Int, shortestBytes: Int) {
    step = min(shortestBytes - 7, 8)
    windows = BitTable(count: count * step)
    beginnings = BitTable(count: count)
  }

  mutating func insert(_ pattern: RawSpan) {
    for offset in 0..<step { windows.insert(PrefixHash.window(pattern.word(at: offset))) }
    let first = pattern.word(at: 0)
    if pattern.byteCount >= 16 {
      beginnings.insert(PrefixHash.beginning(first, pattern.word(at: 8)))
    } else {
      beginnings.insert(PrefixHash.beginning(first, 0))
      hasShortPatterns = true
    }
  }

  /// Calls `body` with each offset below `end` at which a pattern may begin, in ascending order.
  @inline(__always)
  func forEachCandidate(in bytes: RawSpan, below end: Int, _ body: (_ offset: Int, _ prefix: UInt64) -> Void) {
    guard end > 0 else { return }
    var window = 0
    let lastWindow = min(end + step - 2, bytes.byteCount - 8)
    while window <= lastWindow {
      if windows.mayContain(PrefixHash.window(bytes.word(at: window))) {
        for offset in max(window - step + 1, 0)..<min(window + 1, end) {
          let first = bytes.word(at: offset)
          if mayBegin(with: first, in: bytes, at: offset) { body(offset, first) }
        }
      }
      window += step
    }
  }

  private func mayBegin(with first: UInt64, in bytes: RawSpan, at offset: Int) -> Bool {
    if hasShortPatterns, beginnings.mayContain(PrefixHash.beginning(first, 0)) { return true }
    return offset + 16 <= bytes.byteCount && beginnings.mayContain(PrefixHash.beginning(first, bytes.word(at: offset + 8)))
  }
}

/// A set of hashes that may report a hash that it does not contain.
private struct BitTable: Sendable {
  private var words: [UInt64]
  private let shift: UInt64

  /// The least bits for each hash, unless the table has its largest size: then at most one in 32 other hashes is reported.
  private static let bitsPerHash = 32
  private static let logarithms = 12...28

  init(count: Int) {
    let wanted = Int.bitWidth - max(count * Self.bitsPerHash - 1, 0).leadingZeroBitCount
    let logarithm = min(max(wanted, Self.logarithms.lowerBound), Self.logarithms.upperBound)
    shift = UInt64(64 - logarithm)
    words = [UInt64](repeating: 0, count: 1 << (logarithm - 6))
  }

  mutating func insert(_ hash: UInt64) {
    let bit = hash >> shift
    words[Int(bit >> 6)] |= 1 << (bit & 63)
  }

  @inline(__always)
  func mayContain(_ hash: UInt64) -> Bool {
    let bit = hash >> shift
    return words[Int(bit >> 6)] >> (bit & 63) & 1 != 0
  }
}

/// Multiplicative hashing; the top bits are the best mixed.
enum PrefixHash {
  @inline(__always)
  static func window(_ word: UInt64) -> UInt64 { word &* 0x9E37_79B9_7F4A_7C15 }

  /// The hash of the first sixteen bytes of a pattern.
  @inline(__always)
  static func beginning(_ first: UInt64, _ second: UInt64) -> UInt64 {
    let mixed = (first ^ first >> 32) &* 0xC2B2_AE3D_27D4_EB4F
    return (mixed ^ mixed >> 29 ^ second) &* 0x9E37_79B9_7F4A_7C15
  }
}

extension RawSpan {
  /// The eight bytes at `offset`, in the machine's order.
  @inline(__always)
  func word(at offset: Int) -> UInt64 { unsafe unsafeLoadUnaligned(fromByteOffset: offset, as: UInt64.self) }
}
