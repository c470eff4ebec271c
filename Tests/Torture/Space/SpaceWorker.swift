import ArgumentParser
import Engram
import Foundation

/// One call on a disk that may be full, in a process of its own, so that a signal is a finding.
struct SpaceWorker: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "space-worker", abstract: "One call on a disk that may be full.", shouldDisplay: false)

  enum Call: String, ExpressibleByArgument, CaseIterable {
    case create, open, read, compact, backup, repair
  }

  @Argument var call: Call
  @Argument var store: String
  @Option(help: "Where a copy goes.") var into: String = ""
  @Option(help: "Snapshots that are held until the input ends.") var snapshots = 0

  func run() async throws {
    do {
      try await make()
      WorkerLog.say("done")
    } catch {
      WorkerLog.say("refused \(LaneRunner.code(of: error)): \(error)")
    }
  }

  private func make() async throws {
    let (url, destination) = (URL(fileURLWithPath: store), URL(fileURLWithPath: into))
    switch call {
    case .create:
      try await MemoryStore.open(at: destination, options: StoreOptions(dimension: Lane.dimension)).close()
    case .repair:
      _ = try await MemoryStore.repair(url, into: destination)
    case .read:
      let opened = try await MemoryStore.open(at: url, options: StoreOptions(access: .readOnly))
      try hold(opened)
      try await opened.close()
    case .open, .compact, .backup:
      let opened = try await MemoryStore.open(at: url)
      do {
        if call == .compact { _ = try await opened.compact() }
        if call == .backup { _ = try await opened.backup(to: destination) }
      } catch {
        try await opened.close()
        throw error
      }
      try await opened.close()
    }
  }

  /// Holds snapshots, each with a slot of its own in the reader table, so that further pages of the table are touched.
  private func hold(_ opened: MemoryStore) throws {
    let held = try (0..<snapshots).map { _ in try MemorySnapshotBox(opened) }
    let digests = try [held.first, held.last].map { try $0?.digest() }
    WorkerLog.say("holding \(held.count)")
    while readLine() != nil {}
    if try [held.first, held.last].map({ try $0?.digest() }) != digests || digests[0] != digests[1] {
      throw StoreError(.corrupted, "a held snapshot changed")
    }
  }
}
