import ArgumentParser
import Engram
import Formats

struct Compact: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Rebuild a store's files without what was deleted.",
    discussion: """
      Copies what lives into a new generation of files while everybody goes on reading and writing, then switches to it; \
      writers pause for milliseconds. Other processes follow by themselves within a second or so, and the old files go when none \
      has them open any more. Needs room for a second copy meanwhile. A broken-off compaction changes nothing.

      EXAMPLES
        memtool compact bot.memory
      """)

  @OptionGroup var store: StoreArgument

  @Flag(help: "Show no progress.")
  var quiet = false

  @OptionGroup var output: OutputOptions

  func run() async throws {
    Interruption.leavesTime()
    let bar = ProgressBar(isQuiet: quiet || output.json)
    let report = try await store.open(.readWrite) { store in
      defer { bar.finish() }
      return try await store.compact(progress: bar.update)
    }
    if output.json {
      try Output.json { json in
        json.beginObject()
        json.key("generation")
        json.write(report.generation)
        for (name, value) in [
          ("memories", report.memories), ("contexts", report.contexts), ("rowsBefore", report.rowsBefore), ("rowsAfter", report.rowsAfter),
          ("bytesBefore", report.bytesBefore), ("bytesAfter", report.bytesAfter),
        ] {
          json.key(text: name)
          json.write(value)
        }
        json.writeRebuild(pause: report.writerPause, duration: report.duration, holders: report.holders)
        json.endObject()
      }
      return
    }
    let won = report.bytesBefore - report.bytesAfter
    try Output.line(
      "\(Amounts.bytes(report.bytesBefore)) → \(Amounts.bytes(report.bytesAfter)), \(won < 0 ? "-" : "")\(Amounts.bytes(abs(won))) won; "
        + "\(Amounts.count(report.memories, "memory", "memories")), \(Amounts.count(report.contexts, "context")), "
        + "\(report.rowsBefore) → \(Amounts.count(report.rowsAfter, "row")); generation \(report.generation), "
        + "writers paused \(Amounts.milliseconds(report.writerPause)) ms of \(Amounts.milliseconds(report.duration)) ms")
    if !report.holders.isEmpty {
      Diagnostics.write(
        "the old files stay until these processes let go of them: \(report.holders.map(String.init).joined(separator: ", "))")
    }
  }
}
