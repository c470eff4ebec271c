import ArgumentParser
import Engram
import Foundation

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// One process of the workload: runs its lanes at the same time, and reports the writes that begin and those that were acknowledged.
struct Worker: AsyncParsableCommand {
  static let configuration = CommandConfiguration(abstract: "One process of the workload, started by the tiers.", shouldDisplay: false)

  @Argument var store: String
  @Option var seed: UInt64
  @Option(help: "The names of its lanes; no other process may run one of them.") var lane: [String]
  @Option(help: "Writes of each lane; 0: until it is killed or its input ends.") var writes = 0
  @Option(help: "Compact after so many writes of the first lane; 0: never.") var compactEvery = 0
  @Option(help: "Move to the other embedder after so many writes of the first lane.") var reembedsAfter: Int?
  @Option(help: "Back up to this path after half of the writes.") var backup: String?
  @Option(help: "Deferred durability with this delay.") var eventualMilliseconds: Int?
  @Flag(help: "The first lane compacts before its first write.") var compactsFirst = false
  @Option(help: "Lanes of other processes: what a snapshot has shown of them, no later one may lack.") var watch: [String] = []
  @Flag(help: "Lanes forget users.") var forgets = false
  @Flag(help: "Tell the tracer to count from the opening on.") var marker = false
  @Flag(help: "Open the store, and begin when the input ends.") var waits = false

  func run() async throws {
    // A write past `ulimit -f` is an error only if the signal is ignored.
    _ = signal(SIGXFSZ, SIG_IGN)
    if marker { _ = close(-7001) }
    if ProcessInfo.processInfo.environment["ENGRAM_TORTURE_CLOCK"] != nil {
      // Shows whether the library of the clock is loaded.
      WorkerLog.say(WorkerEvent.note("the year is \(Calendar.current.component(.year, from: Date()))").line)
    }
    do {
      var options = StoreOptions(
        durability: eventualMilliseconds.map { .eventual(maxDelay: .milliseconds($0)) } ?? .immediate, snapshotMaxAge: nil)
      options.leastCodedRows = Lane.leastCodedRows
      let store = try await LaneStore(URL(fileURLWithPath: store), options)
      WorkerLog.say(WorkerEvent.opened.line)
      if waits { while readLine() != nil {} }
      let watch = LaneWatch(store.store, watch)
      if !self.watch.isEmpty { watch.start() }
      await withTaskGroup { group in
        for (index, name) in lane.enumerated() {
          let runner = LaneRunner(
            lane: Lane(name: name, seed: seed, forgets: forgets), opened: store, path: self.store, writes: writes,
            compactEvery: index == 0 ? compactEvery : 0, reembedsAfter: index == 0 ? reembedsAfter : nil, backup: index == 0 ? backup : nil,
            compactsFirst: compactsFirst && index == 0)
          group.addTask { await runner.run() }
        }
      }
      if !self.watch.isEmpty { watch.stop() }
      try await store.close()
      WorkerLog.say(WorkerEvent.note("closed").line)
    } catch {
      WorkerLog.say(WorkerEvent.note("could not open or close: \(LaneRunner.code(of: error))").line)
      FileHandle.standardError.write(Data("\(error)\n".utf8))
      throw ExitCode(1)
    }
  }
}
