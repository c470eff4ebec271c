import Engram
import Formats

extension Service {
  /// The user whose resources are offered.
  ///
  /// - Throws: ``ProtocolError`` if none are: the method then does not exist.
  func resourceUser(_ request: Request) throws(ProtocolError) -> String {
    guard let user = fixedUser else { throw .unknownMethod(request.method) }
    return user
  }

  /// The result of `resources/list`.
  func resourceListing(_ request: Request) throws(ProtocolError) -> Reply {
    _ = try resourceUser(request)
    let resources = [
      ("engram://profile", "profile", "What is known of the user at a glance"),
      ("engram://recent", "recent", "The newest memories"),
      ("engram://about", "about", "What is stored, for whom and where"),
    ]
    return Reply(caching: Reply.Caching(lifetime: Reply.Caching.listing.lifetime, isPublic: false)) { writer in
      writer.key("resources")
      writer.beginArray()
      for (uri, name, note) in resources { Self.write(&writer, uriKey: "uri", uri, name, note) }
      writer.endArray()
    }
  }

  /// The result of `resources/templates/list`.
  func templateListing(_ request: Request) throws(ProtocolError) -> Reply {
    _ = try resourceUser(request)
    return Reply(caching: .listing) { writer in
      writer.key("resourceTemplates")
      writer.beginArray()
      Self.write(&writer, uriKey: "uriTemplate", "engram://memory/{id}", "memory", "One memory, with all its fields")
      Self.write(&writer, uriKey: "uriTemplate", "engram://session/{id}", "session", "The memories of a session, the oldest first")
      writer.endArray()
    }
  }

  private static func write(_ writer: inout JSONWriter, uriKey: String, _ uri: String, _ name: String, _ note: String) {
    writer.beginObject()
    writer.key(text: uriKey)
    writer.write(uri)
    writer.key("name")
    writer.write(name)
    writer.key("description")
    writer.write(note)
    writer.key("mimeType")
    writer.write("application/json")
    writer.endObject()
  }

  /// Answers `resources/read`.
  ///
  /// - Throws: ``ProtocolError`` for an unknown resource; `StoreError`; `CancellationError`.
  func readResource(_ request: Request, _ context: RequestContext) async throws -> Reply {
    let user = try resourceUser(request)
    guard case .string(let uri)? = request.parameters["uri"] else {
      throw ProtocolError(.invalidParameters, "params.uri must be a string")
    }
    guard let address = ResourceAddress(uri), let text = try await content(of: address, user) else {
      throw ProtocolError(
        context.revision.isModern ? .invalidParameters : .resourceNotFound, "there is no resource '\(TerminalText.excerpt(uri))'")
    }
    return Reply(caching: .ofUser) { writer in
      writer.key("contents")
      writer.beginArray()
      writer.beginObject()
      writer.key("uri")
      writer.write(uri)
      writer.key("mimeType")
      writer.write("application/json")
      writer.key("text")
      writer.write(text)
      writer.endObject()
      writer.endArray()
    }
  }

  /// The resource as JSON; nil: it does not exist.
  private func content(of address: ResourceAddress, _ user: String) async throws -> String? {
    switch address {
    case .profile:
      let found = try store.versionedContext(for: user)
      return Self.object { Profile.write(found?.context, version: found?.version ?? 0, to: &$0) }
    case .about:
      let overview = try await Overview(of: user, in: store)
      return Self.object { overview.write(to: &$0, options.storeName) }
    case .recent:
      let page = try store.memories(for: user, limit: 20)
      return Self.list(page.elements, hasMore: page.next != nil)
    case .session(let session):
      let page = try store.memories(inSession: session, for: user, limit: 500)
      return page.isEmpty ? nil : Self.list(page.elements, hasMore: page.next != nil)
    case .memory(let id):
      return try store.memory(id, for: user)?.json
    }
  }

  private static func object(_ write: (inout JSONWriter) -> Void) -> String {
    var writer = JSONWriter()
    writer.beginObject()
    write(&writer)
    writer.endObject()
    return writer.string
  }

  /// The first of the memories that fit into an answer.
  private static func list(_ memories: [Memory], hasMore: Bool) -> String {
    var budget = TokenBudget(TokenBudget.largest / 2)
    for memory in memories {
      let fits = budget.add(memory) { text in
        object { MemoryFields.write(memory, cutTo: text, to: &$0) }
      }
      guard fits else { break }
    }
    return object { writer in
      writer.key("memories")
      writer.write(elements: budget.elements)
      writer.key("truncated")
      writer.write(hasMore || budget.elements.count < memories.count)
    }
  }
}
