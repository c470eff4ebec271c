import Engram
import Formats

/// Why a request gave no vectors, and whether it may be sent again.
struct EndpointFailure: Error {
  enum Remedy: Equatable {
    /// The same request would fail again.
    case none
    /// Send it again after a pause, of at least this time if the server named one.
    case pause(Duration?)
    /// No server listens at the address, or its certificate is not trusted. Send it again only if the endpoint has answered before: a
    /// wrong address never will.
    case connection
    /// Send fewer texts at once.
    case fewerTexts
  }

  let error: StoreError
  let remedy: Remedy

  init(_ endpoint: Endpoint, code: StoreError.Code = .embedderFailed, _ message: String, remedy: Remedy = .none) {
    error = StoreError(code, "the embedder at \(endpoint) failed: \(message)")
    self.remedy = remedy
  }

  /// The error that the user of the library gets.
  func error(afterAttempts attempts: Int) -> StoreError {
    attempts == 1 ? error : StoreError(error.code, "\(error.message) (\(attempts) attempts)")
  }
}

/// The message of a server about its failure, short enough for an error of our own.
enum ServerMessage {
  private static let limit = 200

  /// - Parameter secrets: Texts that are replaced, because a server may send them back.
  static func excerpt(_ body: [UInt8], without secrets: [String]) -> String {
    // The rest of a longer body is no message.
    let start = Array(body.prefix(64 << 10))
    return excerpt(ofText: text(inJSON: start) ?? String(decoding: start, as: UTF8.self), without: secrets)
  }

  static func excerpt(ofText text: String, without secrets: [String]) -> String {
    var text = text
    for secret in secrets { text = text.replacing(secret, with: "…") }
    let words = text.split(whereSeparator: \.isWhitespace).joined(separator: " ")
    return TerminalText.excerpt(words, limit: limit)
  }

  /// `{"error":{"message":"…"}}`, `{"error":"…"}`, `{"message":"…"}` or `{"detail":"…"}`.
  private static func text(inJSON body: [UInt8]) -> String? {
    try? JSONReader.read(body) { reader in
      var found: String?
      try reader.beginObject()
      while let key = try reader.nextKey() {
        switch (key, try reader.peek()) {
        case ("error", .string), ("message", .string), ("detail", .string): found = try reader.readString()
        case ("error", .object):
          try reader.beginObject()
          while let key = try reader.nextKey() {
            if key.equals("message"), try reader.peek() == .string { found = try reader.readString() } else { try reader.skipValue() }
          }
        default: try reader.skipValue()
        }
      }
      return found
    }
  }
}
