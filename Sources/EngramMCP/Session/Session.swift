import Engram
import Formats
import Logging
import Synchronization

/// One client. Its lines come one after the other, by one thread.
final class Session: Sendable {
  let service: Service
  let requests = RequestTable()
  let subscriptions: Subscriptions
  private let outbox: Outbox
  /// What `initialize` selected; nil before, and for clients of the current era.
  private let handshake = Mutex<Handshake?>(nil)

  /// Reading pauses while more than this waits to be written.
  private static let mostQueuedBytes = 8 << 20

  init(service: Service, outbox: Outbox) {
    self.service = service
    self.outbox = outbox
    subscriptions = Subscriptions(service: service, outbox: outbox)
  }

  /// Waits until the client may send more.
  func awaitRoom() { requests.awaitRoom { outbox.queuedBytes > Self.mostQueuedBytes } }

  /// Handles a line. What needs no store is answered at once, in the order of the lines; the rest in a task of its own.
  func receive(_ piece: LineSplitter.Piece) {
    guard case .line(let line) = piece else {
      let megabytes = MCPServer.lineBytes >> 20
      return outbox.send(ProtocolError(.invalidRequest, "the line is longer than \(megabytes) MiB").line(for: nil))
    }
    do throws(Rejection) {
      switch try Message(parsing: line) {
      case .request(let request): begin(request)
      case .notification(let method, let parameters): note(method, parameters)
      case .response: break
      }
    } catch {
      outbox.send(error.error.line(for: error.id))
    }
  }

  private func note(_ method: String, _ parameters: JSONValue) {
    // Others, such as notifications/initialized, need nothing done.
    guard method == "notifications/cancelled", let id = parameters["requestId"].flatMap({ RequestID($0) }) else { return }
    if !subscriptions.end(id) { requests.cancel(id) }
  }

  // MARK: Requests

  private func begin(_ request: Request) {
    do throws(ProtocolError) {
      if request.method == "initialize" {
        // Accepted at any time: one host sends it after a successful `server/discover`.
        let selected = try Handshake(request.parameters)
        handshake.withLock { $0 = selected }
        return send(service.greeting(selected), request, selected.revision)
      }
      let context = try RequestContext(request, negotiated: handshake.withLock { $0 })
      if let reply = try answerAtOnce(request, context) { return send(reply, request, context.revision) }
      try start(request, context)
    } catch {
      outbox.send(error.line(for: request.id))
    }
  }

  /// The answer to a request that needs no store; nil: it needs one, or `subscriptions/listen` was accepted, which is answered at its end.
  private func answerAtOnce(_ request: Request, _ context: RequestContext) throws(ProtocolError) -> Reply? {
    switch (request.method, context.revision.isModern) {
    case ("server/discover", true): return service.discovery()
    case ("ping", false): return Reply { _ in }
    case ("tools/list", _):
      try refuseCursor(request)
      return service.tools.listing
    case ("prompts/list", _):
      try refuseCursor(request)
      return try service.promptListing(request)
    case ("resources/list", _):
      try refuseCursor(request)
      return try service.resourceListing(request)
    case ("resources/templates/list", _):
      try refuseCursor(request)
      return try service.templateListing(request)
    case ("resources/subscribe", false):
      try subscriptions.subscribe(request)
      return Reply { _ in }
    case ("resources/unsubscribe", false):
      try subscriptions.unsubscribe(request)
      return Reply { _ in }
    default: return nil
    }
  }

  /// All listings have one page: no cursor was ever given out.
  private func refuseCursor(_ request: Request) throws(ProtocolError) {
    if request.parameters["cursor"] != nil {
      throw ProtocolError(.invalidParameters, "params.cursor is none that this server has returned")
    }
  }

  private func start(_ request: Request, _ context: RequestContext) throws(ProtocolError) {
    let answer: @Sendable (ProgressReporter) async throws -> Reply
    let service = service
    switch (request.method, context.revision.isModern) {
    case ("tools/call", _): answer = { try await service.callTool(request, context, $0) }
    case ("resources/read", _): answer = { _ in try await service.readResource(request, context) }
    case ("prompts/get", _): answer = { _ in try await service.prompt(request) }
    case ("subscriptions/listen", true): return try subscriptions.listen(request)
    default: throw .unknownMethod(request.method)
    }
    let serial = try requests.admit(request)
    let progress = ProgressReporter(token: context.progressToken) { [self] line in
      if requests.isOpen(request.id, serial) { outbox.send(line) }
    }
    let task = Task { await run(request, context, serial) { try await answer(progress) } }
    requests.attach(task, to: request.id, serial)
  }

  private func run(_ request: Request, _ context: RequestContext, _ serial: Int, _ answer: () async throws -> Reply) async {
    let line: [UInt8]?
    do {
      line = try await answer().line(for: request.id, in: context.revision, identity: service.identity)
    } catch let error as ProtocolError {
      line = error.line(for: request.id)
    } catch is CancellationError {
      line = ProtocolError(.internalError, "the server is ending; the request was not done").line(for: request.id)
    } catch {
      service.options.logger.error("a request failed", metadata: ["method": "\(request.method)", "error": "\(error)"])
      line = ProtocolError(.internalError, (error as? StoreError)?.detailedMessage ?? "the request failed").line(for: request.id)
    }
    if requests.finish(request, serial), let line { outbox.send(line) }
  }

  private func send(_ reply: Reply, _ request: Request, _ revision: Revision) {
    outbox.send(reply.line(for: request.id, in: revision, identity: service.identity))
  }
}
