import Engram
import Formats

extension Tool {
  static let profileGet = Tool(
    name: "profile_get",
    note: "What is known of the user: preferences, topics, familiarity.",
    arguments: [], result: Profile.fields + [Field("updated_at", .time)], hints: .reading
  ) { _, call in
    let found = try call.store.versionedContext(for: call.user)
    return .object { writer in
      Profile.write(found?.context, version: found?.version ?? 0, to: &writer)
      if let found {
        writer.key("updated_at")
        writer.write(time: found.updatedAt)
      }
    }
  }

  static let profileUpdate = Tool(
    name: "profile_update",
    note: "One step. Paths: preferences.NAME (a text), topics (texts), friendshipLevel (an integer).",
    arguments: [
      Field("set", .map(of: .anything, count: 0...100), "path: value", not: ["update", "updates", "values", "data", "profile"]),
      Field("increment", .map(of: .integer(-1_000_000...1_000_000), count: 0...1), "path: number", not: ["inc", "add"]),
      Field("unset", .list(of: .text(bytes: 1...1100), count: 0...100), "paths", not: ["remove", "delete", "clear"]),
      Field("if_version", .integer(0...Int.max), "0: only if there is none", not: ["version", "etag", "expectedversion"]),
      Field("key", .text(bytes: 1...256), "a call with the same key is done once", not: ["idempotencykey", "token", "id"]),
    ],
    result: Profile.fields, hints: Hints(isDestructive: true)
  ) { arguments, call in
    let change = try ProfileChange(arguments)
    let user = call.user
    let version = arguments.integer("if_version")
    let token = arguments.text("key").map { "mcp:profile:" + String(DedupeKey.hash("\(user)\n\($0)".utf8), radix: 16) }
    let stored: ContextVersion<UserContext>?
    do {
      stored = try await call.store.write(users: [user], token: token) { transaction in
        try transaction.updateContext(for: user, ifVersion: version) { try change.applied(to: $0) }
        return try transaction.versionedContext(for: user)
      }
    } catch let error as StoreError where error.code == .conflict && token != nil {
      // Done before: the answer is the present profile.
      stored = try call.store.versionedContext(for: user)
    }
    return .object { Profile.write(stored?.context, version: stored?.version ?? 0, to: &$0) }
  }
}

/// A user's context as the protocol shows it.
enum Profile {
  static let fields: [Field] = [
    Field(
      "value",
      .object([
        Field("preferences", .map(of: .anyText, count: 0...Int.max)), Field("topics", .list(of: .anyText, count: 0...Int.max)),
        Field("friendshipLevel", .integer(.min ... .max)), Field("conversationsCount", .integer(0...Int.max)), Field("firstSeen", .time),
        Field("lastSeen", .time),
      ]), required: true), Field("version", .integer(0...Int.max), required: true),
  ]

  /// Without the texts of the last exchange: they can be long, and are the client's own.
  static func write(_ profile: UserContext?, version: Int, to writer: inout JSONWriter) {
    writer.key("value")
    writer.beginObject()
    if let profile {
      writer.key("preferences")
      writer.beginObject()
      for (name, value) in profile.preferences.sorted(by: { $0.key < $1.key }) {
        writer.key(text: name)
        writer.write(value)
      }
      writer.endObject()
      writer.key("topics")
      writer.beginArray()
      for topic in profile.topics { writer.write(topic) }
      writer.endArray()
      writer.key("friendshipLevel")
      writer.write(profile.friendshipLevel)
      writer.key("conversationsCount")
      writer.write(profile.conversationsCount)
      writer.key("firstSeen")
      writer.write(time: profile.firstSeen)
      writer.key("lastSeen")
      writer.write(time: profile.lastSeen)
    }
    writer.endObject()
    writer.key("version")
    writer.write(version)
  }
}
