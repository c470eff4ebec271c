import ArgumentParser
import Engram
import Formats

struct Delete: AsyncParsableCommand, TakesDefaultUser {
  static let configuration = CommandConfiguration(
    abstract: "Delete memories, by id or by conditions.",
    discussion: """
      Either ids, which must all be there, or at least one condition with --user or --all. With --user, the last digits of an id \
      are enough: at least four, as many as only one memory of the user has. All of them are deleted in one \
      transaction, or none. Deleted memories are hidden at once, and stay in the files until the next compaction; with --erase \
      the files are rebuilt without them before the command ends, as by forget.

      \(TimeArgument.help)

      EXAMPLES
        memtool delete bot.memory 019b76da-a800-7000-8000-000000000000
        memtool delete bot.memory --user maya 00000000
        memtool delete bot.memory --user maya --kind message \\
          --until 2026-01-01 --dry-run
      """)

  @OptionGroup var store: StoreArgument

  @Argument(help: ArgumentHelp("Ids of memories, or with --user their last digits.", valueName: "id"))
  var ids: [IDArgument] = []

  @OptionGroup var scope: ScopeOptions

  @OptionGroup(title: "Conditions") var filters: FilterOptions

  @Flag(help: "Count, and change nothing.")
  var dryRun = false

  @Flag(help: "Make the memories that a deleted one replaced or summed up current again; only with ids.")
  var retract = false

  @Flag(help: "Take what is deleted out of the files, too.")
  var erase = false

  @Flag(help: "With --erase: search every file for what was erased, before and after.")
  var prove = false

  @OptionGroup var erasure: ErasureOptions

  @OptionGroup var output: OutputOptions

  func validate() throws {
    if erase, dryRun { throw ValidationError("Give either --erase or --dry-run, not both.") }
    if retract, erase || dryRun || ids.isEmpty {
      throw ValidationError("--retract is for ids, without --erase and --dry-run: what it restores would still be in the files.")
    }
    if prove, !erase { throw ValidationError("--prove belongs to --erase.") }
    if !ids.isEmpty {
      if scope.all || filters.filter != nil { throw ValidationError("Give either ids or conditions, not both.") }
      if scope.user == nil, ids.contains(where: \.isShort) {
        throw ValidationError("The end of an id is enough within one user's memories only: say whose with --user <id>.")
      }
    } else {
      if scope.scope == nil, filters.filter == nil {
        throw ValidationError("Say what to delete: ids, or conditions with --user <id> or --all.")
      }
      if scope.scope == nil { throw ScopeOptions.missing }
      if filters.filter == nil { throw ValidationError("Give at least one condition, such as --kind or --until.") }
    }
  }

  func run() async throws {
    if erase { return try await eraseThem() }
    let count = try await store.open(dryRun ? .readOnly : .readWrite) { store in
      if let scope = scope.scope, let filter = filters.filter {
        try store.saysIfUnknown(self.scope.user)
        return dryRun ? try await store.count(scope: scope, filter: filter) : try await store.delete(where: filter, scope: scope)
      }
      let user = scope.user
      let ids = try ids.map { try $0.resolved(of: user, in: store) }
      let owners = user == nil ? try store.owners(of: ids) : [:]
      let found = try ids.map { id in
        guard let owner = user ?? owners[id], try store.memory(id, for: owner) != nil else { throw Self.missing(id, of: user) }
        return (id: id, owner: owner)
      }
      if !dryRun {
        try await store.write { transaction in
          for (id, owner) in found {
            if retract {
              try transaction.retract(id, for: owner)
            } else if try !transaction.delete(id, for: owner) {
              throw Self.missing(id, of: user)
            }
          }
        }
      }
      return found.count
    }
    if output.json {
      try Output.json { json in
        json.beginObject()
        json.key("deleted")
        json.write(dryRun ? 0 : count)
        json.key("matching")
        json.write(count)
        json.endObject()
      }
    } else {
      try Output.line("\(dryRun ? "would delete" : "deleted") \(Amounts.count(count, "memory", "memories"))")
    }
  }

  private func eraseThem() async throws {
    let found = try await store.open(.readOnly) { store in
      if let scope = scope.scope, let filter = filters.filter { return try await store.ids(scope: scope, filter: filter) }
      // The bytes of a memory that was deleted before may still be in the files, so the id need not exist.
      let ids = try ids.map { try $0.resolved(of: scope.user, in: store) }
      if let user = scope.user {
        let others = try store.owners(of: ids.filter { try store.memory($0, for: user) == nil })
        if let id = ids.first(where: { others[$0] != nil }) { throw Self.missing(id, of: user) }
      }
      return ids
    }
    try await erasure.erase(.memories(found, userID: scope.user), verifiesErasure: prove, from: store, json: output.json)
  }

  private static func missing(_ id: MemoryID, of user: String?) -> StoreError {
    StoreError(.notFound, "there is no memory \(id)" + (user.map { " of the user '\($0)'" } ?? "") + "; nothing was deleted")
  }
}
