import ArgumentParser
import Engram
import Formats

struct Reembed: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Move a store to another embedder: embed all memories anew.",
    discussion: """
      Builds the next generation of files with the vectors of the embedder while everybody goes on reading and writing, then switches to \
      it. What is written meanwhile is embedded before the switch. Programs that have the store open with its former embedder are refused \
      by name from then on when they search or add by text.

      A call that was broken off, even by a kill, has changed nothing; the vectors that it made are kept in the store's directory, and the next \
      call with the same embedder goes on from there. Needs room for the vectors twice and for a second copy of the rest.

      EXAMPLES
        memtool reembed bot.memory --embedder hashing --dimension 512
      """)

  @OptionGroup var store: StoreArgument

  @Option(
    help: ArgumentHelp("The embedder that the store moves to. \(Embedders.summaries).", valueName: Embedders.forms),
    transform: EmbedderArgument.init(parsing:))
  var embedder: EmbedderArgument?

  @OptionGroup var command: EmbedCommandOption

  @Option(help: ArgumentHelp("Components of an embedding, 1 to 65536. By default those of the embedder.", valueName: "n"))
  var dimension: Int?

  @Flag(help: "Show no progress.")
  var quiet = false

  @OptionGroup var output: OutputOptions

  func validate() throws {
    if try command.embedder(or: embedder) == nil { throw ValidationError("Say which embedder: --embedder or --embed-command.") }
    guard let dimension, !(1...65_536).contains(dimension) else { return }
    throw ValidationError("The dimension is \(dimension), it must lie in 1…65536.")
  }

  func run() async throws {
    let named = try command.embedder(or: embedder) ?? .none
    guard let made = try await named.embedder(dimension: dimension) else {
      throw ValidationError("The embedder '\(named)' makes no embeddings.")
    }
    Interruption.leavesTime()
    let bar = ProgressBar(isQuiet: quiet || output.json)
    let report = try await store.open(.readWrite) { store in
      defer { bar.finish() }
      return try await store.reembed(with: made, progress: bar.update)
    }
    try output.json ? printJSON(report) : printLine(report)
    if !report.holders.isEmpty {
      Diagnostics.write(
        "the old files stay until these processes let go of them: \(report.holders.map(String.init).joined(separator: ", "))")
    }
  }

  private func printLine(_ report: ReembeddingReport) throws {
    guard report.isChanged else {
      return try Output.line(TerminalText.escaped("nothing to do: the store's embedder is \(report.embedder)"))
    }
    try Output.line(
      TerminalText.escaped(
        "\(Amounts.count(report.memories, "memory", "memories")): \(report.embedded) embedded, \(report.reused) by an earlier attempt; "
          + "the store's embedder is \(report.embedder), generation \(report.generation), "
          + "writers paused \(Amounts.milliseconds(report.writerPause)) ms of \(Amounts.milliseconds(report.duration)) ms"))
  }

  private func printJSON(_ report: ReembeddingReport) throws {
    try Output.json { json in
      json.beginObject()
      json.key("isChanged")
      json.write(report.isChanged)
      json.key("embedder")
      json.write(report.embedder)
      json.key("generation")
      json.write(report.generation)
      for (name, value) in [("memories", report.memories), ("embedded", report.embedded), ("reused", report.reused)] {
        json.key(text: name)
        json.write(value)
      }
      json.writeRebuild(pause: report.writerPause, duration: report.duration, holders: report.holders)
      json.endObject()
    }
  }
}
