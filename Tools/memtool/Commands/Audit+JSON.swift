import Engram
import Formats

extension JSONWriter {
  mutating func write(_ report: AuditReport) {
    beginObject()
    key("asOf")
    write(time: report.asOf)
    key("batchSequence")
    write(report.batchSequence)
    key("userID")
    if case .user(let userID) = report.options.scope { write(userID) } else { writeNull() }
    key("dimension")
    writeOptional(report.dimension)
    key("metric")
    write(report.metric.rawValue)
    write("memories", report.memories)
    write("contexts", report.contexts)
    write("embeddings", report.embeddings)
    write("textBytes", report.textBytes)
    key("users")
    write(report.users)
    key("times")
    write(report.times)
    key("sameText")
    write(report.sameText)
    key("sameEmbedding")
    if report.dimension == nil { writeNull() } else { write(report.sameEmbedding) }
    key("nearDuplicates")
    if let near = report.nearDuplicates { write(near, report.options) } else { writeNull() }
    key("unmatched")
    write(report.unmatched)
    key("kinds")
    write(report.kinds)
    key("metadataKeys")
    write(report.metadataKeys)
    write("sessions", report.sessions)
    endObject()
  }

  private mutating func write(_ name: StaticString, _ count: Int) {
    key(name)
    write(count)
  }

  private mutating func write<Element>(_ name: StaticString, _ elements: [Element], _ body: (inout JSONWriter, Element) -> Void) {
    key(name)
    beginArray()
    for element in elements { body(&self, element) }
    endArray()
  }

  private mutating func writeText(_ name: StaticString, _ text: String) {
    key(name)
    write(text)
  }

  private mutating func writeIDs(_ ids: [MemoryID]) { write("ids", ids) { $0.write($1.description) } }

  // MARK: Sums

  private mutating func write(_ users: AuditReport.Users) {
    beginObject()
    write("count", users.count)
    write("withMemories", users.withMemories)
    key("memoriesPerUser")
    if let quantiles = users.memoriesPerUser { write(quantiles) } else { writeNull() }
    write("largest", users.largest) { json, user in
      json.beginObject()
      json.writeText("userID", user.userID)
      json.write("memories", user.memories)
      json.write("contexts", user.contexts)
      json.write("embeddings", user.embeddings)
      json.write("textBytes", user.textBytes)
      json.endObject()
    }
    endObject()
  }

  private mutating func write(_ quantiles: Quantiles) {
    beginObject()
    write("minimum", quantiles.minimum)
    write("percent25", quantiles.percent25)
    write("median", quantiles.median)
    write("percent75", quantiles.percent75)
    write("percent90", quantiles.percent90)
    write("percent99", quantiles.percent99)
    write("maximum", quantiles.maximum)
    endObject()
  }

  private mutating func write(_ times: AuditReport.Times) {
    beginObject()
    key("oldest")
    write(time: times.oldest)
    key("newest")
    write(time: times.newest)
    write("expired", times.expired)
    write("expiringWithin7Days", times.expiringWithin7Days)
    write("expiringWithin30Days", times.expiringWithin30Days)
    endObject()
  }

  private mutating func write(_ names: AuditReport.Names) {
    beginObject()
    write("distinct", names.distinct)
    write("occurrences", names.occurrences)
    write("uncounted", names.uncounted)
    write("commonest", names.commonest) { json, name in
      json.beginObject()
      json.writeText("name", name.name)
      json.write("count", name.count)
      json.endObject()
    }
    endObject()
  }

  // MARK: Duplicates

  private mutating func write(_ duplicates: AuditReport.Duplicates) {
    beginObject()
    write("groups", duplicates.groups)
    write("surplus", duplicates.surplus)
    write("largest", duplicates.largest) { json, group in
      json.beginObject()
      json.writeText("userID", group.userID)
      json.write("count", group.count)
      json.writeIDs(group.ids)
      json.writeText("excerpt", group.excerpt)
      json.endObject()
    }
    endObject()
  }

  private mutating func write(_ near: AuditReport.NearDuplicates, _ options: AuditOptions) {
    beginObject()
    key("threshold")
    write(options.threshold)
    write("pairs", near.pairs)
    write("identical", near.identical)
    write("compared", near.compared)
    write("possible", near.possible)
    write("window", options.window)
    write("partialUsers", near.partialUsers)
    write("partial", near.partial) { json, user in
      json.beginObject()
      json.writeText("userID", user.userID)
      json.write("embeddings", user.embeddings)
      json.write("compared", user.compared)
      json.write("possible", user.possible)
      json.endObject()
    }
    write("closest", near.closest) { json, pair in
      json.beginObject()
      json.writeText("userID", pair.userID)
      json.key("score")
      json.write(pair.score)
      json.writeIDs([pair.first, pair.second])
      json.write("excerpts", [pair.firstExcerpt, pair.secondExcerpt]) { $0.write($1) }
      json.endObject()
    }
    endObject()
  }

  // MARK: What no search finds

  private mutating func write(_ unmatched: AuditReport.Unmatched) {
    beginObject()
    key("emptyTexts")
    write(unmatched.emptyTexts) { $0.write($1.description) }
    key("withoutEmbedding")
    write(unmatched.withoutEmbedding) { $0.write($1.description) }
    key("zeroEmbeddings")
    write(unmatched.zeroEmbeddings) { $0.write($1.description) }
    key("deadComponents")
    write(unmatched.deadComponents) { $0.write($1) }
    key("constants")
    if let constants = unmatched.constants { write(constants) } else { writeNull() }
    endObject()
  }

  private mutating func write<Element>(_ listing: AuditReport.Listing<Element>?, _ body: (inout JSONWriter, Element) -> Void) {
    guard let listing else { return writeNull() }
    beginObject()
    write("count", listing.count)
    write("first", listing.first, body)
    endObject()
  }

  private mutating func write(_ constants: AuditReport.Constants) {
    beginObject()
    write("count", constants.count)
    write("memories", constants.memories)
    write("largest", constants.largest) { json, constant in
      json.beginObject()
      json.write("count", constant.count)
      json.write("users", constant.users)
      json.write("texts", constant.texts)
      json.writeIDs(constant.ids)
      json.writeText("excerpt", constant.excerpt)
      json.endObject()
    }
    endObject()
  }
}
