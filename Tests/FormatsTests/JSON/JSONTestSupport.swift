@testable import Formats

/// SplitMix64: the same sequence on every machine.
struct JSONTestRandom: RandomNumberGenerator {
  private var state: UInt64

  init(seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
    return mixed ^ (mixed >> 31)
  }

  /// A text of up to `count` scalars: ASCII, controls, quotes, and all planes.
  mutating func text(count: Int) -> String {
    var result = String.UnicodeScalarView()
    for _ in 0..<Int.random(in: 0...count, using: &self) {
      let value: UInt32 =
        switch Int.random(in: 0..<8, using: &self) {
        case 0...3: UInt32.random(in: 0x20..<0x7F, using: &self)
        case 4: UInt32.random(in: 0..<0x20, using: &self)
        case 5:
          [0x22, 0x5C, 0x2F, 0x7F, 0x2028, 0x2029, 0xFEFF, 0xFFFF, 0x10FFFF, 0x80, 0x7FF, 0x800, 0x2027][
            Int.random(in: 0..<13, using: &self)]
        case 6: UInt32.random(in: 0x80..<0xD800, using: &self)
        default: UInt32.random(in: 0xE000...0x10FFFF, using: &self)
        }
      if let scalar = Unicode.Scalar(value) { result.append(scalar) }
    }
    return String(result)
  }

  mutating func finiteDouble() -> Double {
    while true {
      let value = Double(bitPattern: next())
      if value.isFinite { return value }
    }
  }
}

/// The error that `body` throws, for comparing its code and offset.
func jsonError(_ body: () throws -> Void) -> JSONError? {
  do {
    try body()
    return nil
  } catch {
    return error as? JSONError
  }
}

/// Reads `text` as one value.
func jsonValue(_ text: String) throws -> JSONValue { try JSONReader.read(Array(text.utf8)) { try $0.readValue() } }

/// The code with which `text` is refused; nil if it is accepted.
func refusal(_ text: [UInt8]) -> JSONError.Code? { jsonError { _ = try JSONReader.read(text) { try $0.readValue() } }?.code }

func refusal(_ text: String) -> JSONError.Code? { refusal(Array(text.utf8)) }
