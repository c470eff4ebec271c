import Formats
import Foundation
import TestSupport

@testable import Engram

/// A store for one test, and files of conversations beside it.
struct ConversationPlace {
  let place = TestStore()

  func file(_ text: String, _ name: String = "file.json") throws -> URL {
    let url = URL(fileURLWithPath: place.directory.path(name))
    try Data(text.utf8).write(to: url)
    return url
  }

  /// Imports a text twice: the second time changes nothing.
  ///
  /// - Returns: The report of the first time, and each memory as `session|speaker|time|text`, in order of time within its session.
  func imported(
    _ text: String, for user: String? = "ada", name: String = "file.json", format: ConversationFormat? = nil,
    options: ConversationOptions = ConversationOptions()
  ) async throws -> (report: ConversationReport, memories: [String]) {
    let url = try file(text, name)
    let store = try await place.open(StoreOptions())
    do {
      let report = try await store.importConversations(from: [url], for: user, format: format, options: options)
      let before = try Self.export(store)
      let commits = try store.status.batchSequence
      let again = try await store.importConversations(from: [url], for: user, format: format, options: options)
      var expected = report
      (expected.added, expected.existing) = (0, report.added + report.existing)
      guard again == expected, try Self.export(store) == before, try store.status.batchSequence == commits else {
        throw StoreError(.conflict, "the second import changed something: \(again)")
      }
      let memories = try Self.lines(store)
      try await store.close()
      return (report, memories)
    } catch {
      try await store.close()
      throw error
    }
  }

  static func export(_ store: MemoryStore) throws -> [UInt8] {
    var bytes: [UInt8] = []
    _ = try store.exportLines(into: { bytes += $0 })
    return bytes
  }

  static func lines(_ store: MemoryStore) throws -> [String] {
    var lines: [String] = []
    for user in try store.users() {
      let memories = try store.memories(for: user.userID, newestFirst: false, limit: 10_000)
      let sessions = memories.reduce(into: [String]()) { if !$0.contains($1.sessionID ?? "") { $0.append($1.sessionID ?? "") } }
      for session in sessions {
        for memory in try store.memories(inSession: session, for: user.userID, limit: 10_000) {
          let time = TimestampText.string(memory.createdAt.milliseconds) ?? "-"
          lines.append("\(session)|\(memory.speaker ?? "-")|\(time)|\(memory.text)")
        }
      }
    }
    return lines
  }
}
