import Engram
import Formats
import Foundation
import Logging

extension Tool {
  static let search = Tool(
    name: "memory_search",
    note: "Find what is remembered, by words and meaning; best first. Search before you say that something is not known.",
    arguments: [
      Field(
        "query", .text(bytes: 1...8192), "in plain words", required: true,
        not: ["q", "text", "search", "question", "searchquery", "prompt", "keywords", "topic"]),
      Field("limit", .integer(1...50, standard: 8), not: ["topk", "k", "n", "count", "maxresults", "numresults", "size"]),
      Field("max_tokens", .integer(50...20_000, standard: 1500), not: ["tokens", "budget", "tokenbudget"]),
      Field("kind", .text(bytes: 1...1024), "such as fact", not: ["type", "category", "memorytype"]),
      Field("session", .text(bytes: 1...1024), not: ["sessionid", "conversation", "conversationid", "thread", "threadid"]),
      Field("tags", .list(of: .text(bytes: 1...128), count: 0...32), "all of these", not: ["tag", "labels", "keywords"]),
      Field("trust", .choice(Trust.allCases.map(\.rawValue)), "at least", not: ["confidence", "mintrust", "certainty"]),
      Field("since", .time, "created then or later", not: ["after", "from", "start", "startdate"]),
      Field("until", .time, "created before", not: ["before", "to", "end", "enddate"]),
      Field("min_score", .number(0...10), not: ["threshold", "minscore", "scorethreshold"]),
      Field("explain", .boolean(), "say why each was found", not: ["why", "verbose", "debug"]),
    ],
    result: [
      Field(
        "memories",
        .list(
          of: .object(
            MemoryFields.all + [Field("score", .number(-.infinity ... .infinity), required: true), Field("why", .anyText)]),
          count: 0...50), required: true),
      Field("total_in_scope", .integer(0...Int.max), required: true),
      Field("returned", .integer(0...50), required: true),
      Field("truncated", .boolean(), "more were found", required: true),
      Field("tokens_estimated", .integer(0...Int.max), required: true),
      Field("words_only", .boolean()),
    ],
    hints: .reading
  ) { arguments, call in
    let limit = arguments.integer("limit") ?? 8
    // One more than wanted shows whether there are others.
    let found = try await call.service.search(
      arguments.text("query") ?? "", of: call.user, limit: limit + 1, minimumScore: arguments.number("min_score").map { Float($0) },
      filter: try filter(arguments), explains: arguments.flag("explain"))
    let hasMore = found.results.count > limit
    var budget = TokenBudget(arguments.integer("max_tokens") ?? 1500)
    for result in found.results.prefix(limit) {
      budget.add(result.memory) { text in
        var writer = JSONWriter()
        writer.beginObject()
        MemoryFields.write(result.memory, cutTo: text, to: &writer)
        writer.key("score")
        writer.write(rounded: result.score)
        if let why = result.explanation?.parts.map(why) {
          writer.key("why")
          writer.write(why)
        }
        writer.endObject()
        return writer.string
      }
    }
    let total = try call.store.count(scope: .user(call.user))
    return .object { writer in
      writer.key("memories")
      writer.write(elements: budget.elements)
      if found.comparesWordsOnly {
        writer.key("words_only")
        writer.write(true)
      }
      writer.key("total_in_scope")
      writer.write(total)
      writer.key("returned")
      writer.write(budget.elements.count)
      writer.key("truncated")
      writer.write(hasMore || budget.omitted > 0)
      writer.key("tokens_estimated")
      writer.write(budget.used)
    }
  }

  /// The conditions that a call names; nil: none.
  static func filter(_ arguments: Arguments) throws(ToolFailure) -> Filter? {
    var filters: [Filter] = []
    if let kind = arguments.text("kind") { filters.append(.kind(kind)) }
    if let session = arguments.text("session") { filters.append(.session(session)) }
    for tag in arguments.texts("tags") { filters.append(.tag(tag)) }
    if let trust = arguments.text("trust").flatMap({ Trust(rawValue: $0) }) { filters.append(.trust(atLeast: trust)) }
    let (since, until) = (arguments.time("since"), arguments.time("until"))
    if let since, let until, until <= since { throw ToolFailure("`until` must be later than `since`: nothing can be between them.") }
    if since != nil || until != nil { filters.append(.created(from: since, to: until)) }
    return filters.isEmpty ? nil : filters.count == 1 ? filters[0] : .and(filters)
  }

  /// The parts of a score that are not zero, the largest first.
  private static func why(_ parts: SearchResult.Explanation.Parts) -> String {
    let named: [(String, Float)] = [
      ("words", parts.words), ("meaning", parts.dense), ("words of its session", parts.session),
      ("meaning of its session", parts.sessionDense), ("author named", parts.author), ("is a question", parts.question),
      ("recent", parts.recency), ("important", parts.importance),
    ]
    return named.filter { abs($0.1) >= 0.005 }.sorted { abs($0.1) > abs($1.1) }
      .map { "\($0.0) \(Score.text($0.1))" }.joined(separator: ", ")
  }
}

extension Service {
  /// Searches a user's memories by words and by meaning; by words alone if the embedder fails.
  ///
  /// - Returns: The results, and whether words alone were compared.
  /// - Throws: ``StoreError``; `CancellationError`.
  func search(
    _ text: String, of user: String, limit: Int, minimumScore: Float? = nil, filter: Filter? = nil, explains: Bool = false
  ) async throws -> (results: [SearchResult], comparesWordsOnly: Bool) {
    func found(_ mode: SearchMode) async throws -> [SearchResult] {
      try await store.search(
        text, scope: .user(user), mode: mode, limit: limit, minimumFusedScore: minimumScore, filter: filter, includesExplanation: explains)
    }
    do {
      return (try await found(.hybrid), store.identity.embedder == nil)
    } catch {
      guard Self.isOfEmbedder(error) else { throw error }
      try Task.checkCancellation()
      options.logger.warning("the embedder failed: a search compared words only", metadata: ["error": "\(error)"])
      return (try await found(.lexical), true)
    }
  }

  /// Whether the embedder failed, or made a vector that the store cannot use. An embedder may throw any error.
  private static func isOfEmbedder(_ error: any Error) -> Bool {
    guard let error = error as? StoreError else { return !(error is CancellationError) }
    let codes: [StoreError.Code] = [
      .embedderRequired, .embedderFailed, .embedderMismatch, .dimensionMismatch, .notFinite, .zeroNorm, .normTooLarge,
    ]
    return codes.contains(error.code)
  }
}

/// Scores as a model reads them.
enum Score {
  /// Three decimals, or fewer.
  static func text(_ score: Float) -> String {
    let thousandths = Int((Double(score) * 1000).rounded())
    let (whole, rest) = thousandths.magnitude.quotientAndRemainder(dividingBy: 1000)
    let digits = "\(rest)"
    let decimals = String(repeating: "0", count: 3 - digits.count) + digits
    return (thousandths < 0 ? "-" : "") + "\(whole).\(decimals)"
  }
}

extension JSONWriter {
  /// Writes a score with three decimals: more would only cost tokens.
  mutating func write(rounded score: Float) { write(json: Score.text(score)) }

  /// Writes an array of values that are JSON already.
  mutating func write(elements: [String]) {
    beginArray()
    for element in elements { write(json: element) }
    endArray()
  }
}
