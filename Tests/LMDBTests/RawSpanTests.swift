import LMDB
import TestSupport
import TestTraps
import Testing

@Suite struct RawSpanTests {
  @Test func prefixesAndEqualityAgreeWithArrays() {
    var generator = SeededGenerator(seed: 20)
    func random() -> [UInt8] {
      (0..<Int.random(in: 0...4, using: &generator)).map { _ in UInt8.random(in: 0...1, using: &generator) }
    }
    for _ in 0..<2_000 {
      let (left, right) = (random(), random())
      let (leftKey, rightKey) = (Key(left), Key(right))
      #expect(leftKey.bytes.hasPrefix(rightKey.bytes) == left.starts(with: right))
      #expect(leftKey.bytes.equals(rightKey.bytes) == (left == right))
    }
  }

  @Test func bigEndianIntegersAreReadAtAnyOffset() {
    let key = Key([0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x88])
    #expect(key.bytes.bigEndian(at: 1, as: UInt64.self) == 0x0102_0304_0506_0788)
    #expect(key.bytes.bigEndian(at: 0, as: UInt64.self) == 0x0001_0203_0405_0607)
    #expect(key.bytes.bigEndian(at: 3, as: UInt32.self) == 0x0304_0506)
    #expect(key.bytes.bigEndian(at: 7, as: UInt16.self) == 0x0788)
    #expect(key.bytes.bigEndian(at: 8, as: UInt8.self) == 0x88)
    #expect(key.bytes.bigEndian(at: 8, as: Int8.self) == -120)
  }

  @Test func hexadecimalHasTwoDigitsAByte() {
    #expect(Key([0x00, 0x0F, 0xA0, 0xFF]).bytes.hexadecimal == "000fa0ff")
    #expect(Key([]).bytes.hexadecimal == "")
  }

  @Test func anIntegerBeyondTheSpanTraps() async {
    let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      _ = Key([1, 2, 3, 4, 5, 6, 7]).bytes.bigEndian(at: 0, as: UInt64.self)
    }
    expectTrap(result, "the integer lies outside the span")
    let negative = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      _ = Key([1, 2, 3, 4, 5, 6, 7]).bytes.bigEndian(at: -1, as: UInt8.self)
    }
    expectTrap(negative, "the integer lies outside the span")
  }
}
