import Files
import Foundation
import TestSupport
import Testing

@testable import Engram

/// The cases that a repair refuses; it then leaves no files behind.
@Suite struct RepairRefusalTests {
  private let place: DamagedStorePlace

  init() async throws { place = try await DamagedStorePlace(size: 5) }

  private func expectRefusal(_ code: StoreError.Code, sourceLocation: SourceLocation = #_sourceLocation) async throws {
    let before = try Directories.entries(place.directory.path)
    await expectCode(code, sourceLocation: sourceLocation) { try await MemoryStore.repair(place.url, into: place.destination) }
    #expect(try Directories.entries(place.directory.path) == before, sourceLocation: sourceLocation)
  }

  @Test func aStoreInUseIsRefused() async throws {
    let store = try await MemoryStore.open(at: place.url)
    let error = await #expect(throws: StoreError.self) { try await MemoryStore.repair(place.url, into: place.destination) }
    #expect(error?.code == .stillInUse && error?.message.contains("\(ProcessInfo.processInfo.processIdentifier)") == true)
    try FileManager.default.removeItem(atPath: "\(place.path)/alive.lock")
    // A lock on the data file also shows that the store is in use.
    try await expectRefusal(.stillInUse)
    try await store.close()
    _ = try await place.repair()
  }

  @Test func aTakenPlaceIsRefused() async throws {
    try FileManager.default.createDirectory(at: place.destination, withIntermediateDirectories: false)
    try await expectRefusal(.storeExists)
    #expect(try Directories.entries(place.destination.path) == [])
    await expectCode(.storeExists) { try await MemoryStore.repair(place.url, into: place.url) }
    await expectCode(.invalidArgument) { try await MemoryStore.repair(place.url, into: place.url.appendingPathComponent("new")) }
    await expectCode(.storeMissing) { try await MemoryStore.repair(place.url, into: place.destination.appendingPathComponent("a/b")) }
  }

  @Test func whatIsNoStoreIsRefused() async throws {
    let missing = URL(fileURLWithPath: place.directory.path("missing"))
    await expectCode(.storeMissing) { try await MemoryStore.repair(missing, into: place.destination) }
    let other = URL(fileURLWithPath: place.directory.path)
    await expectCode(.notAStore) { try await MemoryStore.repair(other, into: URL(fileURLWithPath: "\(place.path)-new")) }
  }

  @Test func withoutAnyMetaPageThereIsNothingToSave() async throws {
    try place.damageData { $0.bytes.replaceSubrange(0..<8192, with: repeatElement(0, count: 8192)) }
    try await expectRefusal(.corrupted)
  }

  @Test func missingAndUnwritableLockFilesAreNoHindrance() async throws {
    for name in ["open.lock", "alive.lock", "writer.lock"] { try FileManager.default.removeItem(atPath: "\(place.path)/\(name)") }
    let (report, contents) = try await place.repair()
    #expect(report.losses == [])
    place.expectKept(contents)
  }

  @Test func aCancelledRepairLeavesNothing() async throws {
    let (url, destination) = (place.url, place.destination)
    let task = Task { try await MemoryStore.repair(url, into: destination) }
    task.cancel()
    await #expect(throws: CancellationError.self) { try await task.value }
    #expect(try Directories.entries(place.directory.path) == ["store"])
  }

  /// The successor is the live generation; other generations beside it are not.
  @Test func theLiveGenerationIsFoundWithoutItsName() async throws {
    let store = try await MemoryStore.open(at: place.url)
    let old = try Directories.entries("\(place.path)/gen-1").map { name in (name, try place.read("\(place.path)/gen-1/\(name)")) }
    try await store.compact()
    let id = try await store.add(TestStore.draft("later", 1)).id
    try await store.close()
    // An unfinished generation with a higher number, as an interrupted rebuild leaves it.
    try Directories.create("\(place.path)/gen-3")
    for (name, bytes) in old { try place.write(bytes, to: "\(place.path)/gen-3/\(name)") }
    try place.write([], to: "\(place.path)/current")
    let (report, contents) = try await place.repair()
    #expect(report.generation == 2 && report.losses == [])
    #expect(contents.memories.contains { $0.memory.id == id })
  }
}
