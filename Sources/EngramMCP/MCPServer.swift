public import Engram
import Foundation
import Synchronization

/// A server of the Model Context Protocol for the memories of a store, over two file descriptors.
///
/// ```swift
/// let server = MCPServer(store: store, options: MCPServerOptions(user: .fixed("ada"), storeName: "bot.memory", version: "1.0.0"))
/// try await server.run()
/// ```
public struct MCPServer: Sendable {
  private let service: Service

  /// The longest line that is read.
  static let lineBytes = 16 << 20

  /// Makes a server, which answers nothing before it runs.
  ///
  /// - Parameters:
  ///   - store: Must be open as long as the server runs. The server does not close it.
  ///   - options: What is offered, and to whom.
  public init(store: MemoryStore, options: MCPServerOptions) { service = Service(store: store, options: options) }

  /// Serves one client until its input ends, its output breaks, or the task is cancelled.
  ///
  /// At the end of the input, requests under way may go on, for ten seconds at most, and only while one ends every two seconds. Then, and at
  /// once in the other cases, they are cancelled. A commit under way is completed. Subscriptions are answered. Nothing is written to the output
  /// but messages of the protocol.
  ///
  /// - Parameters:
  ///   - input: Is read by a thread of its own.
  ///   - output: Is written by a thread of its own. `SIGPIPE` should be ignored in the process: a client that is gone ends the server.
  /// - Throws: ``StoreError`` `.outOfResources` if the process has no descriptor left.
  public func run(input: Int32 = 0, output: Int32 = 1) async throws {
    guard let waker = Waker() else { throw StoreError(.outOfResources, "the process has no file descriptor left") }
    let link = Link()
    let outbox = Outbox(descriptor: output) { isBroken in
      link.requests.withLock { $0 }?.roomMayHaveChanged()
      if isBroken { waker.wake() }
    }
    let session = Session(service: service, outbox: outbox)
    link.requests.withLock { $0 = session.requests }
    outbox.start()
    await withTaskCancellationHandler {
      await Self.read(input, waker, output, into: session, outbox)
    } onCancel: {
      waker.wake()
      session.requests.cancelAll()
    }
    await Self.end(session, outbox)
  }

  /// Lets the outbox reach the requests, which are made after it.
  private final class Link: Sendable {
    let requests = Mutex<RequestTable?>(nil)
  }

  /// Hands the lines of the input to the session, until its end, until the output is broken, or until the waker is woken.
  private static func read(_ input: Int32, _ waker: Waker, _ output: Int32, into session: Session, _ outbox: Outbox) async {
    await withCheckedContinuation { continuation in
      Thread.detachNewThread {
        readLines(input, waker, output, into: session, outbox)
        continuation.resume()
      }
    }
  }

  private static func readLines(_ input: Int32, _ waker: Waker, _ output: Int32, into session: Session, _ outbox: Outbox) {
    var splitter = LineSplitter(limit: lineBytes)
    while true {
      switch Descriptors.awaitInput(input, waker: waker.descriptor, output: output) {
      case .broken: return outbox.abandon()
      case .woken: return
      case .ready, .timedOut: break
      }
      guard let bytes = Descriptors.read(input, atMost: 64 << 10) else {
        if let piece = splitter.last() { session.receive(piece) }
        return
      }
      splitter.append(bytes)
      while let piece = splitter.next() {
        session.awaitRoom()
        session.receive(piece)
      }
    }
  }

  private static func end(_ session: Session, _ outbox: Outbox) async {
    func requests() -> Int { outbox.isBroken ? 0 : session.requests.running }
    let isOrderly = !outbox.isBroken && !Task.isCancelled
    if isOrderly { await waits(atMost: .seconds(10), still: .seconds(2), for: requests) }
    session.requests.cancelAll()
    await waits(atMost: .seconds(2), for: requests)
    session.subscriptions.endAll()
    outbox.close()
    await waits(atMost: .seconds(10), still: .seconds(1)) { outbox.isBroken ? 0 : outbox.queuedBytes }
    outbox.abandon()
  }

  /// Waits until nothing is left, for `limit` at most, and no longer than `pause` while what is left stays the same.
  ///
  /// Polls, because a request that cannot be cancelled must not keep the server from ending.
  static func waits(atMost limit: Duration, still pause: Duration = .seconds(3600), for left: () -> Int) async {
    let end = ContinuousClock.now + limit
    var (count, patience) = (left(), ContinuousClock.now + pause)
    while count > 0, ContinuousClock.now < min(end, patience) {
      // Not `Task.sleep`, which returns at once in a cancelled task.
      await withCheckedContinuation { continuation in
        DispatchQueue.global().asyncAfter(deadline: .now() + .milliseconds(2)) { continuation.resume() }
      }
      let now = left()
      if now != count { (count, patience) = (now, .now + pause) }
    }
  }
}
