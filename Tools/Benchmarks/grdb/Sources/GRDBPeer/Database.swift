import Foundation
import GRDB

/// A pool in WAL mode with `synchronous=FULL`: a commit that returned is on disk, as with Engram.
struct Database {
  let pool: DatabasePool

  init(_ path: String) throws {
    pool = try DatabasePool(path: path)
    // GRDB opens a pool with NORMAL, with which a power cut may lose commits. There is one connection that writes.
    try pool.writeWithoutTransaction { try $0.execute(sql: "PRAGMA synchronous = FULL") }
    try pool.write { database in
      try database.create(table: UserContext.databaseTableName, options: .ifNotExists) { table in
        table.primaryKey("userID", .text)
        table.column("conversationsCount", .integer).notNull()
        table.column("friendshipLevel", .integer).notNull()
        table.column("preferences", .jsonText).notNull()
        table.column("topics", .jsonText).notNull()
        table.column("lastMessage", .text)
        table.column("lastResponse", .text)
        table.column("firstSeen", .datetime).notNull()
        table.column("lastSeen", .datetime).notNull()
      }
      try database.create(table: Memory.databaseTableName, options: .ifNotExists) { table in
        table.primaryKey("number", .integer)
        table.column("user", .text).notNull().indexed()
        table.column("text", .text).notNull()
        table.column("embedding", .blob).notNull()
      }
    }
  }

  func settings() throws -> [String: String] {
    try pool.write { database in
      [
        "journal_mode": try String.fetchOne(database, sql: "PRAGMA journal_mode") ?? "",
        "synchronous": "\(try Int.fetchOne(database, sql: "PRAGMA synchronous") ?? -1)",
        "SQLite": try String.fetchOne(database, sql: "SELECT sqlite_version()") ?? "",
      ]
    }
  }

  func fill(_ count: Int) async throws {
    try await pool.write { database in
      for user in 0..<count { try UserContext(number: user).insert(database) }
    }
    try await pool.writeWithoutTransaction { _ = try $0.checkpoint(.truncate) }
  }

  func read(_ names: [String]) throws {
    var found = 0
    for name in names where try pool.read({ try UserContext.fetchOne($0, key: name) }) != nil { found += 1 }
    guard found == names.count else { throw Failure(message: "\(names.count - found) contexts are missing") }
  }

  func update(tasks: Int, updates: Int) async throws {
    try await withThrowingTaskGroup(of: Void.self) { group in
      for user in 0..<tasks {
        group.addTask {
          for _ in 0..<updates {
            try await pool.write { database in
              guard var context = try UserContext.fetchOne(database, key: "user-\(user)") else {
                throw Failure(message: "user-\(user) is missing")
              }
              context.conversationsCount += 1
              try context.update(database)
            }
          }
        }
      }
      try await group.waitForAll()
    }
  }

  func add(_ memories: [Memory]) async throws {
    try await pool.write { database in
      for memory in memories { try memory.insert(database) }
    }
  }
}

/// The fields of Engram's `UserContext`.
struct UserContext: Codable, FetchableRecord, PersistableRecord {
  var userID: String
  var conversationsCount: Int
  var friendshipLevel: Int
  var preferences: [String: String]
  var topics: [String]
  var lastMessage: String?
  var lastResponse: String?
  var firstSeen: Date
  var lastSeen: Date

  init(number: Int) {
    userID = "user-\(number)"
    conversationsCount = number
    friendshipLevel = number % 10
    preferences = ["food": "ramen with egg", "language": "English", "tone": "friendly and short"]
    topics = ["travel in Japan", "bouldering", "cooking"]
    lastMessage = "What should I cook tonight?"
    lastResponse = "How about the ramen that you liked last week?"
    firstSeen = Date()
    lastSeen = firstSeen
  }
}

struct Memory: Codable, PersistableRecord {
  var number: Int
  var user: String
  var text: String
  var embedding: Data

  init(_ number: Int) {
    self.number = number
    user = "user-\(number % 200)"
    text = "What was said in exchange \(number), as short as messages are"
    var state = UInt64(number)
    embedding = (0..<384).reduce(into: Data(capacity: 1536)) { data, _ in
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      withUnsafeBytes(of: Float(state >> 40) / Float(1 << 24)) { data.append(contentsOf: $0) }
    }
  }
}
