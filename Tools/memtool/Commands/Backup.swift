import ArgumentParser
import Engram
import Formats
import Foundation

struct Backup: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Copy a store as it is at one instant, while others use it.",
    discussion: """
      The copy is a store of its own, without what was deleted: to restore, open it or put it where the store was. It is verified \
      and flushed before it gets its name, so it is there whole or not at all; only its owner may read it. Nothing is overwritten.

      EXAMPLES
        memtool backup bot.memory backups/bot-2026-01-31.memory
      """)

  @OptionGroup var store: StoreArgument
  @OptionGroup var reading: ReadingOptions

  @Argument(help: ArgumentHelp("Where the copy goes; must not exist.", valueName: "dest"), completion: .directory)
  var destination: String

  @Flag(help: "Show no progress.")
  var quiet = false

  @OptionGroup var output: OutputOptions

  func run() async throws {
    Interruption.leavesTime()
    let bar = ProgressBar(isQuiet: quiet || output.json)
    let report = try await store.open(reading.access) { store in
      defer { bar.finish() }
      return try await store.backup(to: URL(fileURLWithPath: destination), progress: bar.update)
    }
    if output.json {
      try Output.json { json in
        json.beginObject()
        json.key("batchSequence")
        json.write(report.batchSequence)
        for (name, value) in [("memories", report.memories), ("contexts", report.contexts), ("bytes", report.sizeBytes)] {
          json.key(text: name)
          json.write(value)
        }
        json.key("milliseconds")
        json.write(Amounts.milliseconds(report.duration))
        json.endObject()
      }
    } else {
      try Output.line(
        "backed up \(Amounts.count(report.memories, "memory", "memories")) and \(Amounts.count(report.contexts, "context")) as of commit "
          + "\(report.batchSequence) to \(TerminalText.escaped(destination)): \(Amounts.bytes(report.sizeBytes)), verified")
    }
  }
}
