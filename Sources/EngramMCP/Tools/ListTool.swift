import Engram
import Formats

extension Tool {
  static let list = Tool(
    name: "memory_list",
    note: "Memories by time, page by page. To look for something, use memory_search.",
    arguments: [
      Field("kind", .text(bytes: 1...1024), not: ["type", "category", "memorytype"]),
      Field("session", .text(bytes: 1...1024), not: ["sessionid", "conversation", "conversationid", "thread"]),
      Field("since", .time, not: ["after", "from", "start", "startdate"]),
      Field("until", .time, not: ["before", "to", "end", "enddate"]),
      Field("order", .choice(["newest", "oldest"], standard: "newest"), not: ["sort", "sortby", "direction", "orderby"]),
      Field("limit", .integer(1...100, standard: 20), not: ["topk", "n", "count", "size", "pagesize", "maxresults"]),
      Field("cursor", .text(bytes: 1...256), "next_cursor of the page before", not: ["nextcursor", "page", "offset", "after", "token"]),
      Field("max_tokens", .integer(50...20_000, standard: 1500), not: ["tokens", "budget", "tokenbudget"]),
    ],
    result: [
      Field("memories", .list(of: .object(MemoryFields.all), count: 0...100), required: true),
      Field("next_cursor", .anyText, "there are more"),
      Field("total", .integer(0...Int.max), "of any kind and time", required: true),
    ],
    hints: .reading
  ) { arguments, call in
    let listing = try Listing(arguments, call)
    return .object { writer in
      writer.key("memories")
      writer.write(elements: listing.elements)
      if let next = listing.next {
        writer.key("next_cursor")
        writer.write(next.description)
      }
      writer.key("total")
      writer.write(listing.total)
    }
  }
}

/// One page that fits into the budget.
private struct Listing {
  let elements: [String]
  let next: PageCursor?
  let total: Int

  /// - Throws: ``ToolFailure`` for a cursor that is not of this listing.
  init(_ arguments: Arguments, _ call: ToolCall) throws {
    let isNewestFirst = arguments.choice("order") != "oldest"
    let filter = try Tool.filter(arguments)
    let session = arguments.text("session")
    let cursor = arguments.text("cursor").map { PageCursor($0) }
    let limit = arguments.integer("limit") ?? 20
    var budget = TokenBudget(arguments.integer("max_tokens") ?? 1500)
    // One snapshot: a page that is read again with fewer memories begins with the same ones.
    let snapshot = try call.store.snapshot()
    func page(_ limit: Int) throws -> Page<Memory> {
      if let session {
        return try snapshot.memories(
          inSession: session, for: call.user, newestFirst: isNewestFirst, after: cursor, limit: limit, filter: filter)
      }
      return try snapshot.memories(for: call.user, newestFirst: isNewestFirst, after: cursor, limit: limit, filter: filter)
    }
    var found: Page<Memory>
    do {
      found = try page(limit)
    } catch let error as StoreError {
      guard error.code == .invalidArgument, cursor != nil else { throw error }
      throw ToolFailure("`cursor` is not of this list: repeat the arguments of the page before, or leave `cursor` out.")
    }
    var kept = 0
    for memory in found {
      let fits = budget.add(memory) { text in
        var writer = JSONWriter()
        writer.beginObject()
        MemoryFields.write(memory, cutTo: text, to: &writer)
        writer.endObject()
        return writer.string
      }
      guard fits else { break }
      kept += 1
    }
    // A cursor is known for the end of a page only.
    if kept < found.count { found = try page(kept) }
    next = found.next
    total = try snapshot.count(scope: .user(call.user))
    elements = budget.elements
  }
}
