import ArgumentParser
import Engram
import Formats
import Foundation

struct Export: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Write contexts and memories of one instant as JSON Lines, CSV or a NumPy array.",
    discussion: """
      JSON Lines is what `memtool import` takes back without loss; earlier versions of contexts (their history) are not part \
      of it. Two stores with equal \
      content give equal files. CSV holds the memories without embeddings; npy holds the embeddings alone, one row a memory \
      in ascending order of ids, \
      and FILE.ids.txt beside it the id of each row.

      A file appears whole or not at all, and only its owner can read it; links, pipes and devices are not written to. What a terminal \
      could obey is escaped on one.

      \(TimeArgument.help)

      EXAMPLES
        memtool export bot.memory -o backup.jsonl
        memtool export bot.memory --user maya --since 2026-01-01 | jq .text
        memtool export bot.memory --contexts
        memtool export bot.memory --format npy -o embeddings.npy
      """)

  @OptionGroup var store: StoreArgument
  @OptionGroup var reading: ReadingOptions

  @Option(help: ArgumentHelp("Only this user.", valueName: "id"))
  var user: String?

  @Option(
    help: ArgumentHelp("Only memories created at this time or later, such as 2026-01-02 or 7d.", valueName: "time"),
    transform: TimeArgument.past)
  var since: TimeArgument?

  @Flag(help: "Only contexts.")
  var contexts = false

  @Option(help: ArgumentHelp("The format.", valueName: "jsonl|csv|npy"))
  var format: ExportOptions.Format = .jsonLines

  @Option(help: ArgumentHelp("How embeddings are written in JSON Lines.", valueName: "base64|array|none"))
  var vectors: Interchange.Vectors = .base64

  @Option(
    name: [.short, .customLong("output")], help: ArgumentHelp("The file to write; - is standard output, as by default.", valueName: "file"),
    completion: .file())
  var output: String?

  @Flag(help: "Show no progress, and say nothing when all went well.")
  var quiet = false

  @Flag(help: "Print what was written as a JSON object, where the data goes to a file.")
  var json = false

  private var outputFile: String? { output == "-" ? nil : output }

  func validate() throws {
    if format == .array, outputFile == nil { throw ValidationError("--format npy writes two files: say where with --output <file>.") }
    if format != .jsonLines, contexts { throw ValidationError("--contexts goes with --format jsonl only.") }
  }

  func run() async throws {
    let options = ExportOptions(format: format, userID: user, since: since?.date, contextsOnly: contexts, vectors: vectors)
    let bar = ProgressBar(isQuiet: quiet || json || Terminal.outputIsTerminal)
    if outputFile != nil { Interruption.leavesTime() }
    let summary = try await store.open(reading.access) { store in
      defer { bar.finish() }
      guard let outputFile else { return try await store.export(options: options, progress: bar.update) { try Output.writeText($0) } }
      return try await store.export(to: URL(fileURLWithPath: outputFile), options: options, progress: bar.update)
    }
    try report(summary)
  }

  private func report(_ summary: ExportSummary) throws {
    if json, outputFile != nil {
      try Output.json { json in
        json.beginObject()
        json.key("memories")
        json.write(summary.memories)
        json.key("contexts")
        json.write(summary.contexts)
        json.endObject()
      }
    } else if !quiet, !json {
      let counts = "\(Amounts.count(summary.memories, "memory", "memories")) and \(Amounts.count(summary.contexts, "context"))"
      Diagnostics.write("exported \(counts) (the history of contexts is not part of an export)")
    }
  }
}
