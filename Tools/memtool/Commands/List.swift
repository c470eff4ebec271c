import ArgumentParser
import Engram
import Formats

struct List: AsyncParsableCommand, TakesDefaultUser {
  static let configuration = CommandConfiguration(
    abstract: "List memories by time, a page at a time.",
    discussion: """
      The newest come first; memories of the same time are in the order of ids. With --all, the order is that of ids. If there are more, \
      standard error says with which --after the next page begins; with --json, the last line then is {"next":CURSOR}. A cursor stays \
      valid while memories are added and deleted.

      \(TimeArgument.help)

      EXAMPLES
        memtool list bot.memory --user maya
        memtool list bot.memory --user maya --kind fact --since 30d --json
        memtool list bot.memory --all --oldest-first --limit 1000
      """)

  @OptionGroup var store: StoreArgument
  @OptionGroup var reading: ReadingOptions
  @OptionGroup var scope: ScopeOptions
  @OptionGroup var paging: PagingOptions

  @Flag(help: "Begin with the oldest.")
  var oldestFirst = false

  @OptionGroup(title: "Conditions") var filters: FilterOptions

  @OptionGroup var output: OutputOptions

  func validate() throws {
    if scope.scope == nil { throw ScopeOptions.missing }
  }

  func run() async throws {
    guard let scope = scope.scope else { throw ScopeOptions.missing }
    let page = try await store.open(reading.access) { store in
      let page = try store.memories(
        scope: scope, newestFirst: !oldestFirst, after: paging.cursor, limit: paging.limit, filter: filters.filter)
      if page.isEmpty, try !store.saysIfUnknown(self.scope.user) { Diagnostics.write("nothing found") }
      return page
    }
    if output.json {
      for memory in page { try Output.json { $0.writeObject(of: memory) } }
    } else {
      try printTable(page.elements)
    }
    try paging.printNext(of: page, json: output.json)
  }

  private func printTable(_ memories: [Memory]) throws {
    guard !memories.isEmpty else { return }
    // On a terminal, a user that every line would repeat is left out: the text needs the room.
    let users = Terminal.outputIsTerminal && scope.user != nil ? [] : ["user"]
    var table = Table(users + ["created", "kind", "id", "text"], giving: ["kind": 10, "created": nil, "user": 16])
    for memory in memories {
      table.add(users.map { _ in memory.userID } + [Times.shown(memory.createdAt), memory.kind ?? "", memory.id.shown, memory.text])
    }
    try table.print()
  }
}
