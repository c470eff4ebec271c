import Engram
import Foundation
import Synchronization

/// Sends texts to an endpoint in batches, and sends a batch again after a failure that may be temporary.
final class EmbeddingsClient: Sendable {
  let endpoint: Endpoint
  let model: String
  let options: HTTPEmbedderOptions
  private let key: String?
  private let headers: [String: String]
  private let transport: HTTPTransport
  private let slots: RequestSlots
  private let pauses: Pauses
  /// Whether the endpoint has ever answered anything.
  private let hasAnswered = Atomic(false)

  private static let maximumRedirects = 5

  /// - Throws: ``StoreError`` `.invalidArgument`.
  init(
    _ baseURL: URL, model: String, _ options: HTTPEmbedderOptions, pauses: Pauses, environment: [String: String]
  ) throws(StoreError) {
    endpoint = try Endpoint(baseURL: baseURL)
    guard !model.isEmpty else { throw StoreError(.invalidArgument, "the embedder at \(endpoint) needs the name of a model") }
    try options.check()
    key = try options.key.value(for: endpoint, in: environment)
    var headers: [String: String] = [:]
    for (name, secret) in options.headers { headers[name] = try secret.value(for: endpoint, in: environment) }
    self.headers = headers
    self.model = model
    self.options = options
    self.pauses = pauses
    transport = HTTPTransport()
    slots = RequestSlots(options.concurrentRequests)
  }

  /// Returns one vector per text, in the order of `texts`.
  ///
  /// - Parameter dimension: The dimension that each vector must have; nil for any, which must be the same for all texts of a request.
  /// - Throws: ``StoreError``; `CancellationError`.
  func vectors(of texts: [String], dimension: Int?) async throws -> [[Float]] {
    guard !texts.isEmpty else { return [] }
    let call = Call(texts: texts, dimension: dimension, deadline: .now + options.timeout)
    do {
      return try await withThrowingTaskGroup(of: [[Float]]?.self) { group in
        group.addTask { try await self.batchedVectors(call) }
        group.addTask {
          try await Task.sleep(until: call.deadline)
          return nil
        }
        defer { group.cancelAll() }
        guard let first = try await group.next(), let vectors = first else { throw expired(call) }
        return vectors
      }
    } catch {
      // A cancelled task may have failed with another error first.
      try Task.checkCancellation()
      throw error
    }
  }

  /// One call of the embedder.
  private final class Call: Sendable {
    let texts: [String]
    let dimension: Int?
    let deadline: ContinuousClock.Instant
    /// The last failure after which the batch was to be sent again; reported if the time ends before that succeeds.
    let lastFailure = Mutex<StoreError?>(nil)

    init(texts: [String], dimension: Int?, deadline: ContinuousClock.Instant) {
      (self.texts, self.dimension, self.deadline) = (texts, dimension, deadline)
    }
  }

  private func expired(_ call: Call) -> StoreError {
    let last = call.lastFailure.withLock { $0 }.map { "; at last \($0.message)" } ?? ""
    return EndpointFailure(endpoint, "\(call.texts.count) texts were not all embedded within \(options.timeout)\(last)").error
  }

  private func batchedVectors(_ call: Call) async throws -> [[Float]] {
    var batches = Self.batches(call.texts, options)[...]
    if batches.count == 1 { return try await vectors(call, 0..<call.texts.count) }
    return try await withThrowingTaskGroup(of: (Int, [[Float]]).self) { group in
      var vectors = [[Float]](repeating: [], count: call.texts.count)
      func addNext() {
        guard let batch = batches.popFirst() else { return }
        group.addTask { (batch.lowerBound, try await self.vectors(call, batch)) }
      }
      // No more tasks than there are slots.
      for _ in 0..<options.concurrentRequests { addNext() }
      while let (start, found) = try await group.next() {
        vectors.replaceSubrange(start..<start + found.count, with: found)
        addNext()
      }
      return vectors
    }
  }

  /// Ranges of texts that are sent together.
  static func batches(_ texts: [String], _ options: HTTPEmbedderOptions) -> [Range<Int>] {
    var batches: [Range<Int>] = []
    var (start, bytes) = (0, 0)
    for (index, text) in texts.enumerated() {
      let size = text.utf8.count
      if index > start, index - start == options.maximumTexts || size > options.maximumRequestBytes - bytes {
        batches.append(start..<index)
        (start, bytes) = (index, 0)
      }
      bytes += size
    }
    if start < texts.count { batches.append(start..<texts.count) }
    return batches
  }

  /// The vectors of one batch. If the server refuses it as too large, sends its halves, one after the other.
  private func vectors(_ call: Call, _ batch: Range<Int>) async throws -> [[Float]] {
    do {
      return try await slots.within { try await answeredVectors(call, batch) }
    } catch let failure as EndpointFailure {
      guard failure.remedy == .fewerTexts, batch.count > 1 else { throw failure.error }
    }
    let middle = batch.lowerBound + batch.count / 2
    return try await vectors(call, batch.lowerBound..<middle) + vectors(call, middle..<batch.upperBound)
  }

  /// Sends a batch, again after each failure that may be temporary.
  ///
  /// - Throws: ``EndpointFailure`` with the remedy `.fewerTexts`, otherwise the error that the user of the library gets.
  private func answeredVectors(_ call: Call, _ batch: Range<Int>) async throws -> [[Float]] {
    let body = EmbeddingsBody.request(Array(call.texts[batch]), model: model, dimensions: options.shortenedDimension)
    var attempts = 0
    while true {
      do {
        attempts += 1
        return try await vectors(of: body, count: batch.count, dimension: call.dimension)
      } catch let failure as EndpointFailure {
        let asked: Duration?
        switch failure.remedy {
        case .fewerTexts: throw failure
        case .none: throw failure.error(afterAttempts: attempts)
        case .connection where !hasAnswered.load(ordering: .relaxed): throw failure.error(afterAttempts: attempts)
        case .connection: asked = nil
        case .pause(let duration): asked = duration
        }
        let pause = pauses.pause(afterAttempt: attempts, asked: asked, options)
        guard attempts <= options.retries, .now + pause < call.deadline else { throw failure.error(afterAttempts: attempts) }
        call.lastFailure.withLock { $0 = failure.error }
        try await pauses.wait(pause)
      }
    }
  }

  /// Sends a body once, and follows redirects.
  private func vectors(of body: [UInt8], count: Int, dimension: Int?) async throws -> [[Float]] {
    var target = endpoint
    for _ in 0...Self.maximumRedirects {
      let answer = try await send(body, to: target)
      switch answer.status {
      case 200..<300: return try vectors(in: answer, of: target, count: count, dimension: dimension)
      // Sent again by POST, also for 301 and 302: no other method makes sense there.
      case 301, 302, 307, 308: target = try target.redirected(to: answer.headers["location"], status: answer.status)
      default: throw failure(of: answer, at: target)
      }
    }
    throw EndpointFailure(endpoint, "it redirects more than \(Self.maximumRedirects) times")
  }

  private func send(_ body: [UInt8], to target: Endpoint) async throws -> HTTPAnswer {
    var headers = headers
    headers["Content-Type"] = "application/json"
    headers["Accept"] = "application/json"
    headers["User-Agent"] = "engram"
    if let key { headers["Authorization"] = "Bearer \(key)" }
    let request = HTTPRequest(url: target.url, headers: headers, body: body)
    do {
      let answer = try await transport.send(request, maximumBytes: options.maximumResponseBytes, timeout: options.requestTimeout)
      hasAnswered.store(true, ordering: .relaxed)
      return answer
    } catch let error as TransportError {
      switch error {
      case .timedOut: throw EndpointFailure(target, "it did not answer within \(options.requestTimeout)", remedy: .pause(nil))
      case .tooLarge: throw EndpointFailure(target, "its answer has more than \(options.maximumResponseBytes) bytes")
      case .lost(let why):
        throw EndpointFailure(target, "the connection ended \(ServerMessage.excerpt(ofText: why, without: secrets))", remedy: .pause(nil))
      case .unreachable(let why):
        throw EndpointFailure(target, "it cannot be reached (\(ServerMessage.excerpt(ofText: why, without: secrets)))", remedy: .connection)
      case .unavailable(let why): throw EndpointFailure(target, why)
      }
    }
  }

  private func vectors(in answer: HTTPAnswer, of target: Endpoint, count: Int, dimension: Int?) throws(EndpointFailure) -> [[Float]] {
    do {
      return try EmbeddingsBody.vectors(answer.body, count: count, dimension: dimension)
    } catch let fault as EmbeddingsBody.Fault {
      let said = fault.code == .embedderFailed ? saying(answer) : ""
      throw EndpointFailure(target, code: fault.code, "\(fault.message) (status \(answer.status))\(said)")
    } catch {
      throw EndpointFailure(target, "its answer (status \(answer.status)) is not the JSON that it should be: \(error)\(saying(answer))")
    }
  }

  private func failure(of answer: HTTPAnswer, at target: Endpoint) -> EndpointFailure {
    let status = "status \(answer.status)\(saying(answer))"
    switch answer.status {
    case 401, 403:
      return EndpointFailure(target, "\(status); \(options.key.advice(wasSent: key != nil, to: target))")
    case 413: return EndpointFailure(target, status, remedy: .fewerTexts)
    case 408, 429, 500...:
      let asked = RetryAfter.pause(answer.headers["retry-after"], milliseconds: answer.headers["retry-after-ms"], now: pauses.now())
      return EndpointFailure(target, status, remedy: .pause(asked))
    default: return EndpointFailure(target, status)
    }
  }

  private func saying(_ answer: HTTPAnswer) -> String {
    let message = ServerMessage.excerpt(answer.body, without: secrets)
    return message.isEmpty ? "" : ": '\(message)'"
  }

  private var secrets: [String] { ([key].compactMap { $0 } + headers.values).filter { !$0.isEmpty } }
}
