import Formats

/// The result of a request, in the words that all eras share.
struct Reply: Sendable {
  /// How long and for whom a client may keep the result.
  struct Caching: Sendable, Equatable {
    /// Milliseconds.
    let lifetime: Int
    /// Whether the result contains nothing of the user.
    let isPublic: Bool

    static let listing = Caching(lifetime: 3_600_000, isPublic: true)
    static let ofUser = Caching(lifetime: 0, isPublic: false)
  }

  /// The members, as one JSON object.
  let members: String
  /// Present for the results that the current era lets a client keep.
  let caching: Caching?
  /// Whether the client must bring more input. Only the current era knows such results.
  let needsInput: Bool

  init(caching: Caching? = nil, needsInput: Bool = false, _ write: (inout JSONWriter) throws -> Void) rethrows {
    var writer = JSONWriter(reservingCapacity: 512)
    writer.beginObject()
    try write(&writer)
    writer.endObject()
    members = writer.string
    self.caching = caching
    self.needsInput = needsInput
  }

  /// The whole message.
  ///
  /// - Parameter identity: Added to `_meta` in the current era; the earlier ones get it from `initialize`.
  func line(for id: RequestID, in revision: Revision, identity: ServerIdentity, subscription: RequestID? = nil) -> [UInt8] {
    var writer = JSONWriter(reservingCapacity: members.utf8.count + 256)
    writer.beginObject()
    writer.key("jsonrpc")
    writer.write("2.0")
    writer.key("id")
    writer.write(json: id.json)
    writer.key("result")
    writer.beginObject()
    if revision.isModern {
      writer.key("resultType")
      writer.write(needsInput ? "input_required" : "complete")
    }
    writer.writeMembers(ofJSON: members)
    if revision.isModern {
      if let caching {
        writer.key("ttlMs")
        writer.write(caching.lifetime)
        writer.key("cacheScope")
        writer.write(caching.isPublic ? "public" : "private")
      }
      writer.key("_meta")
      writer.beginObject()
      writer.key("io.modelcontextprotocol/serverInfo")
      identity.write(to: &writer)
      if let subscription {
        writer.key("io.modelcontextprotocol/subscriptionId")
        writer.write(json: subscription.json)
      }
      writer.endObject()
    }
    writer.endObject()
    writer.endObject()
    writer.endLine()
    return writer.bytes
  }
}

/// A message without an answer.
enum ServerNotification {
  static func line(_ method: String, _ parameters: (inout JSONWriter) -> Void) -> [UInt8] {
    var writer = JSONWriter(reservingCapacity: 256)
    writer.beginObject()
    writer.key("jsonrpc")
    writer.write("2.0")
    writer.key("method")
    writer.write(method)
    writer.key("params")
    writer.beginObject()
    parameters(&writer)
    writer.endObject()
    writer.endObject()
    writer.endLine()
    return writer.bytes
  }
}

/// The name and version of the program.
struct ServerIdentity: Sendable {
  let name: String
  let version: String

  func write(to writer: inout JSONWriter) {
    writer.beginObject()
    writer.key("name")
    writer.write(name)
    writer.key("title")
    writer.write("Engram memory")
    writer.key("version")
    writer.write(version)
    writer.endObject()
  }
}
