import ArgumentParser
import Engram
import Foundation
import TestSupport

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// One process of a history.
struct HistoryWorker: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "history-worker", abstract: "One process of a history, started by its tier.", shouldDisplay: false)

  @Argument var store: String
  @Option(help: "Unlike all others of the history.") var name: String
  @Option var seed: UInt64
  @Option(help: "A file that is made and gets every event.") var log: String
  @Option(help: "What it does beside its transactions.") var role: String
  @Option var tasks = 2
  @Option(help: "Transactions of all processes after which it ends.") var goal: Int
  @Option(help: "Seconds after which it ends anyway.") var seconds: Double
  @Option(help: "The longest that it holds a snapshot.") var holdSeconds = 1.0
  @Option(help: "Deferred durability with this delay.") var eventualMilliseconds: Int?

  func run() async throws {
    let file = try HistoryLogFile(log)
    guard let role = HistoryProcess.Role(rawValue: role) else { throw ValidationError("There is no role '\(role)'.") }
    let process = HistoryProcess(
      name: name, path: store, seed: seed, log: file, goal: goal, lasting: .seconds(seconds), holding: .seconds(holdSeconds))
    process.watch.start { call in
      file.violation("\(call) hangs")
      _exit(HangWatch.exitCode)
    }
    var generator = process.generator("process")
    var session = 0
    repeat {
      session += 1
      let isReadOnly = role == .reopens && session > 1 && generator.chance(percent: 50)
      let opened = await process.require("openings") { try await open(isReadOnly) }
      guard let opened else { throw ExitCode(1) }
      WorkerLog.say("opened")
      let length = Duration.milliseconds(Int.random(in: 5...250, using: &generator))
      await HistorySession(
        process: process, store: opened, role: role, isReadOnly: isReadOnly, number: session, tasks: tasks,
        until: role == .reopens ? .now + length : nil
      ).run()
      guard await process.require("closings", { try await opened.close() }) != nil else { throw ExitCode(1) }
    } while !process.isOver
  }

  private func open(_ isReadOnly: Bool) async throws -> MemoryStore {
    var options = StoreOptions(
      dimension: Lane.dimension, metric: .dot, access: isReadOnly ? .readOnly : .readWrite,
      durability: eventualMilliseconds.map { .eventual(maxDelay: .milliseconds($0)) } ?? .immediate, snapshotMaxAge: nil)
    options.leastCodedRows = Lane.leastCodedRows
    return try await MemoryStore.open(at: URL(fileURLWithPath: store), options: options)
  }
}
