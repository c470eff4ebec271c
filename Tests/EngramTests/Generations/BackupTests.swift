import Files
import Foundation
import TestSupport
import Testing

@testable import Engram

/// A backup is a complete store, or it does not exist.
@Suite(.serialized) struct BackupTests {
  private let place = TestStore()
  private var destination: URL { URL(fileURLWithPath: place.directory.path("backup")) }

  private func export(_ store: MemoryStore) throws -> [UInt8] {
    var bytes: [UInt8] = []
    _ = try store.exportLines { bytes += $0 }
    return bytes
  }

  private func fill(_ store: MemoryStore, seed: UInt64) async throws {
    var generator = SeededGenerator(seed: seed)
    for write in RandomWrite.make(count: 60, existing: [], &generator) {
      _ = try? await store.write(token: write.token) { try write.run(&$0) }
    }
  }

  @Test func openingItIsRestoringIt() async throws {
    let store = try await place.open()
    try await fill(store, seed: 3)
    let report = try await store.backup(to: destination)
    let copy = try await MemoryStore.open(at: destination)
    #expect(try export(copy) == export(store))
    let (original, restored) = (try StoreContents(store), try StoreContents(copy))
    #expect(restored.histories == original.histories && restored.tokens == original.tokens && restored.log == original.log)
    #expect(copy.identity.storeID == store.identity.storeID)
    #expect(try report.batchSequence == store.status.batchSequence && copy.status.batchSequence == report.batchSequence)
    #expect(try report.memories == store.count())
    try await copy.add(TestStore.draft("later", 1))
    #expect(try store.count(scope: .user("later")) == 0)
    #expect(try await copy.verify().problems == [])
    try await copy.close()
    try await store.close()
  }

  @Test func aStoreOpenForReadingIsBackedUp() async throws {
    let store = try await place.open()
    try await fill(store, seed: 5)
    let before = try export(store)
    try await store.close()
    let reader = try await place.open(StoreOptions(access: .readOnly))
    try await reader.backup(to: destination)
    try await reader.close()
    let copy = try await MemoryStore.open(at: destination)
    #expect(try export(copy) == before)
    try await copy.close()
  }

  @Test func onlyItsOwnerMayReadIt() async throws {
    let store = try await place.open()
    try await store.add(TestStore.draft("u", 1))
    try await store.backup(to: destination)
    try await store.close()
    for path in try FileManager.default.subpathsOfDirectory(atPath: destination.path).map({ "\(destination.path)/\($0)" }) + [
      destination.path
    ] {
      let status = try #require(try Directories.status(path))
      #expect(String(status.permissions, radix: 8) == (status.isDirectory ? "700" : "600"), "\(path)")
    }
  }

  /// If the source is damaged, the backup fails, and nothing is left of it.
  @Test func aDamagedRowIsNotCopied() async throws {
    let store = try await place.open()
    try await store.add((0..<10).map { TestStore.draft("u", $0) })
    let rows = try FileHandle(path: "\(place.path)/gen-1/rows.f32", access: .readWrite)
    try rows.write([0xFF], at: 4096 + 64 * 3 + 2)
    await expectCode(.corrupted) { try await store.backup(to: destination) }
    await expectCode(.corrupted) { try await store.compact() }
    #expect(try Directories.entries(place.directory.path) == ["store"])
    #expect(try Directories.entries(place.path).filter { $0.hasPrefix("gen-") } == ["gen-1"])
    try await store.add(TestStore.draft("u", 11))
    try await store.close()
  }

  @Test func aTakenPlaceIsRefused() async throws {
    let store = try await place.open()
    try FileManager.default.createDirectory(at: destination, withIntermediateDirectories: false)
    await expectCode(.storeExists) { try await store.backup(to: destination) }
    await expectCode(.storeMissing) { try await store.backup(to: destination.appendingPathComponent("missing/backup")) }
    await expectCode(.invalidArgument) { try await store.backup(to: place.url.appendingPathComponent("backup")) }
    #expect(try Directories.entries(destination.path) == [])
    try await store.close()
  }

  @Test(.timeLimit(.minutes(6))) func aBackupUnderFullLoadVerifies() async throws {
    let store = try await place.open()
    let soak = try ChildProcess(["soak", place.path, "--seconds", "4", "--writers", "2", "--readers", "1"])
    let end = ContinuousClock.now + .seconds(4)
    var last: UInt64 = 0
    for number in 0... where ContinuousClock.now < end {
      let url = URL(fileURLWithPath: place.directory.path("backup\(number)"))
      let report = try await store.backup(to: url)
      #expect(report.batchSequence >= last)
      last = report.batchSequence
      let copy = try await MemoryStore.open(at: url)
      #expect(try await copy.verify().problems == [])
      _ = try StoreContents(copy)
      try await copy.close()
      if ContinuousClock.now > end { break }
    }
    let outcome = try await soak.finish()
    #expect(outcome.standardOutput.contains(#""errors":[]"#), "\(outcome)")
    try await store.close()
  }
}
