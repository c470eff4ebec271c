import ArgumentParser
import Engram
import Foundation

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// Moves a store to the other embedder, while others write.
struct ReembedWorker: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "reembed-worker", abstract: "Moves a store to another embedder, started by the tier `reembed`.", shouldDisplay: false)

  @Argument var store: String
  @Option(help: "Milliseconds that the embedder waits before each answer.") var pause = 0

  func run() async throws {
    // The tracer counts from here.
    _ = close(-7001)
    do {
      var options = StoreOptions(createsIfMissing: false, snapshotMaxAge: nil)
      options.leastCodedRows = Lane.leastCodedRows
      let opened = try await LaneStore(URL(fileURLWithPath: store), options)
      WorkerLog.say(WorkerEvent.note(WorkerOracle.reembedding).line)
      let report = try await opened.reembed(pauseMilliseconds: pause)
      WorkerLog.say(WorkerEvent.note("moves ended").line)
      if report.reused > 0 { WorkerLog.say(WorkerEvent.note("moves that went on").line) }
      try await opened.close()
    } catch {
      WorkerLog.say(WorkerEvent.note("move failed: \(LaneRunner.code(of: error))").line)
      FileHandle.standardError.write(Data("\(error)\n".utf8))
    }
  }
}
