import ArgumentParser
import Engram

struct Verify: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Check a store for damage.",
    discussion: """
      Reads everything in one snapshot, beside the processes that use the store: the checksum of every value and every row; \
      records, rows, blocks, columns, \
      timeline, expiry and dedupe entries against each other in both directions; all counts. Nothing is changed. The exit \
      code is 3 when something is wrong.

      EXAMPLES
        memtool verify bot.memory
        memtool verify bot.memory --json | jq '.problems[]'
      """)

  @OptionGroup var store: StoreArgument

  @Flag(help: "Show no progress.")
  var quiet = false

  @OptionGroup var output: OutputOptions

  func run() async throws {
    let bar = ProgressBar(isQuiet: quiet || output.json)
    do {
      let report = try await store.open(.readOnly) { store in
        defer { bar.finish() }
        return try store.verify(progress: bar.update)
      }
      try print(report, problems: report.problems)
      if !report.isIntact { throw ExitCode(Failure.damageFound) }
    } catch let error as StoreError where error.code == .corrupted {
      // So damaged that it cannot be opened.
      try print(VerificationReport(), problems: [Failure.message(of: error)])
      throw ExitCode(Failure.damageFound)
    }
  }

  private func print(_ report: VerificationReport, problems: [String]) throws {
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
    let counts = [
      Amounts.count(report.memories, "memory", "memories"), Amounts.count(report.contexts, "context"), Amounts.count(report.rows, "row"),
      Amounts.bytes(report.bytes),
    ]
    let count = problems.count + report.omittedProblems
    let verdict = count == 0 ? Terminal.green("ok") : Terminal.red(Amounts.count(count, "problem"))
    try Output.line("\(verdict): \(counts.joined(separator: ", ")) checked")
  }
}
