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

      EXAMPLES
        memtool export bot.memory -o backup.jsonl
        memtool export bot.memory --user maya --since 2026-01-01 | jq .text
        memtool export bot.memory --contexts
        memtool export bot.memory --format npy -o embeddings.npy
      """)

  enum Format: String, ExpressibleByArgument, CaseIterable {
    case jsonl, csv, npy
  }

  @OptionGroup var store: StoreArgument
  @OptionGroup var reading: ReadingOptions

  @Option(help: ArgumentHelp("Only this user.", valueName: "id"))
  var user: String?

  @Option(
    help: ArgumentHelp("Only memories created at this time or later (2026-01-02 or 2026-01-02T03:04:05Z).", valueName: "time"),
    transform: TimeArgument.init(parsing:))
  var since: TimeArgument?

  @Flag(help: "Only contexts.")
  var contexts = false

  @Option(help: ArgumentHelp("The format.", valueName: "jsonl|csv|npy"))
  var format: Format = .jsonl

  @Option(help: ArgumentHelp("How embeddings are written in JSON Lines.", valueName: "base64|array|none"))
  var vectors: Interchange.Vectors = .base64

  @Option(
    name: [.short, .customLong("output")], help: ArgumentHelp("The file to write; - is standard output, as by default.", valueName: "file"),
    completion: .file())
  var output: String?

  @Flag(help: "Say nothing when all went well.")
  var quiet = false

  @Flag(help: "Print what was written as a JSON object, where the data goes to a file.")
  var json = false

  private var outputFile: String? { output == "-" ? nil : output }

  func validate() throws {
    if format == .npy, outputFile == nil { throw ValidationError("--format npy writes two files: say where with --output <file>.") }
    if format != .jsonl, contexts { throw ValidationError("--contexts goes with --format jsonl only.") }
  }

  func run() async throws {
    let selection = ExportSelection(userID: user, since: since?.milliseconds, contextsOnly: contexts)
    let (format, vectors, outputFile) = (format, vectors, outputFile)
    if outputFile != nil { Interruption.leavesTime() }
    let summary = try await store.open(reading.access) { store in
      try await store.exporting { store, check in
        func write(into sink: ([UInt8]) throws -> Void) throws -> ExportSummary {
          if format == .csv { return try store.exportCSV(selection, check: check, into: sink) }
          return try store.exportLines(selection, vectors: vectors, check: check, into: sink)
        }
        guard let outputFile else { return try write { try Output.writeText($0) } }
        if format == .npy { return try Self.writeArray(store, selection, to: outputFile, check) }
        var file = try ExportFile(path: outputFile, of: store)
        let summary = try write { try file.append($0) }
        // From the name on it is an export.
        try check()
        try file.commit()
        return summary
      }
    }
    try report(summary)
  }

  private static func writeArray(
    _ store: MemoryStore, _ selection: ExportSelection, to path: String, _ check: @escaping @Sendable () throws -> Void
  ) throws -> ExportSummary {
    var rows = try ExportFile(path: path, of: store)
    var ids = try ExportFile(path: path + ".ids.txt", of: store)
    let summary = try store.exportArray(selection, check: check, rows: { try rows.append($0) }, ids: { try ids.append($0) })
    try check()
    try ids.commit()
    try rows.commit()
    return summary
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
