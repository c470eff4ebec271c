import TestSupport
import Testing

@testable import EngramMCP

@Suite struct LineSplitterTests {
  private func pieces(_ text: String, limit: Int, partSize: Int) -> [LineSplitter.Piece] {
    var splitter = LineSplitter(limit: limit)
    var pieces: [LineSplitter.Piece] = []
    var rest = Array(text.utf8)[...]
    while !rest.isEmpty {
      splitter.append(Array(rest.prefix(partSize)))
      rest = rest.dropFirst(partSize)
      while let piece = splitter.next() { pieces.append(piece) }
    }
    if let piece = splitter.last() { pieces.append(piece) }
    return pieces
  }

  private func line(_ text: String) -> LineSplitter.Piece { .line(Array(text.utf8)) }

  @Test(arguments: 1...9) func linesAreTheSameHoweverTheyArrive(partSize: Int) {
    #expect(pieces("one\n\r\ntwo\r\n \nthree", limit: 5, partSize: partSize) == [line("one"), line("two"), line("three")])
  }

  @Test(arguments: 1...9) func aLongLineIsDroppedAndTheNextOneRead(partSize: Int) {
    let found = pieces("123456\n12345\n12345678901234567890\nok", limit: 5, partSize: partSize)
    #expect(found == [.tooLong, line("12345"), .tooLong, line("ok")])
  }

  @Test(arguments: 1...9) func aLongLastLineIsReported(partSize: Int) {
    #expect(pieces("ok\n1234567", limit: 5, partSize: partSize) == [line("ok"), .tooLong])
  }
}
