import Files
import Foundation
import TestSupport
import Testing

@testable import Engram

/// Random damage: a repair gives a valid store with true contents, or throws an error.
@Suite struct RepairFuzzTests {
  @Test(.timeLimit(.minutes(10)), arguments: 0..<5 as Range<UInt64>) func randomDamageNeverLies(seed: UInt64) async throws {
    let place = try await DamagedStorePlace(size: 40)
    let (data, rows) = (try place.read(place.dataPath), try place.read(place.rowPath))
    // The files are longer than their used part.
    let image = try place.image()
    let usedBytes = (image.number(image.meta + 136, as: Int.self) + 1) * 4096
    var generator = SeededGenerator(seed: seed)
    var (repaired, refused) = (0, 0)
    for round in 0..<60 {
      var (damagedData, damagedRows) = (data, rows)
      for _ in 0..<Int.random(in: 1...4, using: &generator) {
        if generator.chance(percent: 75) {
          Self.damage(&damagedData, upTo: usedBytes, &generator)
        } else {
          Self.damage(&damagedRows, upTo: 4096 + 64 * place.contents.rowsHigh, &generator)
        }
      }
      try place.write(damagedData, to: place.dataPath)
      try place.write(damagedRows, to: place.rowPath)
      do {
        let (report, contents) = try await place.repair()
        repaired += 1
        try expectTruth(contents, report, place, "seed \(seed), round \(round)")
        try FileManager.default.removeItem(at: place.destination)
      } catch is StoreError {
        refused += 1
      }
      #expect(try Directories.entries(place.directory.path) == ["store"])
    }
    #expect(repaired > 30, "\(repaired) repaired, \(refused) refused")
  }

  private static func damage(_ bytes: inout [UInt8], upTo end: Int, _ generator: inout SeededGenerator) {
    let end = min(end, bytes.count)
    guard end > 1 else { return }
    let start = Int.random(in: 0..<end, using: &generator)
    switch Int.random(in: 0..<10, using: &generator) {
    case 0..<4: bytes[start] ^= 1 << UInt8.random(in: 0..<8, using: &generator)
    case 4..<6:
      let noise = generator.bytes(count: min(Int.random(in: 1...64, using: &generator), bytes.count - start))
      bytes.replaceSubrange(start..<start + noise.count, with: noise)
    case 6:
      let page = start / 4096 * 4096
      for index in page..<min(page + 4096, bytes.count) { bytes[index] = 0 }
    case 7:
      // A page overwrites another one, as a misdirected write does.
      let (from, to) = (start / 4096 * 4096, Int.random(in: 0..<end, using: &generator) / 4096 * 4096)
      let count = min(4096, bytes.count - max(from, to))
      let page = Array(bytes[from..<from + count])
      bytes.replaceSubrange(to..<to + count, with: page)
    case 8: bytes.replaceSubrange(min(start, 152)..<min(start, 152) + 1, with: [UInt8(truncatingIfNeeded: generator.next())])
    default: if generator.chance(percent: 30) { bytes.removeSubrange(start...) } else { bytes[start / 8 * 8] = 0xFF }
    }
  }

  /// Expects that no memory is found that never existed, was deleted or has other contents, and that every missing memory was reported.
  private func expectTruth(_ found: StoreContents, _ report: RepairReport, _ place: DamagedStorePlace, _ comment: Comment) throws {
    let truth = Dictionary(uniqueKeysWithValues: place.contents.memories.map { ($0.memory.id, $0) })
    var goesBack = false
    if case .previous = report.commit { goesBack = true }
    var changed = 0
    for entry in found.memories {
      guard let original = truth[entry.memory.id] else {
        // The last commit deleted this memory, and the commit before it still has it.
        #expect(goesBack && place.deleted.contains(entry.memory.id), comment)
        continue
      }
      #expect(entry.memory == original.memory, comment)
      if entry.embedding == nil, original.embedding != nil { changed += 1 } else { #expect(entry.embedding == original.embedding, comment) }
    }
    if found.memories.count < truth.count || changed > 0 { #expect(!report.isLossless, comment) }
    for (user, context) in found.contexts { #expect(context == place.contents.contexts[user], comment) }
    for (user, tally) in found.tallies where tally != place.contents.tallies[user] {
      #expect(place.contents.histories[user]?.contains(tally) == true && !report.isLossless, comment)
    }
  }
}
