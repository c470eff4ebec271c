import Files
import LMDB
import TestSupport
import Testing

/// Changes of every kind to a small file: nothing traps or hangs, and every broken rule is found.
@Suite struct PageFuzzTests {
  /// All problems that a checker reports: of the meta pages, of all other pages, and of the checksums of entries.
  private static func problems(_ path: String) throws -> [String] {
    let checksums = Dictionary(uniqueKeysWithValues: SampleFile.databases.map { ($0, RecordChecksum(database: $0)) })
    var mismatches = 0
    let report = try walk(path, SampleFile.databases) { database, key, value in
      if checksums[database]?.matches(key: key, stored: value) != true { mismatches += 1 }
    }
    let before = try MetaPair.validate(FileHandle(path: path, access: .read))
    return before + report.problems + (mismatches > 0 ? ["\(mismatches) entries do not match their checksums"] : [])
  }

  /// The entries that the two passes of a repair lend and whose checksums match, by database.
  private static func salvage(_ path: String) throws -> (taken: [String: [[UInt8]: [UInt8]]], lent: Int) {
    let file = try FileHandle(path: path, access: .read)
    let pair = try MetaPair.read(file)
    var salvage = try PageSalvage(file, meta: pair.newestValid ?? pair.newest, databases: SampleFile.databases)
    let checksums = SampleFile.databases.map { ($0, RecordChecksum(database: $0)) }
    var (taken, lent): ([String: [[UInt8]: [UInt8]]], Int) = ([:], 0)
    salvage.forEachEntry { database, key, value in
      lent += 1
      guard RecordChecksum(database: database).matches(key: key, stored: value) else { return false }
      taken[database, default: [:]][copy(key)] = copy(value)
      return true
    }
    _ = salvage.forEachOrphan { _, key, value in
      lent += 1
      for (database, checksum) in checksums where checksum.matches(key: key, stored: value) {
        taken[database, default: [:]][copy(key)] = copy(value)
        return true
      }
      return false
    }
    return (taken, lent)
  }

  /// - Returns: The ranges in which the image may differ from the original.
  private static func mutate(_ image: inout FileImage, _ generator: inout SeededGenerator) -> [Range<Int>] {
    let count = image.bytes.count
    let pages = count / FileImage.pageSize
    let interesting: [UInt64] = [0, 1, 2, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 0x7FFF_FFFF, 0xFFFF_FFFF, 1 << 47, 1 << 63, .max, UInt64(pages)]
    // Half of the changes are at the beginning of a page, where most of the structure is.
    let near = Int.random(in: 0..<pages, using: &generator) * FileImage.pageSize + Int.random(in: 0..<160, using: &generator)
    // Numbers are at even offsets.
    let offset = min(generator.chance(percent: 50) ? near : Int.random(in: 0..<count, using: &generator), count - 8) & ~1
    let page = { (generator: inout SeededGenerator) in Int.random(in: 0..<pages, using: &generator) * FileImage.pageSize }
    switch Int.random(in: 0..<10, using: &generator) {
    case 0, 1: image.bytes[offset + 1] = UInt8(truncatingIfNeeded: generator.next())
    case 2, 3: image.bytes[offset] ^= 1 << UInt8.random(in: 0..<8, using: &generator)
    case 4: image.set(UInt16(truncatingIfNeeded: interesting.randomElement(using: &generator)!), at: offset)
    case 5: image.set(UInt32(truncatingIfNeeded: interesting.randomElement(using: &generator)!), at: offset)
    case 6: image.set(UInt64.random(in: 0...UInt64(pages), using: &generator), at: offset)
    case 7: image.set(interesting.randomElement(using: &generator)!, at: offset)
    case 8:
      let (first, second) = (page(&generator), page(&generator))
      let (left, right) = (image.bytes[first..<first + 4096], image.bytes[second..<second + 4096])
      image.bytes.replaceSubrange(first..<first + 4096, with: right)
      if generator.chance(percent: 50) { image.bytes.replaceSubrange(second..<second + 4096, with: left) }
      // With its number changed, the page passes for the page of this place.
      if generator.chance(percent: 50) { image.set(UInt64(first / 4096), at: first) }
      return [first..<first + 4096, second..<second + 4096]
    default:
      image.bytes.removeLast(Int.random(in: 1...count, using: &generator))
      return [image.bytes.count..<count]
    }
    return [offset..<offset + 8]
  }

  /// Whether a rule is certainly broken: a byte that must not change was changed or cut off.
  private static func isBroken(_ image: FileImage, _ changed: FileImage, _ ranges: [Range<Int>], _ roles: ByteRoles) -> Bool {
    if changed.bytes.count < roles.rigidEnd { return true }
    return ranges.contains { range in
      range.clamped(to: 0..<changed.bytes.count).contains { roles.isRigid($0) && changed.bytes[$0] != image.bytes[$0] }
    }
  }

  @Test(arguments: 1...4 as ClosedRange<UInt64>) func everyMutationEndsAndTheHarmfulOnesAreFound(
    seed: UInt64
  ) throws {
    var generator = SeededGenerator(seed: seed)
    let sample = try SampleFile(entries: 90, seed: seed)
    let roles = ByteRoles(sample.image)
    let whole = try Self.salvage(sample.path)
    #expect(try Self.problems(sample.path) == [] && whole.lent == 105)
    var (broken, missed) = (0, 0)
    for round in 0..<1000 {
      var changed = sample.image
      var ranges: [Range<Int>] = []
      for _ in 0..<[1, 1, 1, 2, 8][round % 5] where changed.bytes.count > 16 * 4096 { ranges += Self.mutate(&changed, &generator) }
      try changed.write(to: sample.path)
      let problems = try Self.problems(sample.path)
      let salvaged = try Self.salvage(sample.path)
      // A file of this size has room for no more entries, however its pages refer to each other.
      #expect(salvaged.lent < 40_000)
      guard Self.isBroken(sample.image, changed, ranges, roles) else { continue }
      broken += 1
      if problems.isEmpty {
        missed += 1
        Issue.record("round \(round): nothing was found, changed in \(ranges) of \(changed.bytes.count) bytes")
      }
    }
    #expect(broken > 200 && missed == 0)
  }

  /// Changes one byte at a time: a sample of every kind of byte.
  @Test func aChangeOfAnyByteThatMeansSomethingIsFoundAndCostsOnePageAtMost() throws {
    var generator = SeededGenerator(seed: 62)
    let sample = try SampleFile(entries: 90, seed: 62)
    let roles = ByteRoles(sample.image).roles
    let whole = try Self.salvage(sample.path).taken
    let most = sample.image.allPages().filter { !$0.isBranch }.map(\.nodes.count).max() ?? 0
    let places = roles.indices.filter { roles[$0] == .structure } + roles.indices.filter { roles[$0] == .content && $0 % 16 == 0 }
    let file = try FileHandle(path: sample.path, access: .readWrite)
    for place in places where place % 3 == 0 {
      let byte = sample.image.bytes[place]
      try file.write([byte ^ UInt8.random(in: 1...255, using: &generator)], at: place)
      let problems = try Self.problems(sample.path)
      #expect(!problems.isEmpty, "byte \(place % 4096) of page \(place / 4096)")
      if place >= 8192 {
        let taken = try Self.salvage(sample.path).taken
        var lost = 0
        for (database, entries) in whole {
          let found = taken[database] ?? [:]
          lost += entries.count { found[$0.key] != $0.value }
          // No entry is taken that the file did not have: no deleted entry, no older value.
          #expect(found.allSatisfy { entries[$0.key] == $0.value }, "byte \(place % 4096) of page \(place / 4096)")
        }
        #expect(lost <= most, "byte \(place % 4096) of page \(place / 4096): \(problems.prefix(3))")
      }
      try file.write([byte], at: place)
    }
    #expect(try Self.problems(sample.path) == [])
  }
}
