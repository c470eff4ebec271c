import Dispatch
import Engram
import Formats
import Logging
import Synchronization

/// The resources that the client wants to hear about, and the changes of the store that are on their way to it.
///
/// One task follows the store's changes while there is a subscription. Changes are collected for ``quietTime``, so a commit of many memories is
/// one message for each resource; a client that does not read is sent each resource once.
final class Subscriptions: Sendable {
  private struct Listener {
    let id: RequestID
    let uris: [String]
  }

  private struct State {
    /// Of the current era: requests that are answered when they end.
    var listeners: [Listener] = []
    /// Of the earlier eras: `resources/subscribe`.
    var uris: [String] = []
    var follower: Task<Void, Never>?
    /// Resources that changed since the last messages.
    var changed: [String] = []
    var isSending = false
    var isOver = false
    var watched: [String] { listeners.flatMap(\.uris) + uris }
  }

  private let service: Service
  private let outbox: Outbox
  private let state = Mutex(State())

  private static let quietTime = DispatchTimeInterval.milliseconds(50)
  private static let mostListeners = 32
  private static let mostURIs = 256

  init(service: Service, outbox: Outbox) {
    self.service = service
    self.outbox = outbox
  }

  // MARK: Current era

  /// Accepts `subscriptions/listen`: acknowledges it, and answers it only when the server ends.
  func listen(_ request: Request) throws(ProtocolError) {
    let user = try service.resourceUser(request)
    guard let wanted = request.parameters["notifications"], case .object = wanted else {
      throw ProtocolError(.invalidParameters, "params.notifications must be an object")
    }
    var uris: [String] = []
    if let list = wanted["resourceSubscriptions"] {
      guard case .array(let elements) = list, elements.count <= Self.mostURIs else {
        throw ProtocolError(
          .invalidParameters, "params.notifications.resourceSubscriptions must be an array of at most \(Self.mostURIs) URIs")
      }
      for element in elements {
        guard case .string(let uri) = element else {
          throw ProtocolError(.invalidParameters, "params.notifications.resourceSubscriptions must contain strings")
        }
        if ResourceAddress(uri) != nil, !uris.contains(uri) { uris.append(uri) }
      }
    }
    // The listings never change, so the other kinds are not in the acknowledgement.
    let honoured = uris
    let acknowledgement = ServerNotification.line("notifications/subscriptions/acknowledged") { writer in
      Self.writeMeta(request.id, to: &writer)
      writer.key("notifications")
      writer.beginObject()
      if wanted["resourceSubscriptions"] != nil {
        writer.key("resourceSubscriptions")
        writer.beginArray()
        for uri in honoured { writer.write(uri) }
        writer.endArray()
      }
      writer.endObject()
    }
    try add(user) { state throws(ProtocolError) in
      guard state.listeners.count < Self.mostListeners else {
        throw ProtocolError(.invalidRequest, "there are \(Self.mostListeners) subscriptions already: cancel one")
      }
      guard !state.listeners.contains(where: { $0.id == request.id }) else {
        throw ProtocolError(.invalidRequest, "a subscription with this id is open")
      }
      state.listeners.append(Listener(id: request.id, uris: honoured))
      // Under the lock: no message of the subscription comes before it.
      outbox.send(acknowledgement)
    }
  }

  /// Ends a subscription of the current era, without an answer: the client has cancelled it.
  ///
  /// - Returns: Whether there was one.
  func end(_ id: RequestID) -> Bool {
    let (wasOpen, idle) = state.withLock { state in
      let count = state.listeners.count
      state.listeners.removeAll { $0.id == id }
      return (state.listeners.count < count, Self.takeIdleFollower(&state))
    }
    idle?.cancel()
    return wasOpen
  }

  /// Ends all subscriptions, and answers those of the current era.
  func endAll() {
    let (listeners, follower) = state.withLock { state in
      defer {
        state.listeners = []
        state.uris = []
        state.isOver = true
      }
      return (state.listeners, state.follower)
    }
    follower?.cancel()
    for listener in listeners {
      let reply = Reply { _ in }
      outbox.send(reply.line(for: listener.id, in: .stateless, identity: service.identity, subscription: listener.id))
    }
  }

  // MARK: Earlier eras

  func subscribe(_ request: Request) throws(ProtocolError) {
    let user = try service.resourceUser(request)
    let uri = try Self.uri(request)
    guard ResourceAddress(uri) != nil else {
      throw ProtocolError(.resourceNotFound, "there is no resource '\(TerminalText.excerpt(uri))'")
    }
    try add(user) { state throws(ProtocolError) in
      guard state.uris.count < Self.mostURIs else {
        throw ProtocolError(.invalidRequest, "there are \(Self.mostURIs) subscriptions already")
      }
      if !state.uris.contains(uri) { state.uris.append(uri) }
    }
  }

  func unsubscribe(_ request: Request) throws(ProtocolError) {
    _ = try service.resourceUser(request)
    let uri = try Self.uri(request)
    let idle = state.withLock { state in
      state.uris.removeAll { $0 == uri }
      return Self.takeIdleFollower(&state)
    }
    idle?.cancel()
  }

  private static func uri(_ request: Request) throws(ProtocolError) -> String {
    guard case .string(let uri)? = request.parameters["uri"] else {
      throw ProtocolError(.invalidParameters, "params.uri must be a string")
    }
    return uri
  }

  // MARK: Changes

  /// Registers a subscription. The changes are followed from before it is acknowledged, so that none is missed.
  private func add(_ user: String, _ register: (inout State) throws(ProtocolError) -> Void) throws(ProtocolError) {
    let changes: ChangeSequence
    do {
      changes = try service.store.changes(for: user)
    } catch {
      throw ProtocolError(.internalError, (error as? StoreError)?.detailedMessage ?? "the changes of the store cannot be followed")
    }
    let failure: ProtocolError? = state.withLock { state in
      do throws(ProtocolError) {
        try register(&state)
      } catch {
        return error
      }
      if state.follower == nil { state.follower = Task { await follow(changes, user) } }
      return nil
    }
    if let failure { throw failure }
  }

  private static func takeIdleFollower(_ state: inout State) -> Task<Void, Never>? {
    guard state.listeners.isEmpty, state.uris.isEmpty else { return nil }
    defer { state.follower = nil }
    return state.follower
  }

  private func follow(_ changes: ChangeSequence, _ user: String) async {
    do {
      for try await change in changes { note(change.kind, user) }
    } catch {
      service.options.logger.error("the changes of the store cannot be followed any more", metadata: ["error": "\(error)"])
    }
  }

  private func note(_ change: StoreChange.Kind, _ user: String) {
    let watched = state.withLock { $0.watched }
    let store = service.store
    // One look-up for all resources of sessions.
    var found: String??
    let affected = watched.filter { uri in
      ResourceAddress(uri)?.isChanged(by: change) { id in
        if let found { return found }
        let session = (try? store.memory(id, for: user))?.sessionID
        found = .some(session)
        return session
      } ?? false
    }
    guard !affected.isEmpty else { return }
    let mustSchedule = state.withLock { state in
      for uri in affected where !state.changed.contains(uri) { state.changed.append(uri) }
      defer { state.isSending = true }
      return !state.isSending
    }
    if mustSchedule { schedule() }
  }

  private func schedule() { DispatchQueue.global().asyncAfter(deadline: .now() + Self.quietTime) { [self] in sendChanged() } }

  private func sendChanged() {
    // Later, if the client does not read: the resources stay marked.
    if outbox.queuedBytes >= 1 << 20, !state.withLock({ $0.isOver }) { return schedule() }
    state.withLock { state in
      state.isSending = false
      defer { state.changed = [] }
      guard !state.isOver else { return }
      for uri in state.changed {
        for listener in state.listeners where listener.uris.contains(uri) { outbox.send(Self.updated(uri, listener.id)) }
        if state.uris.contains(uri) { outbox.send(Self.updated(uri, nil)) }
      }
    }
  }

  private static func updated(_ uri: String, _ subscription: RequestID?) -> [UInt8] {
    ServerNotification.line("notifications/resources/updated") { writer in
      if let subscription { writeMeta(subscription, to: &writer) }
      writer.key("uri")
      writer.write(uri)
    }
  }

  private static func writeMeta(_ subscription: RequestID, to writer: inout JSONWriter) {
    writer.key("_meta")
    writer.beginObject()
    writer.key("io.modelcontextprotocol/subscriptionId")
    writer.write(json: subscription.json)
    writer.endObject()
  }
}
