import Engram
import Foundation

/// An audit for people: the sums, and below them a table for every list that has entries.
struct AuditTables {
  let report: AuditReport

  func print() throws {
    try printFacts()
    try printUsers()
    try printGroups("same text", report.sameText)
    try printGroups("same embedding", report.sameEmbedding)
    if let near = report.nearDuplicates {
      try printPairs(near)
      try printPartial(near)
    }
    try printUnmatched(report.unmatched)
    try printNames("kinds", report.kinds)
    try printNames("metadata keys", report.metadataKeys)
  }

  // MARK: Sums

  private func printFacts() throws {
    let (users, times) = (report.users, report.times)
    var facts = Facts()
    facts.add("as of", "\(Times.text(report.asOf)), commit \(report.batchSequence)")
    if case .user(let userID) = report.options.scope { facts.add("user", userID) }
    facts.add("users", "\(users.count), \(users.withMemories) with memories")
    facts.add("memories", "\(report.memories), \(Amounts.bytes(report.textBytes)) of text")
    facts.add("contexts", "\(report.contexts)")
    facts.add("embeddings", report.dimension.map { "\(report.embeddings) of \($0) dimensions, \(report.metric.rawValue)" } ?? "none")
    facts.add("memories per user", users.memoriesPerUser.map(Self.text))
    if let oldest = times.oldest, let newest = times.newest { facts.add("created", "\(Times.text(oldest)) to \(Times.text(newest))") }
    facts.add("expired", "\(times.expired), not swept yet")
    facts.add("expiring", "\(times.expiringWithin7Days) within 7 days, \(times.expiringWithin30Days) within 30 days")
    facts.add("same text", Self.text(report.sameText))
    facts.add("same embedding", report.nearDuplicates == nil ? nil : Self.text(report.sameEmbedding))
    if let near = report.nearDuplicates {
      facts.add(
        "near duplicates",
        "\(Amounts.count(near.pairs, "pair")) with a cosine of \(report.options.threshold) or more, \(near.identical) of equal embeddings")
      facts.add("compared", text(compared: near))
    }
    addUnmatched(to: &facts)
    facts.add("kinds", "\(Self.text(report.kinds)), on \(report.kinds.occurrences) of \(report.memories) memories")
    facts.add("metadata keys", Self.text(report.metadataKeys))
    facts.add("sessions", "\(report.sessions)")
    try facts.print()
  }

  private func addUnmatched(to facts: inout Facts) {
    let unmatched = report.unmatched
    facts.add("empty texts", "\(unmatched.emptyTexts.count)")
    facts.add("without embedding", unmatched.withoutEmbedding.map { "\($0.count)" })
    facts.add("zero embeddings", unmatched.zeroEmbeddings.map { "\($0.count)" })
    if let dead = unmatched.deadComponents, let dimension = report.dimension {
      let (components, more) = (dead.first.map(String.init).joined(separator: ", "), dead.count - dead.first.count)
      let list = dead.count > 0 ? ": \(components)" + (more > 0 ? " and \(more) more" : "") : ""
      facts.add("dead components", "\(dead.count) of \(dimension)\(list)")
    }
    if let constants = unmatched.constants {
      facts.add(
        "constant embeddings",
        "\(constants.count), of \(Amounts.count(constants.memories, "memory", "memories"))"
          + " (an embedding that \(report.options.constantCount) or more share)")
    }
  }

  private static func text(_ quantiles: Quantiles) -> String {
    "\(quantiles.minimum) to \(quantiles.maximum); 25 %: \(quantiles.percent25), median: \(quantiles.median), "
      + "75 %: \(quantiles.percent75), 90 %: \(quantiles.percent90), 99 %: \(quantiles.percent99)"
  }

  private static func text(_ duplicates: AuditReport.Duplicates) -> String {
    "\(Amounts.count(duplicates.groups, "group")), \(Amounts.count(duplicates.surplus, "surplus memory", "surplus memories"))"
  }

  private static func text(_ names: AuditReport.Names) -> String {
    names.uncounted == 0 ? "\(names.distinct)" : "more than \(names.distinct)"
  }

  private func text(compared near: AuditReport.NearDuplicates) -> String {
    let pairs = "\(near.compared) of \(near.possible) pairs"
    if near.isComplete { return "\(pairs), all of each user" }
    return "\(pairs): of \(Amounts.count(near.partialUsers, "user")) with more than \(AuditOptions.allPairsLimit) embeddings, "
      + "each one with the \(report.options.window) stored after it"
  }

  // MARK: Lists

  /// Prints the heading of a table, with both counts if the table does not show all entries.
  private func title(_ name: String, shown: Int, of count: Int) throws {
    try Output.line("")
    try Output.line(Terminal.bold(shown < count ? "\(name): \(shown) of \(count)" : name))
  }

  private func printUsers() throws {
    try title("users by memories", shown: report.users.largest.count, of: report.users.count)
    let numbers = ["memories", "contexts", "embeddings", "text"]
    var table = Table(numbers + ["user"], numbers: Set(numbers))
    for user in report.users.largest {
      table.add(["\(user.memories)", "\(user.contexts)", "\(user.embeddings)", Amounts.bytes(user.textBytes), user.userID])
    }
    try table.print()
  }

  private func printGroups(_ name: String, _ duplicates: AuditReport.Duplicates) throws {
    guard duplicates.groups > 0 else { return }
    try title(name, shown: duplicates.largest.count, of: duplicates.groups)
    var table = Table(["memories", "user", "ids", "text"], numbers: ["memories"], giving: ["user": 16])
    for group in duplicates.largest {
      addMembers(["\(group.count)", group.userID], group.ids, of: group.count, group.excerpt, to: &table)
    }
    try table.print()
  }

  /// Adds one line for each id that the report holds, and one with the number of the others.
  private func addMembers(_ head: [String], _ ids: [MemoryID], of count: Int, _ excerpt: String, to table: inout Table) {
    let blank = head.map { _ in "" }
    for (position, id) in ids.enumerated() {
      table.add(position == 0 ? head + [id.shown, excerpt] : blank + [id.shown, ""])
    }
    if ids.count < count { table.add(blank + ["and \(count - ids.count) more", ""]) }
  }

  private func printPairs(_ near: AuditReport.NearDuplicates) throws {
    guard !near.closest.isEmpty else { return }
    try title("near duplicates", shown: near.closest.count, of: near.pairs - near.identical)
    var table = Table(["cosine", "user", "ids", "text"], numbers: ["cosine"], giving: ["user": 16])
    for pair in near.closest {
      table.add([String(format: "%.4f", pair.score), pair.userID, pair.first.shown, pair.firstExcerpt])
      table.add(["", "", pair.second.shown, pair.secondExcerpt])
    }
    try table.print()
  }

  private func printPartial(_ near: AuditReport.NearDuplicates) throws {
    guard !near.partial.isEmpty else { return }
    try title("not every pair compared", shown: near.partial.count, of: near.partialUsers)
    var table = Table(["embeddings", "pairs compared", "of", "user"], numbers: ["embeddings", "pairs compared", "of"])
    for user in near.partial { table.add(["\(user.embeddings)", "\(user.compared)", "\(user.possible)", user.userID]) }
    try table.print()
  }

  private func printUnmatched(_ unmatched: AuditReport.Unmatched) throws {
    try printIDs("empty texts", unmatched.emptyTexts)
    try printIDs("without embedding", unmatched.withoutEmbedding)
    try printIDs("zero embeddings", unmatched.zeroEmbeddings)
    guard let constants = unmatched.constants, constants.count > 0 else { return }
    try title("constant embeddings", shown: constants.largest.count, of: constants.count)
    var table = Table(["memories", "users", "texts", "ids", "text"], numbers: ["memories", "users", "texts"])
    for constant in constants.largest {
      let head = ["\(constant.count)", "\(constant.users)", "\(constant.texts)"]
      addMembers(head, constant.ids, of: constant.count, constant.excerpt, to: &table)
    }
    try table.print()
  }

  private func printIDs(_ name: String, _ listing: AuditReport.Listing<MemoryID>?) throws {
    guard let listing, listing.count > 0 else { return }
    try title(name, shown: listing.first.count, of: listing.count)
    for id in listing.first { try Output.line(id.description) }
  }

  private func printNames(_ name: String, _ names: AuditReport.Names) throws {
    guard !names.commonest.isEmpty else { return }
    try title(name, shown: names.commonest.count, of: names.distinct)
    var table = Table(["memories", "name"], numbers: ["memories"])
    for name in names.commonest { table.add(["\(name.count)", name.name]) }
    try table.print()
  }
}
