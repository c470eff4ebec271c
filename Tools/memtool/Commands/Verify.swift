import ArgumentParser
import Engram
import Formats

struct Verify: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Check a store for damage.",
    discussion: """
      Reads everything in one snapshot, beside the processes that use the store: the checksum of every value and every row; \
      records, rows, blocks, columns, \
      timeline, expiry and dedupe entries against each other in both directions; all counts. Nothing is changed. The exit \
      code is 3 when something is wrong.

      With --deep every page of the database file is read and checked before the first one is used, so that not even a file that was \
      damaged on purpose can end the command: take it for a store that you do not trust.

      EXAMPLES
        memtool verify bot.memory
        memtool verify bot.memory --deep
        memtool verify bot.memory --json | jq '.problems[]'
      """)

  @OptionGroup var store: StoreArgument
  @OptionGroup var reading: ReadingOptions

  @Flag(help: "Check every page of the database file first.")
  var deep = false

  @Flag(help: "Show no progress.")
  var quiet = false

  @OptionGroup var output: OutputOptions

  func run() async throws {
    let bar = ProgressBar(isQuiet: quiet || output.json)
    let report: VerificationReport
    do {
      defer { bar.finish() }
      report = try await Advised.running {
        try await MemoryStore.verify(at: store.url, deep: deep, access: reading.access, progress: bar.update)
      } advice: {
        reading.access == .readOnly ? Advised.reading($0) : nil
      }
    }
    try print(report)
    if !report.isIntact { throw ExitCode(Failure.damageFound) }
  }

  private func print(_ report: VerificationReport) throws {
    let problems = report.problems
    if output.json {
      try Output.json { json in
        json.beginObject()
        json.key("ok")
        json.write(problems.isEmpty)
        json.key("memories")
        json.write(report.memories)
        json.key("contexts")
        json.write(report.contexts)
        json.key("rows")
        json.write(report.rows)
        if deep {
          json.key("pages")
          json.write(report.pages)
        }
        json.key("problems")
        json.beginArray()
        for problem in problems { json.write(problem) }
        if report.omittedProblems > 0 { json.write("and \(report.omittedProblems) more") }
        json.endArray()
        json.endObject()
      }
      return
    }
    for problem in problems { try Output.line(TerminalText.escaped(problem)) }
    if report.omittedProblems > 0 { try Output.line("and \(report.omittedProblems) more") }
    let counts =
      [
        Amounts.count(report.memories, "memory", "memories"), Amounts.count(report.contexts, "context"), Amounts.count(report.rows, "row"),
      ]
      + (deep ? [Amounts.count(report.pages, "page")] : []) + [Amounts.bytes(report.bytes)]
    let count = problems.count + report.omittedProblems
    let verdict = count == 0 ? Terminal.green("ok") : Terminal.red(Amounts.count(count, "problem"))
    try Output.line("\(verdict): \(counts.joined(separator: ", ")) checked")
  }
}
