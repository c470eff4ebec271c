import Files
import LMDB
import TestSupport
import Testing

@testable import Engram

/// A store whose pages are walked before it is opened, as `verify --deep` does.
@Suite struct InspectedOpeningTests {
  private let place = TestStore()

  /// The bug: `open.lock` was held during the walk, so no process could open the store for as long as it took to read all of it.
  @Test(.timeLimit(.minutes(5))) func othersOpenAndCompactTheStoreWhileItsPagesAreWalked() async throws {
    let store = try await place.open()
    try await store.add((0..<100).map { TestStore.draft("u", $0) })
    try await store.close()
    let path = place.path
    let (outputs, walks) = (Recorder<String?>(), Recorder<Int>())
    var options = StoreOptions(access: .readOnly, createsIfMissing: false)
    options.inspectsPages = .init { report in
      walks.append(report.usedPages)
      guard walks.values.count == 1 else { return }
      // Another process completes a whole rebuild before the walk ends.
      outputs.append(
        try? Subprocess.run(TestProcess.executable("EngramTestChild"), ["compact", path, "0"], timeout: .seconds(20)).standardOutput)
    }
    let reader = try await place.open(options)
    #expect(outputs.values == ["compacted 1\n"])
    // The first generation was superseded during its walk: the opening continues with the next one, and walks that one.
    #expect(walks.values.count == 2 && reader.core.generation.number == 2)
    #expect(try reader.count() == 100)
    #expect(try await reader.verify(deep: true).problems == [])
    try await reader.close()
    let again = try await place.open()
    #expect(try Directories.entries(place.path).filter { $0.hasPrefix("gen-") } == ["gen-2"])
    try await again.close()
  }

  @Test(.timeLimit(.minutes(5))) func damageKeepsTheStoreClosedAndTheLockFree() async throws {
    let store = try await place.open()
    try await store.add((0..<100).map { TestStore.draft("u", $0) })
    try await store.close()
    let data = "\(place.path)/gen-1/data.mdb"
    let file = try FileHandle(path: data, access: .readWrite)
    // Zeros every page but the two meta pages.
    try file.writeZeros(from: 2 * 4096, to: file.status().sizeBytes)
    var options = StoreOptions(access: .readOnly, createsIfMissing: false)
    options.inspectsPages = .init { _ in }
    await expectCode(.corrupted) { _ = try await place.open(options) }
    for name in ["open.lock", "alive.lock"] {
      let lock = try FileLock(existing: "\(place.path)/\(name)")
      #expect(try lock.tryLock(.exclusive), "\(name) is still held")
    }
  }
}
