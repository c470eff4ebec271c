import Foundation
import TestSupport
import Testing

@testable import Torture

@Suite struct HistoryLogFileTests {
  private let directory = TemporaryDirectory()

  @Test func aLineThatAKillCutShortIsNoEvent() throws {
    let path = directory.path("log")
    let log = try HistoryLogFile(path)
    log.say(.invoked(.putting("a", "ada", slot: 3), at: 5))
    log.say(.committed(id: "a", position: 1, read: .initial, at: 6))
    let whole = try HistoryLogFile.read(path)
    #expect(whole.count == 2)
    guard case .committed("a", 1, let read, 6) = whole[1] else { return #expect(Bool(false), "\(whole)") }
    #expect(read == .initial)
    try Data(Data(contentsOf: URL(fileURLWithPath: path)).dropLast(7)).write(to: URL(fileURLWithPath: path))
    #expect(try HistoryLogFile.read(path).count == 1)
  }

  @Test func aWholeLineThatIsNoEventIsAnError() throws {
    try Data("{\"unheard\":1}\n".utf8).write(to: URL(fileURLWithPath: directory.path("log")))
    #expect(throws: DecodingError.self) { try HistoryLogFile.read(directory.path("log")) }
  }
}
