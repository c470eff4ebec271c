import Formats
import Testing
import TestSupport

@testable import Engram

@Suite struct CBORStringTests {
  private func strings(_ bytes: [UInt8]) throws -> [[UInt8]] {
    var strings: [[UInt8]] = []
    try CBORReader.withReader(over: bytes) { reader throws(CBORError) in
      // SAFETY: each string is copied while it is lent.
      try unsafe reader.forEachString { string in unsafe strings.append(Array(string)) }
      try reader.requireEnd()
    }
    return strings
  }

  /// The strings of a decoded value, to compare with those that the reader finds.
  private func strings(_ value: CBORValue) -> [[UInt8]] {
    switch value {
    case .text(let text): [Array(text.utf8)]
    case .bytes(let bytes): [bytes]
    case .array(let elements): elements.flatMap(strings)
    case .map(let entries): entries.flatMap { strings($0.key) + strings($0.value) }
    case .tag(_, let value): strings(value)
    default: []
    }
  }

  @Test(arguments: 0..<20) func lendsEveryStringOfARandomItem(seed: UInt64) throws {
    var random = SeededGenerator(seed: seed)
    func item(_ depth: Int) -> CBORValue {
      switch Int.random(in: 0..<(depth > 4 ? 5 : 9), using: &random) {
      case 0: .text(random.text(30))
      case 1: .bytes(random.bytes(count: Int.random(in: 0...300, using: &random)))
      case 2: .unsigned(random.next())
      case 3: .float(Double.random(in: -1...1, using: &random))
      case 4: .null
      case 5: .tag(37, item(depth + 1))
      case 6: .map((0..<Int.random(in: 0...5, using: &random)).map { .init(key: .text("\($0)\(random.text(30))"), value: item(depth + 1)) })
      default: .array((0..<Int.random(in: 0...5, using: &random)).map { _ in item(depth + 1) })
      }
    }
    for _ in 0..<50 {
      var writer = CBORWriter()
      try writer.value(item(0))
      #expect(try strings(writer.bytes) == strings(CBORReader.value(of: writer.bytes)))
    }
  }

  @Test func lendsTheChunksOfAnIndefiniteString() throws {
    // An array without a length: the text "ab" ‖ "c", the bytes 1 ‖ 2, and the text "d".
    #expect(
      try strings([0x9f, 0x7f, 0x62, 0x61, 0x62, 0x61, 0x63, 0xff, 0x5f, 0x41, 1, 0x41, 2, 0xff, 0x61, 0x64, 0xff])
        == [Array("ab".utf8), Array("c".utf8), [1], [2], Array("d".utf8)])
  }

  @Test func refusesWhatIsNoItem() {
    let deep = [UInt8](repeating: 0x81, count: 200) + [0]
    for bytes: [UInt8] in [[], [0x62, 0x61], [0x82, 1], [0xff], deep] {
      #expect(throws: CBORError.self) { try strings(bytes) }
    }
  }
}
