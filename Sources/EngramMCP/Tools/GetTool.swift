import Engram
import Formats

extension Tool {
  static let get = Tool(
    name: "memory_get",
    note: "Read memories by id, with neighbours in time or earlier versions.",
    arguments: [
      Field("ids", .list(of: .identifier, count: 1...20), required: true, not: ["id", "memoryid", "memoryids", "memories"]),
      Field("neighbours", .integer(0...5, standard: 0), "this many on each side", not: ["neighbors", "context", "around"]),
      Field("history", .boolean(), "earlier versions too", not: ["versions", "includehistory"]),
    ],
    result: [
      Field(
        "memories",
        .list(
          of: .object(
            MemoryFields.all + MemoryFields.details + [
              Field("before", .list(of: .object(MemoryFields.brief), count: 0...5)),
              Field("after", .list(of: .object(MemoryFields.brief), count: 0...5)),
              Field("earlier", .list(of: .object(MemoryFields.brief), count: 0...16)),
            ]), count: 0...20), required: true),
      Field("missing", .list(of: .identifier, count: 0...20), required: true),
      Field("omitted", .list(of: .identifier, count: 0...20), "too long: ask for them alone", required: true),
    ],
    hints: .reading
  ) { arguments, call in
    let count = arguments.integer("neighbours") ?? 0
    let wantsHistory = arguments.flag("history")
    var budget = TokenBudget(TokenBudget.largest)
    var (missing, omitted): ([MemoryID], [MemoryID]) = ([], [])
    // One snapshot: all of the answer is of the same instant.
    try call.store.read { snapshot in
      for id in arguments.identifiers("ids") {
        guard let memory = try snapshot.memory(id, for: call.user) else {
          missing.append(id)
          continue
        }
        let around = count > 0 ? try snapshot.neighbors(of: id, for: call.user, count: count) : []
        let earlier = wantsHistory ? try snapshot.history(of: id, for: call.user) : []
        let isAdded = budget.add(memory) { text in
          var writer = JSONWriter()
          writer.beginObject()
          MemoryFields.write(memory, cutTo: text, to: &writer)
          MemoryFields.writeDetails(memory, to: &writer)
          if count > 0 {
            writer.key("before")
            writer.write(brief: around.filter { ($0.createdAt, $0.id) < (memory.createdAt, memory.id) })
            writer.key("after")
            writer.write(brief: around.filter { ($0.createdAt, $0.id) > (memory.createdAt, memory.id) })
          }
          if wantsHistory {
            writer.key("earlier")
            writer.write(brief: earlier)
          }
          writer.endObject()
          return writer.string
        }
        if !isAdded { omitted.append(id) }
      }
    }
    let (absent, left) = (missing, omitted)
    return .object { writer in
      writer.key("memories")
      writer.write(elements: budget.elements)
      writer.key("missing")
      writer.write(ids: absent)
      writer.key("omitted")
      writer.write(ids: left)
    }
  }
}

extension MemoryFields {
  /// A memory beside the one that was asked for.
  static let brief: [Field] = [
    Field("id", .identifier, required: true), Field("text", .anyText, required: true), Field("created_at", .time),
    Field("version", .integer(1...Int.max)), Field("cut", .boolean()),
  ]

  /// The most tokens of its text.
  static let briefTokens = 500
}

extension JSONWriter {
  mutating func write(ids: [MemoryID]) {
    beginArray()
    for id in ids { write(id.description) }
    endArray()
  }

  fileprivate mutating func write(brief memories: [Memory]) {
    beginArray()
    for memory in memories {
      beginObject()
      key("id")
      write(memory.id.description)
      let text = TokenBudget.beginning(of: memory.text, tokens: MemoryFields.briefTokens)
      key("text")
      write(text)
      if text.utf8.count < memory.text.utf8.count {
        key("cut")
        write(true)
      }
      key("created_at")
      write(time: memory.createdAt)
      key("version")
      write(memory.version)
      endObject()
    }
    endArray()
  }
}
