import Files
import Foundation
import TestSupport
import Testing

@testable import Engram

/// Files of a directory that is not a store: which are read, and which are not.
@Suite struct ResidueScanTests {
  private let directory = TemporaryDirectory()

  private func write(_ bytes: [UInt8], _ name: String) throws {
    try Data(bytes).write(to: URL(fileURLWithPath: directory.path(name)))
  }

  private let pattern = Array("a pattern of 24 bytes...".utf8)

  private func patterns() -> ErasurePatterns { ErasurePatterns(.user("u"), patternList([(.text, pattern)])) }

  @Test(arguments: 0..<12) func chunksChangeNothing(seed: UInt64) throws {
    var random = SeededGenerator(seed: seed)
    let bytes = random.bytes(of: [1, 2], count: Int.random(in: 100...600, using: &random))
    var patterns = random.patterns(20, least: 8, alphabet: [1, 2], from: bytes)
    patterns.append((.userID, Array(bytes.prefix(30))))
    patterns.append((.userKey, Array(bytes.suffix(30))))
    try write(bytes, "file")
    let expected = naiveSearch(patterns, in: bytes)
    let counts = expected.reduce(into: [:]) { $0[$1.kind, default: 0] += 1 }
    for chunkBytes in [1, 2, 7, 31, bytes.count / 2, bytes.count - 1, bytes.count, bytes.count + 1, 4096] {
      var scan = ResidueScan(PatternSet(patternList(patterns)), chunkBytes: chunkBytes)
      var read = 0
      let file = try scan.scan(directory.path("file"), name: "file") { read += $0 }
      #expect(file.hits == counts)
      #expect(file.firstHits == expected.prefix(8).map { ErasureScan.Hit(kind: $0.kind, offset: $0.offset) })
      #expect(file.sizeBytes == bytes.count && file.scannedBytes == bytes.count && read == bytes.count)
    }
  }

  @Test func everyFileOfTheTreeIsRead() throws {
    try write(pattern, "a")
    try write([], "empty")
    try FileManager.default.createDirectory(atPath: directory.path("gen-1/deeper"), withIntermediateDirectories: true)
    try write([0, 0, 0] + pattern + pattern, "gen-1/rows.f32")
    try write([1] + pattern.dropLast(), "gen-1/deeper/b")
    let scan = try patterns().scan(Directory(path: directory.path))
    #expect(scan.files.map(\.name) == ["a", "empty", "gen-1/deeper/b", "gen-1/rows.f32"])
    #expect(scan.files.map(\.hits) == [[.text: 1], [:], [:], [.text: 2]])
    #expect(scan.files[3].firstHits == [.init(kind: .text, offset: 3), .init(kind: .text, offset: 27)])
    #expect(scan.hits == [.text: 3] && !scan.isClean && scan.notScanned.isEmpty)
    #expect(scan.bytes == 24 + 24 + 51 && scan.searched == [.text: 1] && scan.sharedWithSurvivors.isEmpty)
  }

  @Test func linksLockTablesAndPipesAreNotOpened() throws {
    try FileManager.default.createDirectory(atPath: directory.path("gen-1"), withIntermediateDirectories: true)
    try write(pattern, "gen-1/lock.mdb")
    try FileManager.default.linkItem(atPath: directory.path("gen-1/lock.mdb"), toPath: directory.path("same.table"))
    let elsewhere = TemporaryDirectory()
    try Data(pattern).write(to: URL(fileURLWithPath: elsewhere.path("file")))
    try FileManager.default.createSymbolicLink(atPath: directory.path("link"), withDestinationPath: elsewhere.path("file"))
    try FileManager.default.createSymbolicLink(atPath: directory.path("tree"), withDestinationPath: elsewhere.path)
    #expect(unsafe mkfifo(directory.path("pipe"), 0o600) == 0)
    let scan = try patterns().scan(Directory(path: directory.path))
    #expect(scan.files.isEmpty && scan.isClean && scan.bytes == 0)
    #expect(scan.notScanned.map(\.name) == ["gen-1/lock.mdb", "link", "pipe", "same.table", "tree"])
    #expect(scan.notScanned[0].sizeBytes == pattern.count)
    #expect(scan.notScanned.map { $0.reason.contains("lock table") } == [true, false, false, true, false])
  }

  @Test func aFileThatGoesMeanwhileIsNamed() throws {
    try write(pattern, "a")
    try write(pattern, "b")
    let files = try StoreFiles(Directory(path: directory.path))
    try FileManager.default.removeItem(atPath: directory.path("a"))
    var scan = ResidueScan(PatternSet(patternList([(.text, pattern)])))
    try scan.run(files) { _ in }
    #expect(scan.files.map(\.name) == ["b"])
    #expect(scan.notScanned == [.init(name: "a", sizeBytes: 24, reason: "it was removed before it could be read")])
  }

  @Test func aFileThatCannotBeReadIsAnError() async throws {
    try write(pattern, "a")
    let files = try StoreFiles(Directory(path: directory.path))
    // A link in place of the file is not followed.
    try FileManager.default.removeItem(atPath: directory.path("a"))
    try FileManager.default.createSymbolicLink(atPath: directory.path("a"), withDestinationPath: "/dev/zero")
    var scan = ResidueScan(PatternSet(patternList([(.text, pattern)])))
    #expect(throws: FileError.self) { try scan.run(files) { _ in } }
  }

  @Test func progressEndsWithTheTotal() throws {
    try write([UInt8](repeating: 1, count: 1000), "a")
    try write([UInt8](repeating: 1, count: 500), "b")
    var steps: [OperationProgress] = []
    _ = try patterns().scan(Directory(path: directory.path), chunkBytes: 100) { steps.append($0) }
    #expect(steps.allSatisfy { $0.phase == .scanning && $0.total == 1500 })
    #expect(steps.map(\.done) == steps.map(\.done).sorted())
    #expect(steps.count > 15 && steps.last?.done == 1500)
  }
}
