import Foundation

/// Another process of this program, which reads or writes the same store.
final class WorkerProcess {
  /// The line that ends a worker.
  static let ending = "end"

  let role: LifecycleWorker.Role
  private let process = Process()
  private let commands = Pipe()
  private let answers = Pipe()
  private var unread = Data()

  /// Returns when the worker has the store open.
  init(_ role: LifecycleWorker.Role, _ store: URL, seed: Int, users: Int, writtenUsers: Int) throws {
    self.role = role
    process.executableURL = Bundle.main.executableURL
    process.arguments = [
      LifecycleWorker.configuration.commandName ?? "", role.rawValue, store.path, "--users", "\(users)", "--written-users",
      "\(writtenUsers)", "--seed", "\(seed)",
    ]
    process.standardInput = commands
    process.standardOutput = answers
    try process.run()
    _ = try answer()
  }

  /// Ends a phase.
  ///
  /// - Returns: The waits of the phase, by kind of call.
  func mark() throws -> [String: Waits] {
    try commands.fileHandleForWriting.write(contentsOf: Data("\n".utf8))
    return try answer()
  }

  func end() throws {
    // Closing the pipe would not end the worker: workers that were started later have inherited it.
    try commands.fileHandleForWriting.write(contentsOf: Data("\(Self.ending)\n".utf8))
    process.waitUntilExit()
    guard process.terminationStatus == 0 else { throw LifecycleFailure(message: "a worker ended with \(process.terminationStatus)") }
  }

  /// The files of generations that the worker has mapped, those that are removed included.
  var mappedFiles: Set<String> {
    let maps = (try? String(contentsOfFile: "/proc/\(process.processIdentifier)/maps", encoding: .utf8)) ?? ""
    return Set(maps.split(separator: "\n").compactMap { line in line.range(of: "gen-").map { String(line[$0.lowerBound...]) } })
  }

  private func answer() throws -> [String: Waits] {
    while true {
      if let end = unread.firstIndex(of: 10) {
        let line = unread[..<end]
        unread = Data(unread[(end + 1)...])
        return try JSONDecoder().decode([String: Waits].self, from: line)
      }
      let data = answers.fileHandleForReading.availableData
      if data.isEmpty { throw LifecycleFailure(message: "a worker ended early") }
      unread += data
    }
  }
}

struct LifecycleFailure: Error {
  let message: String
}
