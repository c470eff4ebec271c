import Engram

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// Another process on a store, for tests and for the soak test.
///
/// `EngramTestChild soak STORE --seconds 60 --writers 3 --readers 5` starts itself as that many processes and prints one line of
/// JSON; the other commands hold what their arguments name until their input ends, or until they are killed.
@main
enum EngramTestChild {
  static func main() async {
    var arguments = CommandLine.arguments.dropFirst()
    let command = arguments.popFirst() ?? ""
    do {
      switch (command, Array(arguments)) {
      case ("open", let rest) where rest.count == 2: try await StoreCommands.open(rest[0], access: rest[1])
      case ("add", let rest) where rest.count == 3: try await StoreCommands.add(rest[0], user: rest[1], count: rest[2])
      case ("commit", let rest) where rest.count == 3: try await StoreCommands.commit(rest[0], count: rest[1], kind: rest[2])
      case ("hold-writer", let rest) where rest.count == 1: try await StoreCommands.holdWriter(rest[0])
      case ("hold-snapshots", let rest) where rest.count == 2: try await StoreCommands.holdSnapshots(rest[0], count: rest[1])
      case ("burst", let rest) where rest.count == 2: try await StoreCommands.burst(rest[0], count: rest[1])
      case ("hold-snapshots-any", let rest) where rest.count == 2:
        try await StoreCommands.holdSnapshots(rest[0], count: rest[1], StoreOptions())
      case ("acknowledge", let rest) where rest.count == 2: try await StoreCommands.acknowledge(rest[0], prefix: rest[1])
      case ("acknowledge-deferred", let rest) where rest.count == 2:
        try await StoreCommands.acknowledge(rest[0], prefix: rest[1], durability: .eventual(maxDelay: .seconds(1)))
      case ("backup", let rest) where rest.count == 2: try await StoreCommands.backup(rest[0], to: rest[1])
      case ("compact-once", let rest) where rest.count == 1: try await StoreCommands.compactOnce(rest[0])
      case ("fill", let rest) where rest.count == 1: try await StoreCommands.fill(rest[0])
      case ("compact", let rest) where rest.count == 2: try await StoreCommands.compact(rest[0], seconds: rest[1])
      case ("hide", let rest) where rest.count == 2: try await StoreCommands.hide(rest[0], user: rest[1])
      case ("reopen", let rest) where rest.count == 2: try await StoreCommands.reopen(rest[0], seconds: rest[1])
      case ("every-error", let rest) where rest.count == 3:
        try await EveryError.run(rest[0], cause: rest[1], scratch: rest[2])
      case ("read-growing", let rest) where rest.count == 1: try await GrowingReader.run(rest[0])
      case ("no-threads", let rest) where rest.count == 1: try await StoreCommands.withoutThreads(rest[0])
      case ("fail-batch", let rest) where rest.count == 3:
        try await FailedCommits.batch(rest[0], plan: rest[1], durability: rest[2])
      case ("fail-during-read", let rest) where rest.count == 2: try await FailedCommits.duringRead(rest[0], kind: rest[1])
      case ("fail-during-copy", let rest) where rest.count == 3:
        try await FailedCommits.duringCopy(rest[0], kind: rest[1], destination: rest[2])
      case ("fail-compaction", let rest) where rest.count == 2: try await FailedCommits.compaction(rest[0], plan: rest[1])
      case ("fail-at-close", let rest) where rest.count == 1: try await FailedFlush.atClose(rest[0])
      case ("every-call", let rest) where rest.count == 2: try await FailedFlush.everyCall(rest[0], backup: rest[1])
      case ("reembed", let rest) where rest.count == 2: try await Reembedding.run(rest[0], stop: rest[1])
      case ("hold-embedder", let rest) where rest.count == 1: try await Reembedding.hold(rest[0])
      case ("metrics", let rest) where rest.count == 1: try await MetricsCommand.run(rest[0])
      case ("soak", let rest):
        var soak = try Soak(rest)
        try await soak.run()
      case ("soak-writer", let rest) where rest.count == 3: try await SoakWorker(rest).write()
      case ("soak-reader", let rest) where rest.count == 3: try await SoakWorker(rest).read()
      default: exit(64)
      }
    } catch let error as StoreError {
      say("failed \(error.code): \(error)")
      exit(1)
    } catch {
      say("failed: \(error)")
      exit(1)
    }
  }

  /// Prints a line at once: the parent waits for it.
  static func say(_ line: String) {
    print(line)
    // Nil flushes all streams.
    fflush(nil)
  }

  static func waitForEndOfInput() {
    while readLine() != nil {}
  }
}
