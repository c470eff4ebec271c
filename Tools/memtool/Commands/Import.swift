import ArgumentParser
import Engram
import Formats
import Foundation
import Synchronization

struct Import: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Read contexts and memories from JSON Lines: all of them or nothing.",
    discussion: """
      One JSON object a line, UTF-8, at most 64 MiB each, as `memtool export` writes them. Of a memory only type, userID and \
      text are required. A memory \
      without the key 'embedding' is embedded by the store's embedder, if it has one; "embedding":null leaves it without. \
      Unknown keys are ignored and counted. A time is a text with a zone, such as 2026-01-02T03:04:05Z, a date, or a number: seconds since \
      1970 if it is below 100000000000, milliseconds otherwise.

      All lines are checked before anything is written, and the first 20 that are wrong are named by file and line. The rest happens in \
      one transaction. With --skip-invalid the lines that are right are imported, and the others counted.

      EXAMPLES
        memtool import bot.memory conversations.jsonl
        zcat big.jsonl.gz | memtool import bot.memory - --on-conflict skip
        memtool import bot.memory conversations.jsonl --dry-run
        memtool import bot.memory conversations.jsonl \\
          --skip-invalid --rejects left-out.jsonl
      """)

  @OptionGroup var store: StoreArgument

  @Argument(help: ArgumentHelp("The files, in order; - is standard input.", valueName: "file"), completion: .file())
  var files: [String]

  @Option(
    help: ArgumentHelp(
      "What to do with a memory whose id or dedupe key, or a context whose user and type, are there already.",
      valueName: "fail|skip|replace"))
  var onConflict: ImportPolicy = .fail

  @Flag(help: "Import the lines that are right, and count the others.")
  var skipInvalid = false

  @Option(
    help: ArgumentHelp("With --skip-invalid: a file that gets the lines that are left out.", valueName: "file"), completion: .file())
  var rejects: String?

  @Flag(help: "Replace halves of UTF-16 surrogate pairs by U+FFFD; otherwise their lines are wrong.")
  var lossy = false

  @Flag(help: "Check and count, and change nothing.")
  var dryRun = false

  @Flag(help: "Show no progress.")
  var quiet = false

  @OptionGroup var output: OutputOptions

  func validate() throws {
    if rejects != nil, !skipInvalid { throw ValidationError("--rejects belongs to --skip-invalid.") }
    if files.count(where: { $0 == "-" }) > 1 { throw ValidationError("Standard input (-) can be read once only.") }
  }

  func run() async throws {
    let bar = ProgressBar(isQuiet: quiet || output.json)
    let summary = try await store.open(dryRun ? .readOnly : .readWrite) { store in
      let sources = try files.map(Self.source)
      Interruption.leavesTime()
      defer { bar.finish() }
      var options = ImportOptions(onConflict: onConflict, skipsInvalid: skipInvalid, isLossy: lossy, isDryRun: dryRun)
      var rejected: RejectedLines?
      if let rejects {
        let lines = RejectedLines(try ExportFile(path: rejects, of: store))
        options.rejects = { line in try lines.append(line) }
        rejected = lines
      }
      let summary = try await store.importLines(from: sources, options, embedder: store.pinnedEmbedder, progress: { bar.update($0) })
      try rejected?.commit()
      return summary
    }
    explain(summary)
    try report(summary)
  }

  /// Says on standard error what was left out or taken for something else.
  private func explain(_ summary: ImportSummary) {
    for fault in summary.faults { Diagnostics.write("memtool: \(TerminalText.escaped("\(fault)"))") }
    if summary.invalid > summary.faults.count { Diagnostics.write("memtool: and \(summary.invalid - summary.faults.count) more") }
    if summary.unknownKeyCount > 0 {
      let times = Amounts.count(summary.unknownKeyCount, "time")
      Diagnostics.write("memtool: unknown keys were ignored \(times): " + TerminalText.escaped(summary.unknownKeys.joined(separator: ", ")))
    }
    for (count, unit) in [(summary.secondsSince1970, "seconds"), (summary.millisecondsSince1970, "milliseconds")] where count > 0 {
      Diagnostics.write(
        "memtool: \(Amounts.count(count, "time")) without a date \(count == 1 ? "was" : "were") taken as \(unit) since 1970")
    }
    if summary.replacedSurrogates > 0 {
      Diagnostics.write("memtool: \(Amounts.count(summary.replacedSurrogates, "half", "halves")) of surrogate pairs replaced by U+FFFD")
    }
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
        if skipInvalid {
          json.key("invalid")
          json.write(summary.invalid)
        }
        json.endObject()
      }
    } else {
      let verb = dryRun ? "would import" : "imported"
      let counts = "\(Amounts.count(summary.memories, "memory", "memories")) and \(Amounts.count(summary.contexts, "context"))"
      try Output.line(
        "\(verb) \(counts), \(dryRun ? "skip" : "skipped") \(summary.skipped), \(dryRun ? "replace" : "replaced") \(summary.replaced)"
          + (skipInvalid ? ", \(dryRun ? "leave" : "left") out \(Amounts.count(summary.invalid, "invalid line"))" : ""))
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

/// The file of the lines that are left out; written to by the thread of the import alone.
private final class RejectedLines: Sendable {
  private let file: Mutex<ExportFile?>

  init(_ file: consuming ExportFile) { self.file = Mutex(consume file) }

  func append(_ line: [UInt8]) throws { try file.withLock { try $0?.append(line + [0x0A]) } }

  /// The file is there from now on, empty if no line was left out.
  func commit() throws { try file.withLock { try $0?.commit() } }
}
