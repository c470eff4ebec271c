import Engram
import Formats
import Foundation
import Logging

extension Tool {
  static let update = Tool(
    name: "memory_update",
    note: "Change fields of a memory; the earlier version is kept.",
    arguments: [
      Field("id", .identifier, required: true, not: ["ids", "memoryid", "uuid", "key"]),
      Field("text", .text(bytes: 1...262_144), not: ["content", "memory", "value", "newtext", "data"]),
      Field("kind", .text(bytes: 1...1024), not: ["type", "category"]),
      Field("importance", .number(0...1), not: ["priority", "weight", "score"]),
      Field("expires_at", .text(bytes: 1...64), "a time, or \"never\"", not: ["expires", "expiry", "ttl", "expiresin", "expiration"]),
      Field("if_version", .integer(1...Int.max), "change only this version", not: ["version", "etag", "expectedversion"]),
    ],
    result: [Field("id", .identifier, required: true), Field("version", .integer(1...Int.max), required: true)],
    hints: Hints(isDestructive: true, isIdempotent: true)
  ) { arguments, call in
    guard let id = arguments.identifier("id") else { throw ToolFailure("`id` is missing.") }
    guard ["text", "kind", "importance", "expires_at"].contains(where: arguments.has) else {
      throw ToolFailure("Nothing to change: give `text`, `kind`, `importance` or `expires_at`.")
    }
    let expiry = try expiry(arguments)
    let (text, importance) = (arguments.text("text"), arguments.number("importance"))
    let kind = arguments.text("kind").map { Optional($0) }
    let changed = try await call.store.update(id, for: call.user, ifVersion: arguments.integer("if_version")) { memory in
      memory.with(text: text, kind: kind, importance: importance, expiresAt: expiry)
    }
    return .object { writer in
      writer.key("id")
      writer.write(changed.id.description)
      writer.key("version")
      writer.write(changed.version)
    }
  }

  /// - Returns: Nil: it stays; `.some(nil)`: never.
  private static func expiry(_ arguments: Arguments) throws(ToolFailure) -> Date?? {
    guard let text = arguments.text("expires_at") else { return nil }
    if text == "never" { return .some(nil) }
    guard let time = arguments.time("expires_at") else {
      throw ToolFailure("`expires_at`: \(TimestampText.fault(text)), or \"never\".")
    }
    return time
  }

  static let delete = Tool(
    name: "memory_delete",
    note: "Delete memories by id for good. To correct one, use memory_update.",
    arguments: [
      Field("ids", .list(of: .identifier, count: 1...50), required: true, not: ["id", "memoryid", "memoryids", "memories"]),
      Field("reason", .text(bytes: 1...1024), "for the log", not: ["why", "comment", "note"]),
    ],
    result: [
      Field("deleted", .list(of: .identifier, count: 0...50), required: true),
      Field("missing", .list(of: .identifier, count: 0...50), required: true),
    ],
    hints: Hints(isDestructive: true, isIdempotent: true)
  ) { arguments, call in
    let (ids, user) = (arguments.identifiers("ids"), call.user)
    let deleted = try await call.store.write(users: [user]) { transaction in
      try ids.filter { try transaction.delete($0, for: user) }
    }
    call.service.options.logger.info(
      "memories deleted", metadata: ["count": "\(deleted.count)", "reason": "\(TerminalText.excerpt(arguments.text("reason") ?? ""))"])
    return .object { writer in
      writer.key("deleted")
      writer.write(ids: deleted)
      writer.key("missing")
      writer.write(ids: ids.filter { !deleted.contains($0) })
    }
  }
}
