import Foundation
import GRDB

/// GRDB's side of `Tools/peers records`: one call for each line of standard input, its times as one line of standard output, as Engram's
/// side in `RecordPeer.swift`.
@main struct GRDBPeer {
  static func main() async throws {
    var databases: [String: Database] = [:]
    try Answer().write()
    while let line = readLine() {
      let call = try JSONDecoder().decode(Call.self, from: Data(line.utf8))
      if call.call == .open { databases[call.store] = try Database(call.store) }
      guard let database = databases[call.store] else { throw Failure(message: "\(call.store) is not open: \(line)") }
      try await call.run(database).write()
      if call.call == .close { databases[call.store] = nil }
    }
  }
}

struct Call: Decodable {
  enum Name: String, Decodable {
    case open, close, fill, read, update, add
  }

  let call: Name
  let store: String
  var users: [Int]?
  var count: Int?
  var tasks: Int?
  var updates: Int?
  var first: Int?
  var batch: Int?

  func run(_ database: Database) async throws -> Answer {
    var answer = Answer()
    var records = 1
    var time = 0.0
    let processorTime = Answer.processorTime()
    switch call {
    case .open: answer.settings = try database.settings()
    case .close: try database.pool.close()
    case .fill: try await database.fill(count ?? 0)
    case .read:
      guard let users else { throw Failure(message: "reading needs users") }
      records = users.count
      let names = users.map { "user-\($0)" }
      time = try await seconds { try database.read(names) }
    case .update:
      guard let tasks, let updates else { throw Failure(message: "updating needs tasks and updates") }
      records = tasks * updates
      time = try await seconds { try await database.update(tasks: tasks, updates: updates) }
    case .add:
      guard let first, let count, let batch else { throw Failure(message: "adding needs first, count and batch") }
      records = count
      let batches = stride(from: first, to: first + count, by: batch).map { start in
        (start..<min(start + batch, first + count)).map { Memory($0) }
      }
      time = try await seconds { for memories in batches { try await database.add(memories) } }
    }
    answer.seconds = [time / Double(records)]
    answer.processorSeconds = (Answer.processorTime() - processorTime) / Double(records)
    return answer
  }
}

struct Answer: Encodable {
  /// The time of one record.
  var seconds: [Double] = []
  var processorSeconds = 0.0
  /// What the connection that writes says of its settings.
  var settings: [String: String] = [:]

  static func processorTime() -> Double {
    var time = timespec()
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
  }

  func write() throws {
    FileHandle.standardOutput.write(try JSONEncoder().encode(self) + Data("\n".utf8))
  }
}

func seconds(_ body: () async throws -> Void) async throws -> Double {
  let start = ContinuousClock.now
  try await body()
  return (ContinuousClock.now - start) / .seconds(1)
}

struct Failure: Error {
  let message: String
}
