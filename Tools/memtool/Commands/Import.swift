import ArgumentParser
import Engram
import Foundation

struct Import: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Read contexts and memories from JSON Lines: all of them or nothing.",
    discussion: """
      One JSON object a line, UTF-8, at most 64 MiB each, as `memtool export` writes them. Of a memory only type, userID and \
      text are required. A memory \
      without the key 'embedding' is embedded by the store's embedder, if it has one; "embedding":null leaves it without. \
      Unknown keys are ignored and counted.

      All lines are checked before anything is written, and what is wrong is named by file and line. The rest happens in one \
      transaction.

      EXAMPLES
        memtool import bot.memory conversations.jsonl
        zcat big.jsonl.gz | memtool import bot.memory - --on-conflict skip
        memtool import bot.memory conversations.jsonl --dry-run
      """)

  @OptionGroup var store: StoreArgument

  @Argument(help: ArgumentHelp("The files, in order; - is standard input.", valueName: "file"), completion: .file())
  var files: [String]

  @Option(
    help: ArgumentHelp(
      "What to do with a memory whose id or dedupe key, or a context whose user and type, are there already.",
      valueName: "fail|skip|replace"))
  var onConflict: ImportPolicy = .fail

  @Flag(help: "Check and count, and change nothing.")
  var dryRun = false

  @Flag(help: "Show no progress.")
  var quiet = false

  @OptionGroup var output: OutputOptions

  func validate() throws {
    if files.count(where: { $0 == "-" }) > 1 { throw ValidationError("Standard input (-) can be read once only.") }
  }

  func run() async throws {
    let bar = ProgressBar(isQuiet: quiet || output.json)
    let summary = try await store.open(dryRun ? .readOnly : .readWrite) { store in
      let sources = try files.map(Self.source)
      defer { bar.finish() }
      return try await store.importLines(
        from: sources, onConflict: onConflict, embedder: store.pinnedEmbedder, isDryRun: dryRun, progress: { bar.update($0) })
    }
    if summary.unknownKeyCount > 0 {
      let names = summary.unknownKeys.map { "'\($0)'" }.joined(separator: ", ")
      let times = Amounts.count(summary.unknownKeyCount, "time")
      Diagnostics.write("memtool: unknown keys were ignored \(times): " + TerminalText.escaped(names))
    }
    try report(summary)
  }

  private func report(_ summary: ImportSummary) throws {
    if output.json {
      try Output.json { json in
        json.beginObject()
        json.key("memories")
        json.write(summary.memories)
        json.key("contexts")
        json.write(summary.contexts)
        json.key("skipped")
        json.write(summary.skipped)
        json.key("replaced")
        json.write(summary.replaced)
        json.endObject()
      }
    } else {
      let verb = dryRun ? "would import" : "imported"
      let counts = "\(Amounts.count(summary.memories, "memory", "memories")) and \(Amounts.count(summary.contexts, "context"))"
      try Output.line(
        "\(verb) \(counts), \(dryRun ? "skip" : "skipped") \(summary.skipped), \(dryRun ? "replace" : "replaced") \(summary.replaced)")
    }
  }

  /// A regular file is read in place; everything else goes through a temporary file, because it is read twice.
  private static func source(_ path: String) throws -> ImportSource {
    if path == "-" { return try spooled("standard input", FileHandle.standardInput) }
    if let source = try ImportSource(path: path) { return source }
    guard let handle = FileHandle(forReadingAtPath: path) else { throw StoreError(.inputOutput, "\(path) cannot be read") }
    return try spooled(path, handle)
  }

  private static func spooled(_ name: String, _ handle: FileHandle) throws -> ImportSource {
    try ImportSource(name: name, temporaryDirectory: FileManager.default.temporaryDirectory.path) {
      guard let data = try handle.read(upToCount: 1 << 20), !data.isEmpty else { return nil }
      return Array(data)
    }
  }
}
