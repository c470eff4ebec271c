import ArgumentParser
import Engram
import Formats
import Foundation

struct Stats: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Show how large a store is, how it grows, and what to do about it.",
    discussion: """
      Counts, the sizes of files, the memories that were created lately, dead rows, which are embeddings of memories that were deleted or \
      changed, and a list of what should be done, each with its reason and the command. inspect shows the parts of a store, audit what is in it.

      EXAMPLES
        memtool stats bot.memory
        memtool stats bot.memory --json
      """)

  /// The periods in which new memories are counted.
  private static let periods = [1, 7, 30]

  @OptionGroup var store: StoreArgument
  @OptionGroup var reading: ReadingOptions
  @OptionGroup var output: OutputOptions

  private struct Figures {
    let inspection: StoreInspection
    /// Memories created in each of the periods.
    let created: [Int]
    let expiringSoon: Int
    let advice: [StoreAdvice]

    var bytes: Int { inspection.files.reduce(0) { $0 + $1.sizeBytes } }
    var allocatedBytes: Int { inspection.files.reduce(0) { $0 + $1.allocatedBytes } }
  }

  func run() async throws {
    let figures = try await store.open(reading.access) { store in
      let inspection = try store.inspection()
      let now = Date()
      var created: [Int] = []
      for days in Self.periods {
        created.append(try await store.count(filter: .created(from: now - Double(days) * 86_400, to: nil)))
      }
      return Figures(
        inspection: inspection, created: created,
        expiringSoon: try await store.count(filter: .expires(from: nil, to: now + 7 * 86_400)),
        advice: StoreAdvice.all(of: inspection, due: try store.dueUpkeep, store: self.store.store))
    }
    try output.json ? Output.json { Self.write(figures, to: &$0) } : print(figures)
  }

  private func print(_ figures: Figures) throws {
    let status = figures.inspection.status
    var facts = Facts()
    facts.add("memories", "\(status.memories)")
    facts.add("users", "\(status.users)")
    facts.add("contexts", "\(status.contexts)")
    facts.add("expiring", "\(figures.expiringSoon) within 7 days")
    facts.add(
      "created", zip(Self.periods, figures.created).map { "\($1) in \(Amounts.count($0, "day"))" }.joined(separator: ", "))
    facts.add("size", "\(Amounts.bytes(figures.bytes)), \(Amounts.bytes(figures.allocatedBytes)) on disk")
    if figures.inspection.identity.dimension != nil {
      facts.add("embeddings", "\(status.rowsLive), \(figures.inspection.withoutEmbedding ?? 0) missing")
      let share = status.rowsAllocated == 0 ? 0 : status.rowsDead * 100 / status.rowsAllocated
      facts.add("dead rows", "\(status.rowsDead) of \(status.rowsAllocated) (\(share) %)")
    }
    facts.add("commits", "\(status.batchSequence), the last at \(status.lastCommit.map(Times.text) ?? "no time")")
    try facts.print()
    try Output.line("")
    if figures.advice.isEmpty { return try Output.line("nothing needs to be done") }
    for advice in figures.advice {
      try Output.line("\(TerminalText.escaped(advice.reason))" + (advice.command.map { ": \(TerminalText.escaped($0))" } ?? ""))
    }
  }

  private static func write(_ figures: Figures, to json: inout JSONWriter) {
    let (inspection, status) = (figures.inspection, figures.inspection.status)
    json.beginObject()
    for (name, value) in [("memories", status.memories), ("users", status.users), ("contexts", status.contexts)] {
      json.key(text: name)
      json.write(value)
    }
    json.key("withoutEmbedding")
    json.writeOptional(inspection.withoutEmbedding)
    for (name, value) in [
      ("expiringWithin7Days", figures.expiringSoon), ("bytes", figures.bytes),
      ("allocatedBytes", figures.allocatedBytes), ("rowsLive", status.rowsLive), ("rowsDead", status.rowsDead),
      ("rowsAllocated", status.rowsAllocated),
    ] {
      json.key(text: name)
      json.write(value)
    }
    json.key("created")
    json.beginArray()
    for (days, count) in zip(periods, figures.created) {
      json.beginObject()
      json.key("days")
      json.write(days)
      json.key("memories")
      json.write(count)
      json.endObject()
    }
    json.endArray()
    json.key("batchSequence")
    json.write(status.batchSequence)
    json.key("lastCommit")
    json.write(time: status.lastCommit)
    json.key("advice")
    json.beginArray()
    for advice in figures.advice {
      json.beginObject()
      json.key("topic")
      json.write(advice.topic.rawValue)
      json.key("reason")
      json.write(advice.reason)
      json.key("command")
      json.writeOptional(advice.command)
      json.endObject()
    }
    json.endArray()
    json.endObject()
  }
}
