import Testing

@testable import Formats

/// SplitMix64: the same seed gives the same inputs on every run.
struct CBORTestGenerator: RandomNumberGenerator {
  private var state: UInt64

  init(seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
    return mixed ^ (mixed >> 31)
  }
}

func cborBytes(hex: String) -> [UInt8] {
  let digits = hex.compactMap(\.hexDigitValue)
  return stride(from: 0, to: digits.count - 1, by: 2).map { UInt8(digits[$0] * 16 + digits[$0 + 1]) }
}

func cborHex(_ bytes: [UInt8]) -> String {
  bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
}

func cborEncoding(of value: CBORValue) throws -> [UInt8] {
  var writer = CBORWriter()
  try writer.value(value)
  return writer.bytes
}

/// The code of the error that `body` throws; records an issue and returns `nil` if it throws none.
func cborCode(_ body: () throws(CBORError) -> Void, sourceLocation: SourceLocation = #_sourceLocation) -> CBORError.Code? {
  do throws(CBORError) {
    try body()
    Issue.record("an error was expected", sourceLocation: sourceLocation)
    return nil
  } catch {
    return error.code
  }
}

func cborReadError(hex: String, sourceLocation: SourceLocation = #_sourceLocation) -> CBORError.Code? {
  cborCode({ () throws(CBORError) in _ = try CBORReader.value(of: cborBytes(hex: hex)) }, sourceLocation: sourceLocation)
}

/// Random trees as reading gives them back: maps sorted by encoded key and without duplicates, no two cases for the same value.
struct CBORTreeGenerator {
  var random: CBORTestGenerator
  /// Whether only values are made that every library treats alike: maps with keys of one simple type, no tags but big numbers, no simple
  /// values.
  var isPortable = false

  init(seed: UInt64, isPortable: Bool = false) {
    random = CBORTestGenerator(seed: seed)
    self.isPortable = isPortable
  }

  mutating func tree(depth: Int = 4) throws -> CBORValue {
    switch Int.random(in: 0..<(depth > 0 ? 14 : 9), using: &random) {
    case 0: return .unsigned(integer())
    case 1: return .negative(integer())
    case 2: return .bytes(string(of: 0...255))
    case 3, 4: return .text(text())
    case 5: return .bool(Bool.random(using: &random))
    case 6: return Bool.random(using: &random) || isPortable ? .null : .undefined
    case 7: return .float(float())
    case 8: return isPortable ? .null : .simple([UInt8(0), 16, 19, 32, 100, 255].randomElement(using: &random) ?? 0)
    case 9, 10: return .array(try (0..<count()).map { _ in try tree(depth: depth - 1) })
    case 11, 12: return .map(try entries(depth: depth))
    default:
      if isPortable { return .array([]) }
      return .tag(integer(), try tree(depth: depth - 1))
    }
  }

  private mutating func entries(depth: Int) throws -> [CBORValue.Entry] {
    var byKey: [[UInt8]: CBORValue.Entry] = [:]
    let kind = Int.random(in: 0..<2, using: &random)
    for _ in 0..<count() {
      let key: CBORValue =
        if isPortable { kind == 0 ? .text(text()) : .unsigned(integer()) } else { try tree(depth: min(depth - 1, 1)) }
      byKey[try cborEncoding(of: key)] = CBORValue.Entry(key: key, value: try tree(depth: depth - 1))
    }
    return byKey.sorted { $0.key.lexicographicallyPrecedes($1.key) }.map(\.value)
  }

  private mutating func count() -> Int { Int.random(in: 0..<6, using: &random) }

  private mutating func integer() -> UInt64 {
    random.next() >> UInt64.random(in: 0..<64, using: &random)
  }

  private mutating func string(of range: ClosedRange<UInt8>) -> [UInt8] {
    (0..<Int.random(in: 0..<40, using: &random)).map { _ in UInt8.random(in: range, using: &random) }
  }

  private mutating func text() -> String {
    let alphabet = ["a", "Z", "0", " ", "\"", "\\", "\u{0}", "ü", "水", "𐅑", "e\u{301}", "👩‍👩‍👧"]
    return (0..<Int.random(in: 0..<12, using: &random)).map { _ in alphabet.randomElement(using: &random) ?? "" }.joined()
  }

  /// A float of any width. NaN has its own tests, because it does not equal itself.
  private mutating func float() -> Double {
    let value: Double =
      switch Int.random(in: 0..<4, using: &random) {
      case 0: CBORHalfFloat.value(UInt16.random(in: 0...UInt16.max, using: &random))
      case 1: Double(Float(bitPattern: UInt32.random(in: 0...UInt32.max, using: &random)))
      case 2: Double(bitPattern: random.next())
      default: Double(Int.random(in: -5000...5000, using: &random)) / 8
      }
    return value.isNaN ? 0.25 : value
  }
}
