import Engram
import Foundation
import Synchronization
import TestSupport
import Testing

@testable import EngramHTTP

/// Temporary failures, pauses, timeouts and cancellation.
@Suite(.timeLimit(.minutes(5))) struct RetryTests {
  /// A clock on which every pause ends at once, and the pauses that were asked for.
  private final class Watch: Sendable {
    let pauses = Mutex<[Duration]>([])
    let start = Date(timeIntervalSince1970: 1_767_323_045)

    var source: Pauses {
      Pauses(now: { self.start }, wait: { pause in self.pauses.withLock { $0.append(pause) } }, jitter: { 1 })
    }
    var all: [Duration] { pauses.withLock { $0 } }
  }

  @Test(arguments: [408, 429, 500, 502, 503, 504, 529])
  func aFailureThatPassesIsTriedAgain(status: Int) async throws {
    let server = EmbeddingServer { number, _ in number < 2 ? .answer(status, "busy") : nil }
    #expect(try await server.embedder().embed("a") == Embedding(EmbeddingServer.vector("a")))
    #expect(server.server.requests.count == 3)
  }

  @Test func aFailureThatStaysIsReportedWithTheNumberOfAttempts() async throws {
    let server = EmbeddingServer { _, _ in .answer(500, #"{"error":"out of memory"}"#) }
    let error = try await failure(server.embedder { $0.retries = 3 })
    #expect(error.code == .embedderFailed && error.message.contains("status 500: 'out of memory' (4 attempts)"), "\(error.message)")
    #expect(server.server.requests.count == 4)
    let single = try await failure(server.embedder { $0.retries = 0 })
    #expect(!single.message.contains("attempts"))
    #expect(server.server.requests.count == 5)
  }

  @Test func pausesAreDoubledUpToTheLongest() async throws {
    let watch = Watch()
    let server = EmbeddingServer { _, _ in .answer(503, "") }
    _ = try await failure(
      server.embedder(pauses: watch.source) { ($0.retries, $0.firstPause, $0.longestPause) = (5, .milliseconds(500), .seconds(3)) })
    #expect(watch.all == [.milliseconds(500), .seconds(1), .seconds(2), .seconds(3), .seconds(3)])
    // Jitter shortens a pause to no less than half of it.
    var options = EmbeddingServer.options
    (options.firstPause, options.longestPause) = (.seconds(2), .seconds(60))
    for _ in 0..<100 {
      let pause = Pauses().pause(afterAttempt: 2, asked: nil, options)
      #expect(pause >= .seconds(2) && pause <= .seconds(4))
    }
    #expect(Pauses().pause(afterAttempt: 100, asked: nil, options) <= .seconds(60))
  }

  @Test(arguments: [
    ("7", Duration.seconds(7)), ("0", .milliseconds(100)), ("3600", .seconds(60)), ("1e300", .seconds(60)), ("soon", .milliseconds(100)),
    ("-5", .milliseconds(100)),
    // Nine seconds after the time of the watch, 2026-01-02T03:04:05Z, in the three forms of a date; then a date in the past and one far
    // ahead.
    ("Fri, 02 Jan 2026 03:04:14 GMT", .seconds(9)), ("Friday, 02-Jan-26 03:04:14 GMT", .seconds(9)),
    ("Fri Jan  2 03:04:14 2026", .seconds(9)),
    ("Fri, 02 Jan 2026 03:04:00 GMT", .milliseconds(100)), ("Fri, 02 Jan 2099 03:04:00 GMT", .seconds(60)),
  ])
  func retryAfterIsHonoured(value: String, pause: Duration) async throws {
    let watch = Watch()
    let server = EmbeddingServer { number, _ in number == 0 ? .answer(429, headers: ["Retry-After": value], "slow down") : nil }
    _ = try await server.embedder(pauses: watch.source) { ($0.firstPause, $0.longestPause) = (.milliseconds(100), .seconds(60)) }.embed("a")
    #expect(watch.all == [pause])
  }

  /// Uses real time.
  @Test func theServerIsNotAskedBeforeThePauseIsOver() async throws {
    let server = EmbeddingServer { number, _ in number == 0 ? .answer(503, headers: ["Retry-After-Ms": "60"], "") : nil }
    let embedder = try server.embedder { $0.longestPause = .seconds(5) }
    let start = ContinuousClock.now
    _ = try await embedder.embed("a")
    #expect(ContinuousClock.now - start >= .milliseconds(60) && server.server.requests.count == 2)
  }

  @Test(arguments: [
    LocalServer.Reply.reset, .bytes(""), .bytes("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{\"data\":["),
    .bytes("HTTP/1.1 200 OK\r\nContent-"),
    .bytes("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{\"dat"),
  ])
  func aConnectionThatBreaksIsTriedAgain(reply: LocalServer.Reply) async throws {
    let server = EmbeddingServer { number, _ in number < 2 ? reply : nil }
    #expect(try await server.embedder().embed("a") == Embedding(EmbeddingServer.vector("a")))
    let broken = EmbeddingServer { _, _ in reply }
    let error = try await failure(broken.embedder { $0.retries = 1 })
    #expect(error.code == .embedderFailed && error.message.contains("(2 attempts)"), "\(error.message)")
  }

  @Test func aSlowAnswerIsTriedAgainAfterTheTimeout() async throws {
    let server = EmbeddingServer { number, _ in number == 0 ? .silence : nil }
    #expect(try await server.embedder { $0.requestTimeout = .milliseconds(200) }.embed("a") == Embedding(EmbeddingServer.vector("a")))
    let silent = EmbeddingServer { _, _ in .silence }
    let error = try await failure(silent.embedder { ($0.retries, $0.requestTimeout) = (1, .milliseconds(50)) })
    #expect(error.code == .embedderFailed && error.message.contains("did not answer within 0.05 seconds (2 attempts)"), "\(error.message)")
    try await until { silent.server.abandoned == 2 && server.server.abandoned == 1 }
  }

  @Test func aCallEndsAtItsTimeout() async throws {
    let silent = EmbeddingServer { _, _ in .silence }
    let error = try await failure(
      silent.embedder { ($0.concurrentRequests, $0.timeout, $0.maximumTexts) = (1, .milliseconds(100), 1) }, ["a", "b"])
    #expect(error.code == .embedderFailed && error.message.contains("2 texts were not all embedded within 0.1 seconds"), "\(error.message)")
    // A pause that would end after the timeout is not begun.
    let busy = EmbeddingServer { _, _ in .answer(429, headers: ["Retry-After": "500"], "") }
    let start = ContinuousClock.now
    let refused = try await failure(busy.embedder { ($0.timeout, $0.longestPause) = (.seconds(300), .seconds(600)) })
    #expect(refused.message.contains("status 429") && ContinuousClock.now - start < .seconds(100))
  }

  @Test func anAddressWhereNobodyListensFailsAtOnceUnlessItHasAnswered() async throws {
    let watch = Watch()
    let port = LocalServer.ReservedPort()
    let url = try #require(URL(string: port.address))
    let nobody = try HTTPEmbedder(
      EmbeddingsClient(url, model: "tiny", EmbeddingServer.options, pauses: watch.source, environment: [:]), dimension: 4)
    let error = try await failure(nobody)
    #expect(error.code == .embedderFailed && error.message.contains("cannot be reached") && watch.all.isEmpty, "\(error.message)")
    var server: EmbeddingServer? = EmbeddingServer(at: port)
    let embedder = try #require(try server?.embedder(pauses: watch.source) { $0.retries = 2 })
    _ = try await embedder.embed("a")
    server = nil
    _ = try await failure(embedder)
    #expect(watch.all.count == 2)
  }

  /// The task ends although the server stays silent, and the connection is closed.
  @Test func cancellationDuringAnAnswerIsImmediate() async throws {
    let server = EmbeddingServer { _, _ in .silence }
    let embedder = try server.embedder { ($0.maximumTexts, $0.concurrentRequests) = (1, 2) }
    let task = Task { try await embedder.embed(["a", "b", "c", "d"]) }
    try await until { server.server.requests.count == 2 }
    let start = ContinuousClock.now
    task.cancel()
    await #expect(throws: CancellationError.self) { try await task.value }
    #expect(ContinuousClock.now - start < .seconds(100))
    try await until { server.server.abandoned == 2 }
    #expect(server.server.requests.count == 2)
  }

  @Test func cancellationDuringAPauseIsImmediate() async throws {
    let server = EmbeddingServer { _, _ in .answer(429, headers: ["Retry-After": "500"], "") }
    let embedder = try server.embedder { ($0.longestPause, $0.concurrentRequests) = (.seconds(500), 1) }
    let task = Task { try await embedder.embed("a") }
    try await until { server.server.requests.count == 1 }
    // The second call waits for the slot of the first one.
    let second = Task { try await embedder.embed("b") }
    let start = ContinuousClock.now
    second.cancel()
    await #expect(throws: CancellationError.self) { try await second.value }
    task.cancel()
    await #expect(throws: CancellationError.self) { try await task.value }
    #expect(ContinuousClock.now - start < .seconds(100) && server.server.requests.count == 1)
  }

  @Test func aTaskThatIsCancelledAlreadySendsNothing() async throws {
    let server = EmbeddingServer()
    let embedder = try server.embedder()
    let task = Task {
      while !Task.isCancelled { await Task.yield() }
      return try await embedder.embed("a")
    }
    task.cancel()
    await #expect(throws: CancellationError.self) { try await task.value }
    #expect(server.server.requests.isEmpty)
    // The slots are all free again.
    _ = try await embedder.embed((0..<20).map(\.description))
  }
}
