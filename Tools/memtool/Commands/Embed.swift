import ArgumentParser
import Engram
import Formats
import Synchronization

struct Embed: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Embed the memories that have no embedding.",
    discussion: """
      Such memories were kept although their embedding failed, were added without one on purpose, or were there before the store \
      had an embedder: searches find them by their words alone, and audit lists them. Each 256 of them are a commit; what is \
      committed stays, and the next call does the rest. The exit code is 1 if the embedder made a vector that cannot be stored.

      EXAMPLES
        memtool embed bot.memory --missing
        memtool embed bot.memory --missing --user maya --embedder hashing
      """)

  @OptionGroup var store: StoreArgument

  @Flag(help: "Those that have no embedding.")
  var missing = false

  @Option(
    help: ArgumentHelp(
      "What makes the embeddings. By default the embedder that the store is pinned to; a store that is pinned to none needs it, and is pinned "
        + "to it.", valueName: Embedders.forms), transform: EmbedderArgument.init(parsing:))
  var embedder: EmbedderArgument?

  @OptionGroup var command: EmbedCommandOption

  @Option(help: ArgumentHelp("Only the memories of this user.", valueName: "id"))
  var user: String?

  @Flag(help: "Show no progress.")
  var quiet = false

  @OptionGroup var output: OutputOptions

  func validate() throws {
    if !missing { throw ValidationError("Say which memories: --missing.") }
    _ = try command.embedder(or: embedder)
  }

  func run() async throws {
    let embedder = try command.embedder(or: embedder)
    let named = try await embedder?.embedder(dimension: nil)
    if let embedder, named == nil { throw ValidationError("The embedder '\(embedder)' makes no embeddings.") }
    let bar = ProgressBar(isQuiet: quiet || output.json)
    let done = Atomic(0)
    let report: EmbeddingReport
    do {
      report = try await store.open(.readWrite, embeds: true, embedder: named) { store in
        defer { bar.finish() }
        return try await store.embedMissing(scope: user.map(SearchScope.user) ?? .all) { step in
          if step.phase == .embedding {
            done.store(step.done, ordering: .relaxed)
            Interruption.hasWritten("memories that were embedded by then keep their embeddings")
          }
          bar.update(step)
        }
      }
    } catch let error as StoreError where error.code == .embedderRequired {
      throw Advised(error: error, advice: "--embedder names one")
    } catch {
      let count = done.load(ordering: .relaxed)
      if count > 0 { Diagnostics.write("memtool: \(Amounts.count(count, "memory was", "memories were")) done before, and stay so") }
      throw error
    }
    try print(report)
    if report.refused > 0 {
      let ids = report.firstRefused.map(\.description).joined(separator: ", ")
      throw StoreError(
        .embedderMismatch,
        "\(Amounts.count(report.refused, "memory", "memories")) got a vector that cannot be stored, and stay without an embedding: \(ids)")
    }
  }

  private func print(_ report: EmbeddingReport) throws {
    if output.json {
      try Output.json { json in
        json.beginObject()
        for (name, value) in [("embedded", report.embedded), ("skipped", report.skipped), ("refused", report.refused)] {
          json.key(text: name)
          json.write(value)
        }
        json.key("milliseconds")
        json.write(Amounts.milliseconds(report.duration))
        json.endObject()
      }
    } else {
      try Output.line(
        "\(Amounts.count(report.embedded, "memory", "memories")) embedded"
          + (report.skipped > 0 ? "; \(report.skipped) were changed by others meanwhile" : ""))
    }
  }
}
