import ArgumentParser
import Engram

struct Get: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Show one memory.",
    discussion: """
      EXAMPLES
        memtool get bot.memory 019b76da-a800-7000-8000-000000000000
        memtool get bot.memory 019b76da-a800-7000-8000-000000000000 --vector --json
      """)

  @OptionGroup var store: StoreArgument

  @Argument(help: "The memory's id.")
  var id: MemoryID

  @Flag(help: "Show the embedding, too.")
  var vector = false

  @OptionGroup var output: OutputOptions

  func run() async throws {
    let (memory, embedding) = try await store.open(.readOnly) { store in
      try store.read { snapshot in (try snapshot.memory(id), vector ? try snapshot.embedding(of: id) : nil) }
    }
    guard let memory else { throw StoreError(.notFound, "there is no memory \(id)") }
    if output.json {
      try Output.json { json in
        json.beginObject()
        json.writeFields(of: memory)
        if vector {
          json.key("embedding")
          if let embedding { json.writeFloats(embedding.values) } else { json.writeNull() }
        }
        json.endObject()
      }
    } else {
      try print(memory, embedding)
    }
  }

  private func print(_ memory: Memory, _ embedding: Embedding?) throws {
    var facts = Facts()
    facts.add("id", memory.id.description)
    facts.add("user", memory.userID)
    facts.add("text", memory.text)
    facts.add("kind", memory.kind)
    facts.add("session", memory.sessionID)
    facts.add("speaker", memory.speaker)
    facts.add("created", Times.text(memory.createdAt))
    facts.add("importance", "\(memory.importance)")
    facts.add("expires", memory.expiresAt.map(Times.text))
    facts.add("dedupe key", memory.dedupeKey)
    if !memory.metadata.isEmpty {
      var json = JSONWriter()
      json.write(memory.metadata)
      facts.add("metadata", json.string)
    }
    if vector {
      var json = JSONWriter()
      if let embedding { json.writeFloats(embedding.values) }
      facts.add("embedding", embedding == nil ? "none" : json.string)
    }
    try facts.print()
  }
}
