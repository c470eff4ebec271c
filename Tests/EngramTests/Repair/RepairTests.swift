import Files
import Foundation
import LMDB
import TestSupport
import Testing

@testable import Engram

/// Each kind of damage costs only the damaged data.
@Suite struct RepairTests {
  private let place: DamagedStorePlace

  init() async throws { place = try await DamagedStorePlace() }

  private func id(_ node: DataFileImage.Node, _ image: DataFileImage) throws -> MemoryID {
    try #require(MemoryID(bytes: Array(image.bytes[node.key])))
  }

  @Test func anIntactStoreComesBackWhole() async throws {
    let (report, contents) = try await place.repair()
    #expect(report.losses == [] && report.problems == [] && report.isLossless && report.commit == .last)
    place.expectKept(contents)
    let copy = try await MemoryStore.open(at: place.destination)
    #expect(try DamagedStorePlace.export(copy) == place.export)
    #expect(try copy.status.batchSequence == report.batchSequence)
    await expectCode(.conflict) { try await copy.write(token: "token 2") { _ in } }
    try await copy.add(TestStore.draft("later", 1))
    try await copy.close()
    for path in try FileManager.default.subpathsOfDirectory(atPath: place.destination.path).map({ "\(place.destination.path)/\($0)" }) {
      let status = try #require(try Directories.status(path))
      #expect(String(status.permissions, radix: 8) == (status.isDirectory ? "700" : "600"), "\(path)")
    }
    #expect(try Directories.entries(place.destination.path).filter { $0.hasPrefix("gen-") } == ["gen-1"])
  }

  // MARK: Values and rows

  @Test(arguments: [false, true]) func aFlippedBitCostsItsMemory(inOverflowPages: Bool) async throws {
    let image = try place.image()
    let node = try #require(image.leaves(of: "memories").flatMap(\.nodes).first { $0.isOverflow == inOverflowPages })
    try place.damageData { $0.bytes[$0.value(node).lowerBound + 40] ^= 4 }
    let lost = try id(node, image)
    let (report, contents) = try await place.repair()
    #expect(report.losses == ["memory \(lost): its record does not match its checksum"])
    place.expectKept(contents, memories: [lost])
  }

  /// The last commit has rewritten the leaf; the commit before has the same memory in another page.
  @Test func whatTheLastCommitDidNotTouchIsTakenFromTheOneBefore() async throws {
    let node = try #require(try place.image().leaves(of: "memories").last?.nodes.last)
    try place.damageData { $0.bytes[$0.value(node).lowerBound + 40] ^= 4 }
    let (report, contents) = try await place.repair()
    #expect(report.losses == [] && report.commit == .last)
    #expect(report.problems == ["1 records come from the commit before the last one, which did not touch them"])
    place.expectKept(contents)
  }

  @Test func aFlippedBitInAKeyCostsItsMemory() async throws {
    let image = try place.image()
    let node = try #require(image.leaves(of: "memories").flatMap(\.nodes).dropFirst(3).first)
    try place.damageData { $0.bytes[node.key.upperBound - 1] ^= 1 }
    let lost = try id(node, image)
    let (report, contents) = try await place.repair()
    #expect(report.losses.contains { $0.hasPrefix("memory \(lost) of 'user ") && $0.hasSuffix("is lost with a page that cannot be read") })
    place.expectKept(contents, memories: [lost])
  }

  /// The newest earlier version replaces it.
  @Test func aDamagedContextGivesWayToItsHistory() async throws {
    let image = try place.image()
    let user = "user 3"
    let tally = try #require(place.contents.tallies[user])
    let history = try #require(place.contents.histories[user])
    let node = try #require(
      image.leaves(of: "contexts").flatMap(\.nodes).first {
        let value = image.bytes[image.value($0)]
        return String(decoding: image.bytes[$0.key].dropFirst(16), as: UTF8.self) == "Tally"
          && value.firstRange(of: Array(user.utf8)) != nil
      })
    try place.damageData { $0.bytes[$0.value(node).lowerBound + 9] ^= 1 }
    let (report, contents) = try await place.repair()
    #expect(report.losses == ["the Tally of 'user 3' is lost: version 3, the newest that is sound, takes its place"])
    #expect(contents.tallies[user] == history.first && tally != history.first)
    #expect(contents.histories[user] == Array(history.dropFirst()))
    #expect(contents.contexts == place.contents.contexts)
    place.expectKept(contents, contextsOf: [user])
  }

  @Test func aDamagedContextWithoutHistoryIsNamed() async throws {
    let image = try place.image()
    let node = try #require(
      image.leaves(of: "contexts").flatMap(\.nodes).first {
        String(decoding: image.bytes[$0.key].dropFirst(16), as: UTF8.self) == "UserContext"
          && image.bytes[image.value($0)].firstRange(of: Array("user 0".utf8)) != nil
      })
    try place.damageData { $0.bytes[$0.value(node).lowerBound + 9] ^= 1 }
    let (report, contents) = try await place.repair()
    #expect(report.losses == ["the UserContext of 'user 0' is lost: its record does not match its checksum"])
    #expect(contents.contexts["user 0"] == nil && contents.contexts.count == 3)
    place.expectKept(contents, contextsOf: ["user 0"])
  }

  @Test func aDamagedRowCostsTheEmbeddingOnly() async throws {
    let entry = try #require(place.contents.memories.last { $0.row != nil })
    let row = try #require(entry.row)
    try place.damageRows { $0[4096 + 64 * row.row + 5] ^= 1 }
    let (report, contents) = try await place.repair()
    #expect(
      report.losses == [
        "memory \(entry.memory.id) of '\(entry.memory.userID)' has no embedding any more: row \(row.row) does not match its checksum"
      ])
    place.expectKept(contents, embeddings: [entry.memory.id])
  }

  @Test func truncatedRowsCostTheirEmbeddings() async throws {
    let cut = 100
    try place.damageRows { $0.removeSubrange((4096 + 64 * cut)...) }
    let (report, contents) = try await place.repair()
    let lost = Set(place.contents.memories.filter { ($0.row?.row ?? 0) >= cut }.map(\.memory.id))
    #expect(!lost.isEmpty && report.losses.count == lost.count)
    place.expectKept(contents, embeddings: lost)
  }

  @Test func aMissingRowFileCostsTheEmbeddings() async throws {
    try FileManager.default.removeItem(atPath: place.rowPath)
    let (report, contents) = try await place.repair()
    #expect(report.losses.count == place.contents.rowsLive && contents.rowsLive == 0)
    place.expectKept(contents, embeddings: Set(contents.memories.map(\.memory.id)))
  }

  @Test func aDamagedRowHeaderCostsNothing() async throws {
    try place.damageRows { $0[41] ^= 1 }
    let (report, contents) = try await place.repair()
    #expect(report.losses == [] && report.problems.count == 1 && report.problems[0].hasPrefix("rows.f32: "))
    place.expectKept(contents)
  }

  // MARK: Pages

  /// Pages that no tree refers to any more are found among those that are neither used nor free.
  @Test(arguments: ["memories", "timeline", "history", "the main tree"]) func aSmashedInnerPageCostsNothing(tree: String) async throws {
    let image = try place.image()
    let page = try #require(tree == "the main tree" ? image.mainPages.first : image.pages(of: tree).first)
    #expect(page.isBranch || tree == "the main tree" || tree == "history")
    // A tree of a single leaf can only be cut off by damage to its database's record.
    let range = tree == "history" ? image.mainPages[0].range : page.range
    try place.damageData { $0.bytes.replaceSubrange(range, with: repeatElement(0xA5, count: range.count)) }
    let (report, contents) = try await place.repair()
    #expect(report.losses == [])
    #expect(!report.problems.isEmpty)
    place.expectKept(contents)
    #expect(Set(contents.memories.map(\.memory.id)).isDisjoint(with: place.deleted))
  }

  @Test func aZeroedLeafCostsItsMemoriesByName() async throws {
    let image = try place.image()
    let leaf = image.leaves(of: "memories")[1]
    let ids = Set(try leaf.nodes.map { try id($0, image) })
    try place.damageData { $0.bytes.replaceSubrange(leaf.range, with: repeatElement(0, count: leaf.range.count)) }
    let (report, contents) = try await place.repair()
    // A record that the last commit did not change may still be in the page that it replaced.
    let lost = ids.subtracting(contents.memories.map(\.memory.id))
    #expect(report.losses.count == lost.count)
    for id in lost { #expect(report.losses.contains { $0.contains("\(id)") }) }
    place.expectKept(contents, memories: lost)
  }

  /// Every index is rebuilt.
  @Test(arguments: ["timeline", "blocks", "columns", "users", "expiry", "dedupe", "log"]) func aLostIndexCostsNothing(
    database: String
  ) async throws {
    let pages = try place.image().pages(of: database)
    #expect(!pages.isEmpty)
    try place.damageData { image in
      for page in pages { image.bytes.replaceSubrange(page.range, with: repeatElement(0, count: page.range.count)) }
    }
    let (report, contents) = try await place.repair()
    #expect(report.losses == [])
    place.expectKept(contents)
  }

  @Test func aSmashedFreeListCostsNothing() async throws {
    let pages = try place.image().freeListPages
    #expect(!pages.isEmpty)
    try place.damageData { image in
      for page in pages { image.bytes.replaceSubrange(page.range, with: repeatElement(0x5A, count: page.range.count)) }
    }
    let (report, contents) = try await place.repair()
    #expect(report.losses == [])
    place.expectKept(contents)
    #expect(Set(contents.memories.map(\.memory.id)).isDisjoint(with: place.deleted))
  }

  /// The free list names a used page and so omits a free one: nothing in the pages shows which is which.
  @Test func aFreeListThatLiesBringsNothingBack() async throws {
    let image = try place.image()
    let leaves = image.leaves(of: "memories").map(\.number)
    let lists = image.freeListPages.filter { !$0.isBranch }.flatMap(\.nodes).map { image.value($0).lowerBound }
    // The numbers descend: find one that can be replaced by the number of a leaf without breaking that order.
    let lie = try #require(
      lists.lazy.compactMap { list -> (Int, UInt64)? in
        let numbers = (1...image.number(list, as: Int.self)).map { image.number(list + 8 * $0, as: UInt64.self) }
        for (index, _) in numbers.enumerated() {
          let (above, below) = (index > 0 ? numbers[index - 1] : .max, index + 1 < numbers.count ? numbers[index + 1] : 0)
          if let leaf = leaves.first(where: { $0 < above && $0 > below }) { return (list + 8 * (index + 1), leaf) }
        }
        return nil
      }.first)
    try place.damageData { image in
      image.bytes.replaceSubrange(lie.0..<lie.0 + 8, with: (0..<8).map { UInt8(truncatingIfNeeded: lie.1 >> ($0 * 8)) })
    }
    let (report, contents) = try await place.repair()
    let found = Set(contents.memories.map(\.memory.id))
    #expect(found.isDisjoint(with: place.deleted))
    let lost = Set(place.contents.memories.map(\.memory.id)).subtracting(found)
    #expect(report.losses.count == lost.count && report.problems.contains { $0.hasSuffix("is used and free") })
    place.expectKept(contents, memories: lost)
  }

  // MARK: What the store says of itself

  @Test func aSmashedMetaPageLeadsToTheCommitBefore() async throws {
    try place.damageData { image in
      let meta = image.meta
      image.bytes.replaceSubrange(meta..<meta + 152, with: repeatElement(0, count: 152))
    }
    let (report, contents) = try await place.repair()
    guard case .previous = report.commit else {
      Issue.record("\(report.commit)")
      return
    }
    #expect(report.losses.count == 1)
    // The last commit deleted one memory, so the commit before has one more.
    #expect(contents.memories.count == place.contents.memories.count + 1)
    let kept = contents.memories.filter { !place.deleted.contains($0.memory.id) }.map(\.memory)
    #expect(kept == place.contents.memories.map(\.memory))
  }

  @Test func theCommitBeforeIsReadWhereAskedFor() async throws {
    let (report, contents) = try await place.repair(usingPrevious: true)
    #expect(report.commit == .previous(reason: "it was asked for") && !report.isLossless)
    #expect(contents.memories.count == place.contents.memories.count + 1)
  }

  /// A damaged transaction number must not make the older of the two meta pages the newer one.
  @Test func aDamagedTransactionNumberDoesNotGoBack() async throws {
    try place.damageData { image in
      let number = image.number(image.meta + 144, as: UInt64.self) - 2
      let place = image.meta + 144
      image.bytes.replaceSubrange(place..<place + 8, with: (0..<8).map { UInt8(truncatingIfNeeded: number >> ($0 * 8)) })
    }
    let (report, contents) = try await place.repair()
    #expect(report.commit == .last)
    place.expectKept(contents)
  }

  @Test(arguments: ["", "gen-7\n", "nonsense"]) func aDamagedNameOfTheGenerationCostsNothing(text: String) async throws {
    try place.write(Array(text.utf8), to: "\(place.path)/current")
    let (report, contents) = try await place.repair()
    #expect(report.losses == [] && report.problems.count == 1)
    place.expectKept(contents)
  }

  /// Flips a bit in a value of `meta`.
  private func damageMeta(_ name: String) throws {
    let image = try place.image()
    let node = try #require(
      image.leaves(of: "meta").flatMap(\.nodes).first { String(decoding: image.bytes[$0.key], as: UTF8.self) == name })
    // The commit before has the record in another page, so every copy is damaged.
    let value = Array(image.bytes[image.value(node)])
    try place.damageData { image in
      for start in image.bytes.indices.dropLast(value.count) where image.bytes[start] == value[0] {
        if image.bytes[start..<start + value.count].elementsEqual(value) { image.bytes[start + 20] ^= 1 }
      }
    }
  }

  @Test func aLostStoreRecordIsReplacedByTheRowHeader() async throws {
    try damageMeta("store")
    let (report, contents) = try await place.repair()
    #expect(report.isStoreRecordLost && report.losses.count == 1)
    place.expectKept(contents)
    let copy = try await MemoryStore.open(at: place.destination)
    #expect(copy.identity.dimension == 8)
    #expect(try DamagedStorePlace.export(copy) == place.export)
    await expectCode(.conflict) { try await copy.write(token: "token 2") { _ in } }
    try await copy.close()
  }

  @Test func withoutStoreRecordAndRowHeaderTheEmbeddingsAreLost() async throws {
    try damageMeta("store")
    try place.damageRows { $0[0] ^= 1 }
    let (report, contents) = try await place.repair()
    #expect(report.isStoreRecordLost && report.losses.count == 1 + place.contents.rowsLive)
    place.expectKept(contents, embeddings: Set(contents.memories.map(\.memory.id)))
  }

  @Test func aLostStateRecordCostsNoRecord() async throws {
    try damageMeta("state")
    let (report, contents) = try await place.repair()
    #expect(report.losses.count == 1 && report.losses[0].hasPrefix("the state record is lost"))
    place.expectKept(contents)
  }
}
