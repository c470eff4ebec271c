import ArgumentParser
import Engram
import Formats
import Foundation

struct Eval: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Measure how well searches find what answers questions.",
    discussion: """
      Reads conversations with questions, and the turns that answer them, in the format of LoCoMo or of LongMemEval; stores them in a \
      temporary store, a user for each conversation; and searches for every question in its conversation, in every mode: by embeddings \
      alone, by words alone, and by both. recall@k is the share of the evidence among the first k results, hit@k whether any of it is \
      there, MRR@10 one divided by the place of the first, nDCG@10 what the places of all are worth against the best ones: \
      means over the questions of a category. Questions without evidence in their conversation are left out and counted.

      With --json there is an object for each mode and category, of which one is called all.

      EXAMPLES
        memtool eval locomo.json
        memtool eval locomo.json --embedder none
        memtool eval locomo.json --json --svg recall.svg
      """)

  @Argument(help: "The file with conversations and questions.", transform: { URL(fileURLWithPath: $0) })
  var file: URL

  @Option(
    help: ArgumentHelp("What makes embeddings, by default hashing: \(Embedders.summaries).", valueName: Embedders.forms),
    transform: EmbedderArgument.init(parsing:))
  var embedder: EmbedderArgument?

  @OptionGroup var command: EmbedCommandOption

  @Option(
    help: ArgumentHelp("Also draw the recall of every category as an SVG.", valueName: "file"), transform: { URL(fileURLWithPath: $0) })
  var svg: URL?

  @Flag(help: "Show no progress.")
  var quiet = false

  @OptionGroup var output: OutputOptions

  func validate() throws { _ = try command.embedder(or: embedder) }

  func run() async throws {
    let set = try EvalSet(file: file)
    let embedder = try await (command.embedder(or: embedder) ?? .hashing).embedder(dimension: nil)
    let directory = FileManager.default.temporaryDirectory.appendingPathComponent("memtool-eval-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: false)
    defer { try? FileManager.default.removeItem(at: directory) }
    let store = try await MemoryStore.open(
      at: directory.appendingPathComponent("store"),
      options: StoreOptions(durability: .eventual(maxDelay: .seconds(1)), embedder: embedder))
    let name = store.identity.embedder?.name ?? "none"
    let table: EvalTable
    do {
      table = try await measure(set, in: store)
    } catch {
      try? await store.close()
      throw error
    }
    try await store.close()
    if set.leftOut > 0 {
      Diagnostics.write(
        "\(Amounts.count(set.leftOut, "question names", "questions name")) no turn of \(set.leftOut == 1 ? "its" : "their") conversation and \(set.leftOut == 1 ? "is" : "are") left out"
      )
    }
    if let svg {
      do {
        try Data(EvalPlot(table: table).svg.utf8).write(to: svg, options: .atomic)
      } catch {
        throw StoreError(.inputOutput, "\(svg.path) cannot be written: \(Failure.message(of: error))")
      }
    }
    try print(table, set, embedder: name)
  }

  private func measure(_ set: EvalSet, in store: MemoryStore) async throws -> EvalTable {
    let modes: [SearchMode] = store.identity.embedder == nil ? [.lexical] : [.dense, .lexical, .hybrid]
    var table = EvalTable()
    let bar = ProgressBar(isQuiet: quiet || output.json)
    defer { bar.finish() }
    var done = 0
    for (number, conversation) in set.conversations.enumerated() {
      let user = "\(number) \(conversation.name)"
      let added = try await store.add(
        conversation.turns.map { turn in
          MemoryDraft(
            userID: user, text: turn.text, sessionID: turn.session, speaker: turn.speaker, createdAt: turn.date, caption: turn.caption)
        })
      let turns = Dictionary(uniqueKeysWithValues: zip(added.map(\.id), conversation.turns.map(\.id)))
      for question in conversation.questions {
        try Task.checkCancellation()
        for mode in modes {
          let hits = try await store.search(question.text, scope: .user(user), mode: mode, limit: EvalMeasures.depth)
          table.add(
            mode: mode.rawValue, category: question.category, found: hits.compactMap { turns[$0.memory.id] }, evidence: question.evidence)
        }
        done += 1
        bar.update(OperationProgress(phase: .searching, done: done, total: set.questionCount, count: done))
      }
    }
    return table
  }

  private func print(_ table: EvalTable, _ set: EvalSet, embedder: String) throws {
    if output.json {
      for mode in table.modes {
        for category in table.categories(of: mode) {
          try Output.json { writer in
            let measures = table[mode, category]
            writer.beginObject()
            writer.key("mode")
            writer.write(mode)
            writer.key("category")
            writer.write(category)
            writer.key("questions")
            writer.write(measures.questions)
            for (name, mean) in zip(EvalMeasures.names, measures.means) {
              writer.key(text: name)
              writer.write(mean)
            }
            writer.endObject()
          }
        }
      }
      return
    }
    try Output.line(
      "\(Amounts.count(set.conversations.count, "conversation")), \(Amounts.count(set.turnCount, "turn")), "
        + "\(Amounts.count(set.questionCount, "question")); embedder \(embedder)")
    try Output.line("")
    var shown = Table(["mode", "category", "questions"] + EvalMeasures.names, numbers: Set(["questions"] + EvalMeasures.names))
    for mode in table.modes {
      for category in table.categories(of: mode) {
        let measures = table[mode, category]
        shown.add([mode, category, "\(measures.questions)"] + measures.means.map { String(format: "%.4f", $0) })
      }
    }
    try shown.print()
  }
}
