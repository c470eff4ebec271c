import ArgumentParser
import Engram
import Formats
import Foundation

struct Repair: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Save what is sound in a damaged store into a new one.",
    discussion: """
      Reads the damaged store page by page, writes nothing in it, and keeps what matches its checksums: memories, contexts with \
      their earlier versions, embeddings, and tokens of writes. A memory whose embedding is damaged is kept without it; a context \
      that is damaged gives way to its newest earlier version. Indexes and counts are made anew. What was deleted stays deleted. No \
      process may have the store open.

      Prints what is lost, a line each. The new store is verified before it gets its name; nothing is overwritten. The exit code is \
      3 when something is lost.

      The last commit is read; with --previous, or where its meta page is damaged, the one before it.

      EXAMPLES
        memtool repair bot.memory --into rescued.memory
        memtool repair bot.memory --into rescued.memory --json | jq '.losses[]'
      """)

  @OptionGroup var store: StoreArgument

  @Option(name: .customLong("into"), help: ArgumentHelp("Where the new store goes; must not exist.", valueName: "new"))
  var destination: String

  @Flag(help: "Read the commit before the last one.")
  var previous = false

  @Flag(help: "Show no progress.")
  var quiet = false

  @OptionGroup var output: OutputOptions

  func run() async throws {
    Interruption.leavesTime()
    let bar = ProgressBar(isQuiet: quiet || output.json)
    let report: RepairReport
    do {
      defer { bar.finish() }
      report = try await MemoryStore.repair(
        store.url, into: URL(fileURLWithPath: destination), usingPrevious: previous, progress: bar.update)
    } catch let error as StoreError where error.code == .corrupted {
      // Nothing could be saved, so the exit code is not that of a repair that has found damage.
      Diagnostics.write("memtool: \(TerminalText.escaped(Failure.message(of: error)))")
      throw ExitCode(Failure.failed)
    }
    try output.json ? printJSON(report) : printTable(report)
    if !report.isLossless { throw ExitCode(Failure.damageFound) }
  }

  private func printTable(_ report: RepairReport) throws {
    for loss in report.losses { try Output.line(TerminalText.escaped(loss)) }
    if report.omittedLosses > 0 { try Output.line("and \(report.omittedLosses) more") }
    let kept = [
      Amounts.count(report.memories, "memory", "memories"), Amounts.count(report.rows, "embedding"),
      Amounts.count(report.contexts, "context"), Amounts.count(report.versions, "earlier version"), Amounts.count(report.tokens, "token"),
    ]
    let lost = report.losses.count + report.omittedLosses
    let verdict = lost == 0 ? Terminal.green("nothing is lost") : Terminal.red(Amounts.count(lost, "loss", "losses"))
    let problems = Amounts.count(report.problems.count + report.omittedProblems, "problem")
    try Output.line(
      "\(verdict): \(kept.joined(separator: ", ")) as of commit \(report.batchSequence) saved to \(TerminalText.escaped(destination)), "
        + "verified; \(problems) in the files of generation \(report.generation)")
  }

  private func printJSON(_ report: RepairReport) throws {
    try Output.json { json in
      json.beginObject()
      json.key("ok")
      json.write(report.isLossless)
      for (name, value) in [
        ("memories", report.memories), ("contexts", report.contexts), ("versions", report.versions), ("rows", report.rows),
        ("tokens", report.tokens), ("bytes", report.sizeBytes),
      ] {
        json.key(text: name)
        json.write(value)
      }
      json.key("generation")
      json.write(report.generation)
      json.key("batchSequence")
      json.write(report.batchSequence)
      json.key("commit")
      var reason: String?
      if case .previous(let why) = report.commit { reason = why }
      json.write(reason == nil ? "last" : "previous")
      json.key("reason")
      if let reason { json.write(reason) } else { json.writeNull() }
      json.key("storeRecordLost")
      json.write(report.isStoreRecordLost)
      json.key("losses")
      list(report.losses, omitted: report.omittedLosses, &json)
      json.key("problems")
      list(report.problems, omitted: report.omittedProblems, &json)
      json.key("milliseconds")
      json.write(Amounts.milliseconds(report.duration))
      json.endObject()
    }
  }

  private func list(_ sentences: [String], omitted: Int, _ json: inout JSONWriter) {
    json.beginArray()
    for sentence in sentences { json.write(sentence) }
    if omitted > 0 { json.write("and \(omitted) more") }
    json.endArray()
  }
}
