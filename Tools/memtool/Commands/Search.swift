import ArgumentParser
import Engram
import Formats
import Foundation

struct Search: AsyncParsableCommand, TakesDefaultUser {
  static let configuration = CommandConfiguration(
    abstract: "Find the memories that a text or a vector is about.",
    discussion: """
      A text is looked for by its words and by the vector that the store's embedder makes of it, together: --mode chooses one of the two, \
      and a store without an embedder goes by words. \
      Conditions are applied before the best are chosen, so as many results come back as match. \
      A higher score is better; equal scores come in the order of ids.

      \(TimeArgument.help)

      EXAMPLES
        memtool search bot.memory 'which tea does she drink?' --user maya
        memtool search bot.memory 'green tea' --user maya --mode lexical --explain
        memtool search bot.memory 'where does she live?' --user maya \\
          --half-life 30 --neighbors 1 --max-tokens 500
        memtool search bot.memory --vector query.json --all --limit 3 --json
        memtool search bot.memory --vector query.json --all --fast --explain
        memtool search bot.memory tea --user maya --kind fact \\
          --since 2026-01-01 --metadata topic=food
        memtool search bot.memory 'green tea' --user maya --as-of 2025-12-31
      """)

  @OptionGroup var store: StoreArgument
  @OptionGroup var reading: ReadingOptions

  @Argument(help: "The text to search for.")
  var text: String?

  @Option(help: ArgumentHelp("The vector to search for: a JSON array, or a file that holds one.", valueName: "file|json"))
  var vector: VectorArgument?

  @OptionGroup var scope: ScopeOptions

  @Option(help: ArgumentHelp("The most results.", valueName: "k"))
  var limit = 10

  @Option(help: "What a text is compared by; hybrid if not given.")
  var mode: SearchMode?

  @Option(help: ArgumentHelp("Leave out what is less similar to the vector than this, or has no embedding.", valueName: "score"))
  var threshold: Float?

  @Option(help: ArgumentHelp("Leave out results below this score.", valueName: "score"))
  var minScore: Float?

  @Option(help: ArgumentHelp("Show this many memories before and after each result, by time.", valueName: "n"))
  var neighbors = 0

  @Option(
    help: ArgumentHelp(
      "Search what was there at this time: what was created by then, and replaced later or not at all. Deleted memories are not found.",
      valueName: "time"), transform: TimeArgument.past)
  var asOf: TimeArgument?

  @Option(help: ArgumentHelp("Prefer what is new: what its age adds to a score halves in this many days.", valueName: "days"))
  var halfLife: Double?

  @Option(help: ArgumentHelp("Prefer what is important: importance 1 adds this much to a score.", valueName: "weight"))
  var importanceWeight = 0.0

  @Option(help: ArgumentHelp("Leave out what does not fit into about this many tokens; at least one result is shown.", valueName: "tokens"))
  var maxTokens: Int?

  @OptionGroup(title: "Conditions") var filters: FilterOptions

  @Flag(help: "Say how each score came about, and what the search compared.")
  var explain = false

  @Option(
    help: ArgumentHelp(
      "Compare this first: floats, codes or coarse-codes; by default what costs least. The results are the same, unless --fast is given.",
      valueName: "tier"))
  var tier: SearchTier?

  @Flag(help: ArgumentHelp("Search a large scope for less time: a result may be missing. Default recall: 0.99."))
  var fast = false

  @Option(help: ArgumentHelp("The share of the results that --fast is expected to find, 0.5 to 1; implies --fast.", valueName: "share"))
  var recall: Double?

  @OptionGroup var output: OutputOptions

  func validate() throws {
    if (text == nil) == (vector == nil) { throw ValidationError("Say what to search for: either a text or --vector <file|json>.") }
    if scope.scope == nil { throw ScopeOptions.missing }
    if limit < 1 { throw ValidationError("The limit is \(limit), it must be at least 1.") }
    if let threshold, threshold.isNaN { throw ValidationError("The threshold must be a number.") }
    if let minScore, minScore.isNaN { throw ValidationError("The least score must be a number.") }
    if !(0...64 ~= neighbors) { throw ValidationError("The neighbors are \(neighbors), they must be 0 to 64.") }
    if let halfLife, !(0.000_01...1_000_000 ~= halfLife) {
      throw ValidationError("The half-life is \(halfLife), it must be more than 0 and at most 1000000 days.")
    }
    if !(0...10 ~= importanceWeight) { throw ValidationError("The weight of importance is \(importanceWeight), it must be 0 to 10.") }
    if let maxTokens, maxTokens < 1 { throw ValidationError("The budget is \(maxTokens), it must be at least 1 token.") }
    if vector != nil, mode != nil || minScore != nil || ranking != TextRanking() {
      throw ValidationError("--mode, --min-score, --half-life and --importance-weight are for texts; a vector has its --threshold.")
    }
    if tier != nil, vector == nil { throw ValidationError("--tier is for a search by --vector.") }
    if vector == nil, fast || recall != nil { throw ValidationError("--fast and --recall are for a search by --vector.") }
    if let recall, !(0.5...1 ~= recall) { throw ValidationError("The recall is \(recall), it must be 0.5 to 1.") }
    if mode == .dense, ranking != TextRanking() {
      throw ValidationError("--half-life and --importance-weight are for searches by words: a dense one ranks by similarity alone.")
    }
  }

  func run() async throws {
    guard let scope = scope.scope else { throw ScopeOptions.missing }
    let results = try await store.open(reading.access, embeds: true) { store in
      let results = fitting(try await found(in: store, scope))
      if results.isEmpty, try !store.saysIfUnknown(self.scope.user) { Diagnostics.write("nothing found") }
      return results
    }
    if output.json {
      for result in results { try Output.json { $0.write(result) } }
    } else {
      try printTable(results)
    }
  }

  private var ranking: TextRanking {
    TextRanking(recency: halfLife.map { TextRanking.Recency(halfLife: .seconds($0 * 86_400)) }, importance: importanceWeight)
  }

  private func fitting(_ results: [SearchResult]) -> [SearchResult] {
    guard let maxTokens else { return results }
    let fitting = results.fitting(maxTokens: maxTokens)
    if !fitting.omitted.isEmpty {
      let omitted = Amounts.count(fitting.omitted.count, "result", "results")
      Diagnostics.write("memtool: \(omitted) left out: about \(fitting.tokens) of \(maxTokens) tokens are used")
    }
    return fitting.kept
  }

  private func found(in store: MemoryStore, _ scope: SearchScope) async throws -> [SearchResult] {
    if let vector {
      return try store.search(
        SearchQuery(
          embedding: try vector.embedding(), scope: scope, limit: limit, threshold: threshold, filter: filters.filter, neighbors: neighbors,
          asOf: asOf?.date, includesSuperseded: filters.superseded, includesExplanation: explain,
          tier: tier, precision: fast || recall != nil ? .fast(recall: recall ?? 0.99) : .exact))
    }
    if store.identity.embedder == nil, mode == .dense || threshold != nil {
      throw StoreError(.embedderRequired, "the store has no embedder, so a text has no vector: give one with --vector, or search by words")
    }
    return try await store.search(
      text ?? "", scope: scope, mode: mode ?? .hybrid, limit: limit, threshold: threshold, minimumFusedScore: minScore,
      filter: filters.filter, ranking: ranking, neighbors: neighbors,
      asOf: asOf?.date, includesSuperseded: filters.superseded, includesExplanation: explain)
  }

  private func printTable(_ results: [SearchResult]) throws {
    guard !results.isEmpty else { return }
    let hasParts = results.contains { $0.explanation?.parts != nil }
    let explained = !explain ? [] : hasParts ? Self.partNames : ["row", "coded", "scored", "in scope"]
    let origins = explain ? Self.origins(of: results.map(\.memory)) : []
    // On a terminal, a user that every line would repeat is left out: the text needs the room.
    let users = Terminal.outputIsTerminal && scope.user != nil ? [] : ["user"]
    var table = Table(
      ["score"] + users + ["created", "kind"] + origins.map(\.name) + explained + ["id", "text"],
      numbers: Set(["score", "row", "coded", "scored", "in scope"] + Self.partNames),
      giving: ["kind": 10, "created": nil, "user": 16, "trust": nil, "source": 16].merging(Self.partNames.map { ($0, nil) }) { first, _ in
        first
      })
    for result in results {
      let memory = result.memory
      let detail = result.explanation.map { explanation in
        explanation.parts.map(Self.cells) ?? [
          explanation.row.map(String.init) ?? "", "\(explanation.rowsCoded)", "\(explanation.rowsScored)", "\(explanation.rowsInScope)",
        ]
      }
      table.add(
        [String(format: "%.4f", result.score)] + users.map { _ in memory.userID } + [Times.shown(memory.createdAt), memory.kind ?? ""]
          + origins.map { $0.value(memory) ?? "" } + (detail ?? []) + [memory.id.shown, memory.text])
      for neighbor in result.neighbors {
        table.add(
          [""] + users.map { _ in neighbor.userID } + [Times.shown(neighbor.createdAt), neighbor.kind ?? ""]
            + (origins.map(\.name) + explained).map { _ in "" }
            + [neighbor.id.shown, "  " + neighbor.text])
      }
    }
    try table.print()
    if let explanation = results.first?.explanation { Diagnostics.write(Self.summary(explanation)) }
  }

  private struct Origin {
    let name: String
    let value: (Memory) -> String?
  }

  /// Where memories come from and how far they can be relied on: a column for each that one of them has.
  private static func origins(of memories: [Memory]) -> [Origin] {
    [Origin(name: "trust") { $0.trust?.rawValue }, Origin(name: "source", value: \.source)]
      .filter { origin in memories.contains { origin.value($0) != nil } }
  }

  /// What the search compared, for a person.
  private static func summary(_ found: SearchResult.Explanation) -> String {
    let compared =
      switch found.tier {
      case .floats: ""
      case .codes: "codes of \(found.rowsCoded) compared, "
      case .coarseCodes: "coarse codes of \(found.rowsCoded) compared\(found.isApproximate ? " by estimates" : ""), "
      }
    return
      "\(Amounts.count(found.rowsInScope, "embedding", "embeddings")) in scope: \(compared)\(found.rowsScored) scored, "
      + "\(Amounts.bytes(found.bytesRead)) read, \(found.microseconds) µs"
  }

  private static let partNames = [
    "words", "session", "author", "question", "dense", "session dense", "recency", "importance", "similarity",
  ]

  private static func cells(_ parts: SearchResult.Explanation.Parts) -> [String] {
    [
      parts.words, parts.session, parts.author, parts.question, parts.dense, parts.sessionDense, parts.recency, parts.importance,
      parts.similarity,
    ]
    .map { part in part.map { String(format: "%.3f", $0) } ?? "" }
  }
}

extension JSONWriter {
  mutating func write(_ parts: SearchResult.Explanation.Parts) {
    beginObject()
    key("words")
    write(parts.words)
    key("session")
    write(parts.session)
    key("author")
    write(parts.author)
    key("question")
    write(parts.question)
    key("dense")
    write(parts.dense)
    key("sessionDense")
    write(parts.sessionDense)
    key("recency")
    write(parts.recency)
    key("importance")
    write(parts.importance)
    key("similarity")
    if let similarity = parts.similarity { write(similarity) } else { writeNull() }
    endObject()
  }

  mutating func write(_ result: SearchResult) {
    beginObject()
    key("score")
    write(result.score)
    writeFields(of: result.memory)
    if !result.neighbors.isEmpty {
      key("neighbors")
      beginArray()
      for neighbor in result.neighbors {
        beginObject()
        writeFields(of: neighbor)
        endObject()
      }
      endArray()
    }
    if let explanation = result.explanation {
      key("explanation")
      beginObject()
      key("metric")
      write(explanation.metric.rawValue)
      key("row")
      if let row = explanation.row { write(row) } else { writeNull() }
      key("rowsScored")
      write(explanation.rowsScored)
      key("rowsCoded")
      write(explanation.rowsCoded)
      key("rowsInScope")
      write(explanation.rowsInScope)
      key("tier")
      write(explanation.tier.rawValue)
      key("isApproximate")
      write(explanation.isApproximate)
      key("bytesRead")
      write(explanation.bytesRead)
      key("microseconds")
      write(explanation.microseconds)
      key("batchSequence")
      write(explanation.batchSequence)
      if let parts = explanation.parts {
        key("parts")
        write(parts)
      }
      endObject()
    }
    endObject()
  }
}
