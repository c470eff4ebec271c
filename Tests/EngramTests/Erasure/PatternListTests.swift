import Formats
import Testing
import TestSupport

@testable import Engram

/// How data is cut into patterns.
@Suite struct PatternListTests {
  private func patterns(_ list: PatternList) -> [[UInt8]] { (0..<list.count).map { Array(list.storage[list.range(of: $0)]) } }

  @Test func anyFortySevenBytesOfATextContainAPiece() {
    var random = SeededGenerator(seed: 1)
    for length in [24, 25, 47, 48, 49, 71, 200, 1000] {
      let text = (0..<length).map { _ in UInt8.random(in: 32...126, using: &random) }
      var list = PatternList()
      list.append(text: text)
      let set = PatternSet(list)
      #expect(list.kinds.allSatisfy { $0 == .text } && patterns(list).allSatisfy { $0.count == 24 })
      #expect(patterns(list).last == text.suffix(24))
      for start in 0...max(0, length - 47) { #expect(!set.occurrences(in: Array(text[start..<min(start + 47, length)])).isEmpty) }
    }
  }

  @Test func aShortTextAndOneOfZerosHaveNoPiece() {
    var list = PatternList()
    list.append(text: Array("twenty-three bytes long".utf8))
    #expect(list.count == 0 && list.unsearchable.isEmpty)
    list.append(text: [UInt8](repeating: 0, count: 48))
    #expect(list.count == 0 && list.unsearchable == [.text: 2])
    // A repeated byte other than zero can be searched for: files do not contain it by chance.
    list.append(text: Array(String(repeating: "x", count: 24).utf8))
    #expect(list.count == 1)
  }

  @Test(.timeLimit(.minutes(5))) func termsAreCutInPiecesOfSix() {
    var list = PatternList()
    list.append(terms: [])
    #expect(list.count == 0 && list.unsearchable.isEmpty)
    list.append(terms: [0x0102_0304, 0x0506_0708])
    #expect(list.count == 0 && list.unsearchable == [.words: 1])
    list.append(terms: [0x0102_0304, 0x0506_0708, 0x090A_0B0C])
    #expect(patterns(list) == [[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]] && list.kinds == [.words])
    list.append(terms: (0..<8).map { 0x1111_1111 * ($0 + 1) })
    #expect(patterns(list).dropFirst().map(\.count) == [24, 24])
    #expect(patterns(list).last?.suffix(4) == [0x88, 0x88, 0x88, 0x88])
  }

  @Test func theUserIDIsCutWithItsLength() throws {
    var list = PatternList()
    list.append(userID: "ann")
    let set = PatternSet(list)
    for (userID, occurs) in [("ann", true), ("anna", false), ("joann", false), ("an", false)] {
      var writer = CBORWriter()
      LogRecord(operation: .putContext, userID: userID, recordType: "ann").encode(into: &writer)
      #expect(set.occurrences(in: writer.bytes).isEmpty != occurs)
    }
    // The longest allowed user ID, whose CBOR head takes three bytes.
    let long = String(repeating: "é", count: 512)
    var longList = PatternList()
    longList.append(userID: long)
    var writer = CBORWriter()
    UserRecord(userID: long).encode(into: &writer)
    #expect(PatternSet(longList).occurrences(in: writer.bytes).count == 1)
  }

  @Test func leadingZerosOfAnIDAreLeftOut() throws {
    var list = PatternList()
    list.append(MemoryID(high: 0, low: 0x0102_0304_0506_0708))
    #expect(patterns(list) == [[1, 2, 3, 4, 5, 6, 7, 8]])
    list.append(MemoryID(high: 0, low: 1_234_567))
    list.append(MemoryID(high: 0, low: 0))
    #expect(list.count == 1 && list.unsearchable == [.memoryID: 2])
    let id = MemoryID()
    list.append(id)
    #expect(patterns(list).last == id.bytes)
  }

  // MARK: Rows

  private func bytes(_ components: [Float]) -> [UInt8] {
    components.flatMap { component in (0..<4).map { UInt8(truncatingIfNeeded: component.bitPattern >> ($0 * 8)) } }
  }

  @Test func aDenseRowHasEightPiecesOfThirtyTwoBytes() {
    var random = SeededGenerator(seed: 2)
    let row = bytes(random.vector(384))
    var list = PatternList()
    _ = list.append(row: row)
    // A component's first byte may be zero, but a pattern never begins with a zero byte.
    #expect(patterns(list).count == 8 && patterns(list).allSatisfy { (29...32).contains($0.count) })
    let found = PatternSet(list).occurrences(in: row).map(\.offset)
    #expect(found.count == 8 && zip(found, 0...).allSatisfy { (0..<4).contains($0 - $1 * 192) })
  }

  @Test func aPieceOfASparseRowReachesOverItsZeros() {
    var components = [Float](repeating: 0, count: 256)
    for index in 0..<12 { components[20 * index + 3] = Float(index + 1) / 7 }
    var list = PatternList()
    _ = list.append(row: bytes(components))
    // The patterns begin at three of the eight places, and the last one reaches the twelfth component.
    #expect(patterns(list).count == 3)
    for pattern in patterns(list) { #expect((560...564).contains(pattern.count)) }
    #expect(PatternSet(list).occurrences(in: bytes(components)).count == 3)
  }

  @Test func aRowOfFewComponentsHasOnePiece() {
    var list = PatternList()
    _ = list.append(row: bytes([0, 0.6, 0, 0, 0.8, 0, 0, 0]))
    #expect(patterns(list) == [bytes([0.6, 0, 0, 0.8])])
    _ = list.append(row: bytes([0.6, 0.8]))
    #expect(patterns(list).last == bytes([0.6, 0.8]))
  }

  @Test func aPlainRowHasNone() {
    var list = PatternList()
    for row: [Float] in [[], [0, 0], [1], [0.3, 0, 0, 0], [0, 1, 0, 0], [Float](repeating: 0.5, count: 64), [0.5, -0.5, 0.5, -0.5]] {
      let hasPieces = list.append(row: bytes(row))
      #expect(!hasPieces, "\(row)")
    }
    #expect(list.count == 0)
  }
}
