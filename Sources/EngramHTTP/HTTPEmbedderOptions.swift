import Engram

/// How an ``HTTPEmbedder`` communicates with its endpoint.
public struct HTTPEmbedderOptions: Sendable, Equatable {
  /// Sent as `Authorization: Bearer …`.
  public var key = HTTPSecret.standard

  /// Further headers, such as `api-key` for a gateway that expects another one than `Authorization`.
  public var headers: [String: HTTPSecret] = [:]

  /// Put before each text that is searched for, such as `query: ` for E5. Part of the identity.
  public var queryPrefix = ""

  /// Put before each text that is stored, such as `passage: ` for E5. Part of the identity.
  public var passagePrefix = ""

  /// Asks the server for vectors of so many components (`dimensions`), which only some models can shorten. Nil: the model's own.
  public var shortenedDimension: Int?

  /// Part of the identity. Change it if the server has other weights under the same name of a model: a store that is pinned to the old ones
  /// then refuses the new ones.
  public var revision = "1"

  /// The most texts of one request. A server that refuses a request as too large (413) gets halves of it.
  public var maximumTexts = 64

  /// The most UTF-8 bytes of the texts of one request. A longer text has a request of its own.
  public var maximumRequestBytes = 512 * 1024

  /// The most bytes of an answer.
  public var maximumResponseBytes = 64 << 20

  /// The most requests at once, of all tasks that use the embedder. A request that waits for its next attempt counts.
  public var concurrentRequests = 4

  /// The longest time from the sending of a request to the end of its answer.
  public var requestTimeout = Duration.seconds(60)

  /// The longest time of one call, with all of its requests and pauses.
  public var timeout = Duration.seconds(600)

  /// How often a request is sent again after a connection that broke, a timeout, or a status of 408, 429 or 500 and above.
  public var retries = 4

  /// The pause before the first retry; each further one is twice as long. The time waited is random, between half of it and all of it.
  public var firstPause = Duration.milliseconds(500)

  /// The longest pause, also if the server asks for a longer one by `Retry-After`.
  public var longestPause = Duration.seconds(60)

  public init() {}

  /// - Throws: ``StoreError`` `.invalidArgument` for a number or time outside its range.
  func check() throws(StoreError) {
    func check(_ name: String, _ isInRange: Bool, _ range: String) throws(StoreError) {
      guard isInRange else { throw StoreError(.invalidArgument, "\(name) of an HTTP embedder must be \(range)") }
    }
    try check("maximumTexts", maximumTexts >= 1, "at least 1")
    try check("maximumRequestBytes", maximumRequestBytes >= 1, "at least 1")
    try check("maximumResponseBytes", maximumResponseBytes >= 1, "at least 1")
    try check("concurrentRequests", (1...1024).contains(concurrentRequests), "1 to 1024")
    try check("requestTimeout", requestTimeout > .zero, "above zero")
    try check("timeout", timeout > .zero, "above zero")
    try check("retries", (0...100).contains(retries), "0 to 100")
    try check("firstPause", firstPause >= .zero, "zero or more")
    try check("longestPause", longestPause >= .zero, "zero or more")
    if let shortenedDimension { try check("shortenedDimension", (1...65_536).contains(shortenedDimension), "1 to 65536") }
    for name in headers.keys {
      let isToken = !name.isEmpty && name.utf8.allSatisfy { "!#$%&'*+-.^_`|~".utf8.contains($0) || Self.isLetterOrDigit($0) }
      try check("the header '\(name)'", isToken, "named by letters, digits and hyphens")
    }
  }

  private static func isLetterOrDigit(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "0")...UInt8(ascii: "9"): true
    default: false
    }
  }
}
