import Engram
import Foundation

/// Forgets one user, and searches every file for traces before and after.
struct ForgettingWithProof {
  let url: URL
  let userID: String

  func run() async throws -> [Row] {
    let store = try await MemoryStore.open(at: url)
    let memories = try store.count(scope: .user(userID))
    let visible = Task.detached { [userID] in
      while try store.count(scope: .user(userID)) > 0 { try await Task.sleep(for: .microseconds(200)) }
      return Date()
    }
    let started = Date()
    let receipt = try await store.forget(userID: userID, verifiesErasure: true)
    let ended = Date()
    let hiddenAt = try await visible.value
    let rest = try store.count(scope: .user(userID))
    let verification = try await store.verify()
    try await store.close()
    guard let before = receipt.scanBefore, let after = receipt.scan else { throw LifecycleFailure(message: "no proof came back") }
    var rows = [
      Row(
        name: "forget \(userID)",
        measured:
          "\(receipt.memories) memories, \(receipt.embeddings) embeddings, \(receipt.contexts) contexts, \(receipt.versions) versions",
        target: "\(memories) memories", isReached: receipt.memories == memories && rest == 0 && receipt.isComplete),
      Self.time("collecting patterns and searching for them before", started, receipt.hiddenAt),
      Self.time("hiding: one commit until nobody sees them", receipt.hiddenAt, hiddenAt),
      Self.time("rebuilding", hiddenAt, receipt.rebuiltAt),
      Self.time("removing the old files, searching again", receipt.rebuiltAt, ended),
      Row(
        name: "of that, searching \(megabytes(before.bytes)) MB before and \(megabytes(after.bytes)) MB after",
        measured: "\(number(milliseconds(before.duration))) and \(number(milliseconds(after.duration))) ms", target: "-", isReached: true,
        values: ["before": milliseconds(before.duration), "after": milliseconds(after.duration)]),
    ]
    for kind in ErasureScan.Kind.allCases {
      rows.append(
        Row(
          name: "\(kind.rawValue): patterns, found before, found after",
          measured:
            "\(after.searched[kind] ?? 0) (\(after.sharedWithSurvivors[kind] ?? 0) shared, \(after.unsearchable[kind] ?? 0) unsearchable), \(before.hits[kind] ?? 0), \(after.hits[kind] ?? 0)",
          target: "0 after", isReached: after.hits[kind] == nil,
          values: [
            "searched": Double(after.searched[kind] ?? 0), "before": Double(before.hits[kind] ?? 0), "after": Double(after.hits[kind] ?? 0),
          ]))
    }
    for (title, scan) in [("before", before), ("after", after)] {
      for file in scan.files where file.scannedBytes > 4096 {
        let hits = ErasureScan.Kind.allCases.compactMap { kind in file.hits[kind].map { "\($0) \(kind.rawValue)" } }
        rows.append(
          Row(
            name: "\(title): \(file.name), \(megabytes(file.scannedBytes)) MB",
            measured: hits.isEmpty ? "nothing" : hits.joined(separator: ", "),
            target: title == "after" ? "nothing" : "-", isReached: title == "before" || hits.isEmpty))
      }
    }
    rows.append(
      Row(name: "verify", measured: "\(verification.problems.count) problems", target: "0 problems", isReached: verification.isIntact))
    return rows
  }

  private static func time(_ name: String, _ start: Date, _ end: Date) -> Row {
    let elapsed = end.timeIntervalSince(start) * 1000
    return Row(name: name, measured: "\(number(elapsed)) ms", target: "-", isReached: true, values: ["milliseconds": elapsed])
  }
}
