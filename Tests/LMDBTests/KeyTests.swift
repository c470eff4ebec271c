import LMDB
import TestSupport
import TestTraps
import Testing

@Suite struct KeyTests {
  private func bytes(_ value: Int64) -> [UInt8] {
    var key = Key()
    key.append(value)
    return copy(key.bytes)
  }

  @Test func partsAreBigEndianInTheOrderOfAppending() {
    var key = Key()
    key.append(UInt8(0xAB))
    key.append(UInt32(0x0102_0304))
    key.append(UInt64(0x1112_1314_1516_1718))
    key.append(Int64(0))
    key.append(utf8: "é!")
    key.append(Key([9, 8]))
    #expect(
      copy(key.bytes) == [0xAB, 1, 2, 3, 4, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x18, 0x80, 0, 0, 0, 0, 0, 0, 0]
        + [0xC3, 0xA9, 0x21, 9, 8])
    #expect(key.count == 26)
  }

  @Test func signedNumbersSortAsTheirBytes() {
    var generator = SeededGenerator(seed: 10)
    var numbers: [Int64] = [.min, .min + 1, -256, -255, -2, -1, 0, 1, 2, 255, 256, .max - 1, .max]
    for shift in 0..<63 {
      numbers += [1 << shift, -(1 << shift)]
      numbers += [Int64.random(in: .min ... .max, using: &generator) >> shift]
    }
    for left in numbers {
      for right in numbers {
        #expect((left < right) == bytes(left).lexicographicallyPrecedes(bytes(right)))
        #expect((left == right) == (bytes(left) == bytes(right)))
      }
    }
  }

  @Test func signedNumbersComeBack() {
    var generator = SeededGenerator(seed: 11)
    for number in [Int64.min, -1, 0, 1, .max] + (0..<200).map({ _ in Int64.random(in: .min ... .max, using: &generator) }) {
      var key = Key()
      key.append(UInt8(1))
      key.append(number)
      #expect(key.bytes.orderedInt64(at: 1) == number)
    }
  }

  @Test func theSuccessorOfAPrefixIsTheFirstKeyBehindIt() throws {
    #expect(Key([]).successorOfPrefix() == nil)
    #expect(Key([0xFF]).successorOfPrefix() == nil)
    #expect(Key([UInt8](repeating: 0xFF, count: Key.capacity)).successorOfPrefix() == nil)
    for (prefix, successor) in [
      ([0], [1]), ([1, 2], [1, 3]), ([1, 0xFF], [2]), ([0xFE, 0xFF, 0xFF], [0xFF]), ([0, 0xFF, 1], [0, 0xFF, 2]), ([0xFF, 0], [0xFF, 1]),
    ] as [([UInt8], [UInt8])] {
      let found = try #require(Key(prefix).successorOfPrefix())
      #expect(copy(found.bytes) == successor)
    }
  }

  @Test func theSuccessorOfAPrefixDividesRandomKeys() {
    var generator = SeededGenerator(seed: 12)
    // Few different bytes, many of them 0xFF, so that many keys begin with the prefix.
    func random(_ counts: ClosedRange<Int>) -> [UInt8] {
      (0..<Int.random(in: counts, using: &generator)).map { _ in [0, 1, 0xFE, 0xFF].randomElement(using: &generator) ?? 0 }
    }
    for _ in 0..<3_000 {
      let (prefix, other) = (random(0...4), random(0...6))
      let successor = Key(prefix).successorOfPrefix().map { copy($0.bytes) }
      let isBefore = successor.map { other.lexicographicallyPrecedes($0) } ?? true
      // Between prefix and successor lie exactly the keys that begin with the prefix.
      #expect((!other.lexicographicallyPrecedes(prefix) && isBefore) == other.starts(with: prefix))
    }
  }

  @Test func aCopyOfAKeyIsItsOwn() {
    let first = Key("a")
    var second = first
    second.append(UInt8(1))
    #expect(copy(first.bytes) == Array("a".utf8) && second.count == 2)
  }

  @Test func aFullKeyTakesNoMore() async {
    let full = Key([UInt8](repeating: 7, count: Key.capacity))
    #expect(copy(full.bytes) == [UInt8](repeating: 7, count: Key.capacity))
    let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      var key = Key([UInt8](repeating: 7, count: Key.capacity - 3))
      key.append(UInt32(1))
    }
    expectTrap(result, "a key has at most 112 bytes")
  }

  @Test func textFillsAKeyToItsEndAndNotBeyond() async {
    var full = Key("é")
    full.append(utf8: String(repeating: "x", count: Key.capacity - 2))
    full.append(utf8: "")
    #expect(copy(full.bytes) == [0xC3, 0xA9] + [UInt8](repeating: 0x78, count: Key.capacity - 2))
    let text = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      var key = Key([1])
      key.append(utf8: String(repeating: "x", count: Key.capacity))
    }
    expectTrap(text, "a key has at most 112 bytes")
    let other = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      var key = Key([1])
      key.append(Key([UInt8](repeating: 2, count: Key.capacity)))
    }
    expectTrap(other, "a key has at most 112 bytes")
  }
}
