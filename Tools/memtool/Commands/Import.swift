import ArgumentParser
import Engram
import Formats
import Foundation

struct Import: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Read contexts and memories from JSON Lines, or conversations.",
    discussion: """
      One JSON object a line, UTF-8, at most 64 MiB each, as `memtool export` writes them. Of a memory only type, userID and \
      text are required. A memory \
      without the key 'embedding' is embedded by the store's embedder, if it has one; "embedding":null leaves it without. \
      Unknown keys are ignored and counted. A time is a text with a zone, such as 2026-01-02T03:04:05Z, a date, or a number: seconds since \
      1970 if it is below 100000000000, milliseconds otherwise.

      All lines are checked before anything is written, and the first 20 that are wrong are named by file and line. The rest happens in \
      one transaction. With --skip-invalid the lines that are right are imported, and the others counted.

      Conversations are told from JSON Lines by their content: exports of ChatGPT and Claude (unzipped: the folder, or its \
      conversations*.json), messages of OpenAI, ShareGPT and LangChain, messages with their role one a line, LoCoMo and LongMemEval. Each \
      message becomes a memory with its session, speaker and time; those that the store has are passed over. A conversation that is wrong \
      is named and left out, the others are imported, and the exit code is 1, with --skip-invalid 0. What else is left out is counted.

      EXAMPLES
        memtool import bot.memory conversations.jsonl
        zcat big.jsonl.gz | memtool import bot.memory - --on-conflict skip
        memtool import bot.memory conversations.jsonl --dry-run
        memtool import bot.memory conversations.jsonl \\
          --skip-invalid --rejects left-out.jsonl
        memtool import bot.memory chatgpt-export --user ada
        memtool import bot.memory finetune.jsonl --user ada \\
          --format openai --created-at 2026-01-02
      """)

  @OptionGroup var store: StoreArgument

  @Argument(
    help: ArgumentHelp("The files, in order; - is standard input. Of a folder, its conversations*.json.", valueName: "file"),
    completion: .file())
  var files: [String]

  @Option(help: ArgumentHelp("What the files hold; auto looks at their content.", valueName: ImportFormat.names))
  var format: ImportFormat = .auto

  @OptionGroup(title: "Of conversations") var conversations: ConversationArguments

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
    let files = try conversations.paths(files)
    let sources = try files.map(Self.source)
    guard let format = try format.resolved(sources) else { return try await importLines(sources) }
    if onConflict == .replace || rejects != nil {
      throw ValidationError("--on-conflict replace and --rejects are of JSON Lines, not of conversations.")
    }
    try await importConversations(sources, format)
  }

  private func importConversations(_ sources: [ImportSource], _ format: ImportFormat) async throws {
    let bar = ProgressBar(isQuiet: quiet || output.json)
    let options = try conversations.options(isLossy: lossy, isDryRun: dryRun)
    let report = try await store.open(dryRun ? .readOnly : .readWrite, embeds: !dryRun) { store in
      Interruption.leavesTime()
      // A batch of conversations is one commit.
      if !dryRun { Interruption.hasWritten("conversations that were committed stay, and the same import goes on with the others") }
      defer { bar.finish() }
      return try await Advised.running {
        try await store.importConversations(
          from: sources, for: conversations.user, format: format.conversations, options: options, progress: bar.update)
      } advice: {
        conversations.advice($0)
      }
    }
    try report.print(isDryRun: dryRun, asJSON: output.json)
    if report.invalid > 0, !skipInvalid { throw ExitCode(Failure.failed) }
  }

  private func importLines(_ sources: [ImportSource]) async throws {
    let bar = ProgressBar(isQuiet: quiet || output.json)
    let options = ImportOptions(
      onConflict: onConflict, skipsInvalid: skipInvalid, rejectsFile: rejects.map { URL(fileURLWithPath: $0) }, isLossy: lossy,
      isDryRun: dryRun)
    let summary = try await store.open(dryRun ? .readOnly : .readWrite, embeds: true) { store in
      Interruption.leavesTime()
      defer { bar.finish() }
      return try await Advised.running {
        try await store.importJSONLines(from: sources, options: options, progress: bar.update)
      } advice: {
        advice($0)
      }
    }
    explain(summary)
    try report(summary)
  }

  /// The options that would have imported more.
  private func advice(_ error: StoreError) -> String? {
    let conflicts = error.code == .conflict && onConflict == .fail ? "--on-conflict skip, or replace" : nil
    guard error.cause is ImportFaults, !skipInvalid else { return conflicts }
    return "--skip-invalid imports the others" + (conflicts.map { "; \($0)" } ?? "")
  }

  /// Reports on standard error what was left out, and which values were interpreted.
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

  private static func source(_ path: String) throws -> ImportSource {
    guard path == "-" else { return try .file(URL(fileURLWithPath: path), name: path) }
    return try .stream(name: "standard input") { try FileHandle.standardInput.read(upToCount: 1 << 20).map(Array.init) }
  }
}
