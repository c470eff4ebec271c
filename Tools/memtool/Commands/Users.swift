import ArgumentParser
import Engram
import Formats
import Foundation

struct Users: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "List the users of a store, with counts, sizes and the last change.",
    discussion: """
      The order stays the same and has no meaning. Memories that have expired count until they are removed. The size is that of texts, \
      captions, contexts and embeddings, without indexes and earlier versions. The last change is when the newest of the memories and \
      contexts that are there was stored. If there are more users, standard error says with which --after the next page begins; with \
      --json, the last line then is {"next":CURSOR}.

      EXAMPLES
        memtool users bot.memory
        memtool users bot.memory --limit 1000 --json
      """)

  @OptionGroup var store: StoreArgument
  @OptionGroup var reading: ReadingOptions
  @OptionGroup var paging: PagingOptions
  @OptionGroup var output: OutputOptions

  /// A user, and what the memories and contexts of the user add up to.
  private struct Row {
    let summary: UserSummary
    var textBytes = 0
    var contextBytes = 0
    var embeddingBytes = 0
    var changedAt: Date?

    mutating func note(_ time: Date) { changedAt = max(changedAt ?? time, time) }
  }

  func run() async throws {
    let (page, rows) = try await store.open(reading.access) { store in
      try store.read { snapshot in
        let page = try snapshot.users(after: paging.cursor, limit: paging.limit)
        var rows: [Row] = []
        for summary in page { rows.append(try Self.row(summary, snapshot, store)) }
        return (page, rows)
      }
    }
    if output.json {
      for row in rows { try Output.json { Self.write(row, to: &$0) } }
    } else if rows.isEmpty {
      Diagnostics.write("the store has no users")
    } else {
      var table = Table(
        ["memories", "embedded", "contexts", "size", "changed", "user"], numbers: ["memories", "embedded", "contexts", "size"],
        giving: ["embedded": nil, "changed": nil])
      for row in rows {
        table.add([
          "\(row.summary.memories)", "\(row.summary.embeddings)", "\(row.summary.contexts)",
          Amounts.bytes(row.textBytes + row.contextBytes + row.embeddingBytes), row.changedAt.map(Times.shown) ?? "", row.summary.userID,
        ])
      }
      try table.print()
    }
    try paging.printNext(of: page, json: output.json)
  }

  private static func row(_ summary: UserSummary, _ snapshot: borrowing MemorySnapshot, _ store: MemoryStore) throws -> Row {
    var row = Row(summary: summary, embeddingBytes: summary.embeddings * (store.identity.dimension ?? 0) * MemoryLayout<Float>.stride)
    for context in try store.contexts(of: summary.userID) {
      row.contextBytes += context.sizeBytes
      row.note(context.updatedAt)
    }
    var cursor: PageCursor?
    repeat {
      try Task.checkCancellation()
      let page = try snapshot.memories(for: summary.userID, after: cursor, limit: 1024)
      for memory in page {
        row.textBytes += memory.text.utf8.count + (memory.caption?.utf8.count ?? 0)
        row.note(memory.updatedAt)
      }
      cursor = page.next
    } while cursor != nil
    return row
  }

  private static func write(_ row: Row, to json: inout JSONWriter) {
    json.beginObject()
    json.key("userID")
    json.write(row.summary.userID)
    json.key("memories")
    json.write(row.summary.memories)
    json.key("embeddings")
    json.write(row.summary.embeddings)
    json.key("contexts")
    json.write(row.summary.contexts)
    json.key("textBytes")
    json.write(row.textBytes)
    json.key("contextBytes")
    json.write(row.contextBytes)
    json.key("embeddingBytes")
    json.write(row.embeddingBytes)
    json.key("changedAt")
    json.write(time: row.changedAt)
    json.endObject()
  }
}
