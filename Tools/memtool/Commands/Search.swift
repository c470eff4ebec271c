import ArgumentParser
import Engram
import Formats
import Foundation

struct Search: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Find the memories most similar to a text or a vector.",
    discussion: """
      The text is turned into a vector by the store's embedder. Conditions are applied before the best are chosen, so as many \
      results come back as match. \
      A higher score is better; equal scores come in the order of ids.

      EXAMPLES
        memtool search bot.memory 'which tea does she drink?' --user maya
        memtool search bot.memory --vector query.json --all --limit 3 --json
        memtool search bot.memory tea --user maya --kind fact \\
          --since 2026-01-01 --metadata topic=food
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

  @Option(help: ArgumentHelp("Leave out results below this score.", valueName: "score"))
  var threshold: Float?

  @OptionGroup(title: "Conditions") var filters: FilterOptions

  @Flag(help: "Say how each score came about.")
  var explain = false

  @OptionGroup var output: OutputOptions

  func validate() throws {
    if (text == nil) == (vector == nil) { throw ValidationError("Say what to search for: either a text or --vector <file|json>.") }
    if scope.scope == nil { throw ScopeOptions.missing }
    if limit < 1 { throw ValidationError("The limit is \(limit), it must be at least 1.") }
    if let threshold, threshold.isNaN { throw ValidationError("The threshold must be a number.") }
  }

  func run() async throws {
    guard let scope = scope.scope else { throw ScopeOptions.missing }
    let results = try await store.open(reading.access, embeds: true) { store in
      let results = try await found(in: store, scope)
      if results.isEmpty, try !store.saysIfUnknown(self.scope.user) { Diagnostics.write("nothing found") }
      return results
    }
    if output.json {
      for result in results { try Output.json { $0.write(result) } }
    } else {
      try printTable(results)
    }
  }

  private func found(in store: MemoryStore, _ scope: SearchScope) async throws -> [SearchResult] {
    if let vector {
      return try store.search(
        SearchQuery(
          embedding: try vector.embedding(), scope: scope, limit: limit, threshold: threshold, filter: filters.filter,
          includesSuperseded: filters.superseded, includesExplanation: explain))
    }
    guard store.identity.embedder != nil else {
      throw StoreError(.embedderRequired, "the store has no embedder, so a text cannot be searched for: give a vector with --vector")
    }
    return try await store.search(
      text ?? "", scope: scope, limit: limit, threshold: threshold, filter: filters.filter, includesSuperseded: filters.superseded,
      includesExplanation: explain)
  }

  private func printTable(_ results: [SearchResult]) throws {
    guard !results.isEmpty else { return }
    let explained = explain ? ["row", "scored", "in scope"] : []
    // On a terminal what every line would repeat is left out: the text needs the room.
    let users = Terminal.outputIsTerminal && scope.user != nil ? [] : ["user"]
    var table = Table(
      ["score"] + users + ["created", "kind"] + explained + ["id", "text"], numbers: ["score", "row", "scored", "in scope"],
      giving: ["kind": 10, "created": nil, "user": 16])
    for result in results {
      let memory = result.memory
      let detail = result.explanation.map { ["\($0.row)", "\($0.rowsScored)", "\($0.rowsInScope)"] } ?? []
      table.add(
        [String(format: "%.4f", result.score)] + users.map { _ in memory.userID } + [Times.shown(memory.createdAt), memory.kind ?? ""]
          + detail + [memory.id.shown, memory.text])
    }
    try table.print()
  }
}

extension JSONWriter {
  mutating func write(_ result: SearchResult) {
    beginObject()
    key("score")
    write(result.score)
    writeFields(of: result.memory)
    if let explanation = result.explanation {
      key("explanation")
      beginObject()
      key("metric")
      write(explanation.metric.rawValue)
      key("row")
      write(explanation.row)
      key("rowsScored")
      write(explanation.rowsScored)
      key("rowsInScope")
      write(explanation.rowsInScope)
      key("batchSequence")
      write(explanation.batchSequence)
      endObject()
    }
    endObject()
  }
}
