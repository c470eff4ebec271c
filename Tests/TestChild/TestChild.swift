#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// A second process for tests: its arguments name what it holds until its input ends, or until it is killed.
@main
enum TestChild {
  static func main() {
    var arguments = CommandLine.arguments.dropFirst()
    let command = arguments.popFirst() ?? ""
    do {
      switch (command, Array(arguments)) {
      case ("hold-lock", let rest) where rest.count == 1: try FileCommands.holdLock(path: rest[0])
      case ("fill-file", let rest) where rest.count == 2: try FileCommands.fillFile(rest[0], limit: rest[1])
      case ("make-files", let rest) where rest.count == 2: try FileCommands.makeFiles(in: rest[0], umask: rest[1])
      case ("map-file", let rest) where rest.count == 3: try FileCommands.mapFile(rest[0], preferred: rest[1], minimum: rest[2])
      case ("hold-snapshots", let rest) where rest.count == 3:
        try EnvironmentCommands.holdSnapshots(path: rest[0], maximumReaders: rest[1], count: rest[2])
      case ("map-size", let rest) where rest.count == 2: try EnvironmentCommands.printMapSize(path: rest[0], smallest: rest[1])
      case ("use-after-fork", let rest) where rest.count == 1: try EnvironmentCommands.useAfterFork(path: rest[0])
      case ("commit-pairs", let rest) where rest.count == 1: try EnvironmentCommands.commitPairs(path: rest[0])
      case ("write-twice", let rest) where rest.count == 1: try EnvironmentCommands.writeTwice(path: rest[0])
      case ("commit-changes", let rest) where rest.count == 1: try EnvironmentCommands.commitChanges(path: rest[0])
      default: exit(64)
      }
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
