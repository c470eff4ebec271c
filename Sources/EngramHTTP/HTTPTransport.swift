import CCurl
import Foundation
import Synchronization

/// A request, sent by POST.
struct HTTPRequest: Sendable {
  let url: URL
  let headers: [String: String]
  let body: [UInt8]
}

/// The answer of a server.
struct HTTPAnswer: Sendable {
  let status: Int
  /// Names in lower case.
  let headers: [String: String]
  let body: [UInt8]
}

/// Why there is no answer.
enum TransportError: Error {
  case timedOut
  case tooLarge
  /// No connection: it was refused, the host was not found, or its certificate is not trusted.
  case unreachable(String)
  /// The connection broke.
  case lost(String)
  /// libcurl cannot be loaded, or there is no memory.
  case unavailable(String)
}

/// Sends requests by libcurl, each on a thread of its own, and follows no redirect.
final class HTTPTransport: Sendable {
  private let idle = IdleHandles()

  /// - Throws: ``TransportError``; `CancellationError` at once if the task is cancelled.
  func send(_ request: HTTPRequest, maximumBytes: Int, timeout: Duration) async throws -> HTTPAnswer {
    try Task.checkCancellation()
    let handle = try idle.take()
    let exchange = Exchange(handle)
    return try await withTaskCancellationHandler {
      try await withCheckedThrowingContinuation { continuation in
        exchange.begin(continuation)
        Thread.detachNewThread { [idle] in
          let result = handle.post(request, maximumBytes: maximumBytes, timeout: timeout)
          if exchange.leave() { idle.put(handle) }
          exchange.finish(result)
        }
      }
    } onCancel: {
      exchange.cancel()
    }
  }
}

/// One request. Its task goes on with the first result, its thread when libcurl is done.
private final class Exchange: Sendable {
  private struct State {
    /// Nil once the thread no longer uses it.
    var handle: CurlHandle?
    var isCancelled = false
    var continuation: CheckedContinuation<HTTPAnswer, any Error>?
  }

  private let state: Mutex<State>

  init(_ handle: CurlHandle) { state = Mutex(State(handle: handle)) }

  func begin(_ continuation: CheckedContinuation<HTTPAnswer, any Error>) {
    let isCancelled = state.withLock { state in
      if !state.isCancelled { state.continuation = continuation }
      return state.isCancelled
    }
    if isCancelled { continuation.resume(throwing: CancellationError()) }
  }

  func cancel() {
    state.withLock { state in
      state.isCancelled = true
      // Under the lock, so that no other request uses the handle yet.
      state.handle?.cancel()
    }
    finish(.failure(CancellationError()))
  }

  /// - Returns: Whether the handle can be used again: it was not cancelled, and will not be.
  func leave() -> Bool {
    state.withLock { state in
      state.handle = nil
      return !state.isCancelled
    }
  }

  /// Resumes the task with the first result; later ones are ignored.
  func finish(_ result: Result<HTTPAnswer, any Error>) {
    let continuation = state.withLock { state in
      defer { state.continuation = nil }
      return state.continuation
    }
    continuation?.resume(with: result)
  }
}

/// Handles with open connections that no request uses.
private final class IdleHandles: Sendable {
  private let handles = Mutex<[CurlHandle]>([])

  /// - Throws: ``TransportError`` `.unavailable`.
  func take() throws(TransportError) -> CurlHandle {
    if let handle = handles.withLock({ $0.popLast() }) { return handle }
    return try CurlHandle()
  }

  func put(_ handle: CurlHandle) { handles.withLock { $0.append(handle) } }
}

/// A handle of libcurl. One thread at a time posts with it; any may cancel.
@safe
private final class CurlHandle: @unchecked Sendable {
  // Sendable: see above; the one field that posting and cancelling share is an atomic on the C side.
  private let handle: OpaquePointer

  init() throws(TransportError) {
    if let failure = unsafe engram_curl_load() { throw .unavailable(unsafe String(cString: failure)) }
    guard let handle = unsafe engram_curl_make() else { throw .unavailable("there is no memory for a connection") }
    unsafe self.handle = handle
  }

  deinit { unsafe engram_curl_free(handle) }

  func cancel() { unsafe engram_curl_cancel(handle) }

  func post(_ request: HTTPRequest, maximumBytes: Int, timeout: Duration) -> Result<HTTPAnswer, any Error> {
    // An empty Expect, because libcurl would otherwise wait for a reply of the server before it sends a large body.
    let lines = request.headers.map { "\($0.key): \($0.value)" } + ["Expect:"]
    let milliseconds = max(1, min(timeout / .milliseconds(1), 1e12))
    var answer = unsafe engram_curl_answer()
    // SAFETY: the copies made by strdup are NUL-terminated and live until they are freed after the call, as do the body and the URL.
    let words = unsafe lines.map { unsafe UnsafePointer(strdup($0)) } + [nil]
    defer { unsafe words.forEach { unsafe free(UnsafeMutableRawPointer(mutating: $0)) } }
    unsafe request.body.withUnsafeBytes { body in
      unsafe engram_curl_post(
        handle, request.url.absoluteString, words, body.baseAddress, body.count, maximumBytes, Int(milliseconds), &answer)
    }
    let message = unsafe withUnsafeBytes(of: &answer.message) { unsafe String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
    switch Int(unsafe answer.outcome) {
    case ENGRAM_CURL_ANSWERED:
      // SAFETY: head and body are bytes of the handle, as long as the answer says, until its next call; a buffer that nothing was put into
      // is NULL.
      let head = unsafe UnsafeRawBufferPointer(start: answer.head, count: answer.head_length)
      let body = unsafe UnsafeRawBufferPointer(start: answer.body, count: answer.body_length)
      return unsafe .success(
        HTTPAnswer(status: answer.status, headers: Self.headers(String(decoding: head, as: UTF8.self)), body: Array(body)))
    case ENGRAM_CURL_CANCELLED: return .failure(CancellationError())
    case ENGRAM_CURL_TOO_LARGE: return .failure(TransportError.tooLarge)
    case ENGRAM_CURL_TIMED_OUT: return .failure(TransportError.timedOut)
    case ENGRAM_CURL_UNREACHABLE: return .failure(TransportError.unreachable(message))
    case ENGRAM_CURL_OUT_OF_MEMORY: return .failure(TransportError.unavailable("there is no memory for the answer"))
    default:
      let place = unsafe answer.has_head != 0 ? "within its answer" : "before it had answered"
      return .failure(TransportError.lost("\(place)\(message.isEmpty ? "" : " (\(message))")"))
    }
  }

  private static func headers(_ head: String) -> [String: String] {
    var headers: [String: String] = [:]
    // By scalars: CR LF is one character.
    for line in head.unicodeScalars.split(whereSeparator: { $0 == "\r" || $0 == "\n" }) {
      guard let colon = line.firstIndex(of: ":") else { continue }
      headers[String(line[..<colon]).lowercased()] = String(line[line.index(after: colon)...]).trimmingCharacters(in: .whitespaces)
    }
    return headers
  }
}
