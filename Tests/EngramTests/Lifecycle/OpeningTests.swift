import Files
import Foundation
import LMDB
import TestSupport
import Testing
import VectorSearch

@testable import Engram

/// Which stores open, and which are refused with an error that names the cause. A refused store is left as it was.
@Suite(.serialized) struct OpeningTests {
  private let place = TestStore()
  private let other = TestStore()

  private func make(_ place: TestStore, memories: Int = 3) async throws {
    let store = try await place.open()
    try await store.add((0..<memories).map { TestStore.draft("u", $0) })
    try await store.close()
  }

  /// Expects that the store is refused with `code` and a message that names `name`, for both kinds of access.
  private func expectRefused(
    _ code: StoreError.Code, naming name: String, _ access: [StoreOptions.Access] = [.readOnly, .readWrite],
    sourceLocation: SourceLocation = #_sourceLocation
  ) async {
    for access in access {
      let error = await #expect(throws: StoreError.self, sourceLocation: sourceLocation) {
        _ = try await place.open(StoreOptions(access: access))
      }
      #expect(error?.code == code, "\(error.map { "\($0)" } ?? "")", sourceLocation: sourceLocation)
      #expect(error?.description.contains(name) == true, "\(error.map { "\($0)" } ?? "")", sourceLocation: sourceLocation)
    }
  }

  @Test func aMissingStoreIsNotMadeWhereThatWasNotAskedFor() async throws {
    await expectCode(.storeMissing) { _ = try await place.open(StoreOptions(access: .readOnly)) }
    await expectCode(.storeMissing) { _ = try await place.open(StoreOptions(createsIfMissing: false)) }
    await expectCode(.storeMissing) { _ = try await MemoryStore.open(at: place.url.appendingPathComponent("deep/store")) }
    #expect(try FileManager.default.contentsOfDirectory(atPath: place.directory.path).isEmpty)
    await expectCode(.invalidArgument) { _ = try await MemoryStore.open(at: URL(string: "https://example.com/store")!) }
  }

  @Test func aDirectoryOfOtherFilesAndAFileAreNoStores() async throws {
    try FileManager.default.createDirectory(atPath: place.path, withIntermediateDirectories: false)
    try Data("x".utf8).write(to: place.url.appendingPathComponent("notes.txt"))
    await expectRefused(.notAStore, naming: place.path)
    #expect(try FileManager.default.contentsOfDirectory(atPath: place.path) == ["notes.txt"])
    try FileManager.default.removeItem(atPath: place.path)
    try Data("x".utf8).write(to: place.url)
    await expectRefused(.notAStore, naming: place.path)
    #expect(try Data(contentsOf: place.url) == Data("x".utf8))
  }

  @Test func anEmptyDirectoryBecomesAStore() async throws {
    try FileManager.default.createDirectory(atPath: place.path, withIntermediateDirectories: false)
    await expectCode(.storeMissing) { _ = try await place.open(StoreOptions(access: .readOnly)) }
    try await make(place)
    let store = try await place.open(StoreOptions(access: .readOnly))
    #expect(try store.count() == 3)
    try await store.close()
  }

  @Test func aLinkToAnEmptyDirectoryBecomesAStoreWhereItPoints() async throws {
    let target = place.directory.path("target")
    try FileManager.default.createDirectory(atPath: target, withIntermediateDirectories: false)
    try FileManager.default.createSymbolicLink(atPath: place.path, withDestinationPath: target)
    try await make(place)
    #expect(FileManager.default.fileExists(atPath: "\(target)/current"))
    #expect(try Directories.entries(place.directory.path) == ["store", "target"])
  }

  @Test func rowsOfAnotherStoreAreRefusedNamingTheField() async throws {
    try await make(place)
    try await make(other)
    let (mine, foreign) = ("\(place.path)/gen-1/rows.f32", "\(other.path)/gen-1/rows.f32")
    try FileManager.default.removeItem(atPath: mine)
    try FileManager.default.copyItem(atPath: foreign, toPath: mine)
    await expectRefused(.corrupted, naming: "store UUID")
  }

  @Test(arguments: ["dimension", "metric", "generation"])
  func aRowHeaderWithAnotherFieldIsRefusedNamingIt(field: String) async throws {
    let store = try await place.open()
    try await store.add(TestStore.draft("u", 1))
    let record = store.core.generation.store
    try await store.close()
    let header = RowFileHeader(
      storeID: record.storeID, generation: field == "generation" ? 2 : 1, dimension: field == "dimension" ? 9 : 8,
      metric: (field == "metric" ? Metric.dot : .cosine).rows)
    let file = try Files.FileHandle(path: "\(place.path)/gen-1/rows.f32", access: .readWrite)
    try file.write(header.encoded(), at: 0)
    await expectRefused(.corrupted, naming: field)
  }

  @Test func truncatedAndMissingFilesAreRefusedByName() async throws {
    try await make(place, memories: 100)
    let (rows, data) = ("\(place.path)/gen-1/rows.f32", "\(place.path)/gen-1/data.mdb")
    let (rowBytes, dataBytes) = (try Data(contentsOf: URL(fileURLWithPath: rows)), try Data(contentsOf: URL(fileURLWithPath: data)))
    for size in [0, 100, 4096, 4096 + 64 * 50] {
      try rowBytes.prefix(size).write(to: URL(fileURLWithPath: rows))
      await expectRefused(.corrupted, naming: "rows.f32")
    }
    try FileManager.default.removeItem(atPath: rows)
    await expectRefused(.corrupted, naming: "rows.f32")
    try rowBytes.write(to: URL(fileURLWithPath: rows))
    try setPermissions(rows, 0o600)
    try FileManager.default.removeItem(atPath: data)
    await expectRefused(.corrupted, naming: "data.mdb")
    try dataBytes.write(to: URL(fileURLWithPath: data))
    try setPermissions(data, 0o600)
    let store = try await place.open()
    #expect(try store.count() == 100)
    try await store.close()
  }

  /// The bug: a data file that is shorter than its meta page says was mapped, and the first touch beyond its end raised SIGBUS. The test
  /// opens it in another process, because the signal would end this one.
  @Test func aTruncatedDataFileIsRefusedByName() async throws {
    try await make(place, memories: 2000)
    let data = URL(fileURLWithPath: "\(place.path)/gen-1/data.mdb")
    let bytes = try Data(contentsOf: data)
    // A file may be longer than its used part, but two thousand memories use more than each of these sizes.
    for size in [0, 100, 4096, 8192, 16_384, 262_144] {
      try bytes.prefix(size).write(to: data)
      let outcome = try await ChildProcess.run(["open", place.path, "read-write"])
      #expect(outcome.termination == .exited(1), "\(size) of \(bytes.count) bytes: \(outcome)")
      #expect(outcome.standardOutput.hasPrefix("failed corrupted: ") && outcome.standardOutput.contains("data.mdb"), "\(outcome)")
    }
    try bytes.write(to: data)
    let store = try await place.open()
    #expect(try store.count() == 2000)
    try await store.close()
  }

  @Test(
    arguments: [
      "", "gen-1", "gen-0\n", "gen-01\n", "gen-x\n", "gen-1\ngen-2\n", "gen--1\n", "gen-7\n", String(repeating: "x", count: 100),
    ])
  func aDamagedNameOfTheGenerationIsRefused(text: String) async throws {
    try await make(place)
    try Data(text.utf8).write(to: place.url.appendingPathComponent("current"))
    await expectRefused(.corrupted, naming: text == "gen-7\n" ? "gen-7" : "current")
  }

  /// Rewrites the store record as a later version would write it.
  private func rewriteRecord(_ change: (inout StoreRecord) -> Void) throws {
    let environment = try Environment(path: "\(place.path)/gen-1", databases: Tables.names, options: Environment.Options())
    let schema = Schema(environment)
    var record = try readRecord(environment, schema)
    change(&record)
    var transaction = try EnvironmentTransaction(environment)
    try transaction.put(MetaKey.store.encoded, record.encoded(), in: schema[Tables.Meta.self])
    try transaction.commit()
    #expect(environment.close())
  }

  private func readRecord(_ environment: Environment, _ schema: Schema) throws -> StoreRecord {
    let transaction = try EnvironmentSnapshot(environment)
    guard let value = try transaction.view.value(MetaKey.store.encoded, in: schema[Tables.Meta.self]) else {
      throw StoreError(.corrupted, "no record")
    }
    return try StoreRecord(value)
  }

  @Test func aNewerFormatIsRefused() async throws {
    try await make(place)
    try rewriteRecord { $0.format = 2 }
    await expectRefused(.newerFormat, naming: "format 2")
  }

  @Test func anUnknownIncompatibleFeatureIsRefused() async throws {
    try await make(place)
    try rewriteRecord { $0.features.incompatible = 1 << 40 }
    await expectRefused(.newerFormat, naming: "10000000000")
  }

  @Test func anUnknownReadOnlyCompatibleFeatureAllowsReadingOnly() async throws {
    try await make(place)
    try rewriteRecord {
      $0.features.readOnlyCompatible = 4
      $0.features.compatible = 0xFF
    }
    await expectRefused(.newerFormat, naming: "read-only", [.readWrite])
    let store = try await place.open(StoreOptions(access: .readOnly))
    #expect(try store.count() == 3)
    // A second handle of the same process is refused as well.
    await #expect(throws: StoreError.self) { _ = try await place.open() }
    try await store.close()
  }

  @Test func theRecordOfAnotherGenerationIsRefused() async throws {
    try await make(place)
    try FileManager.default.moveItem(atPath: "\(place.path)/gen-1", toPath: "\(place.path)/gen-2")
    try Data("gen-2\n".utf8).write(to: place.url.appendingPathComponent("current"))
    await expectRefused(.corrupted, naming: "generation 1")
  }
}
