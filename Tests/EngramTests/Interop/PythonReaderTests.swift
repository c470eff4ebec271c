import Foundation
import TestSupport
import Testing

@testable import Engram

/// `Tools/read_store.py` reads a store with py-lmdb, cbor2, NumPy and xxhash, without Engram, and must agree with it.
///
/// `ENGRAM_PYTHON` names a Python that has these packages; without it, `python3` from the path is used.
@Suite(.serialized) struct PythonReaderTests {
  private let scratch = ScratchStore()

  private var script: String {
    // From Tests/EngramTests/Interop/ to the package's root.
    var url = URL(filePath: #filePath)
    for _ in 0..<4 { url.deleteLastPathComponent() }
    return url.appending(path: "Tools/read_store.py").path
  }

  private struct PythonFailure: Error, CustomStringConvertible {
    let description: String
  }

  /// The lines that the script prints, by their type.
  private func read(_ arguments: [String] = []) async throws -> [String: [[String: Any]]] {
    let python = ProcessInfo.processInfo.environment["ENGRAM_PYTHON"] ?? "python3"
    let command = [python, "-X", "utf8", script, scratch.url.path] + arguments
    let outcome = try await onBlockingThread { try Subprocess.run("/usr/bin/env", command) }
    guard outcome.termination == .exited(0) else {
      throw PythonFailure(
        description: "\(python): \(outcome.standardError)Set ENGRAM_PYTHON to a Python 3 with the packages lmdb, cbor2, numpy and xxhash.")
    }
    var lines: [String: [[String: Any]]] = [:]
    for line in outcome.standardOutput.split(separator: "\n") {
      let object = try #require(try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any])
      lines[try #require(object["type"] as? String), default: []].append(object)
    }
    return lines
  }

  private func same(_ value: Any?, _ expected: MetadataValue) -> Bool {
    switch expected {
    case .string(let text): (value as? String).map { Array($0.utf8) == Array(text.utf8) } ?? false
    case .integer(let number): (value as? NSNumber)?.int64Value == number
    case .double(let number): (value as? NSNumber)?.doubleValue == number
    case .bool(let flag): (value as? Bool) == flag
    }
  }

  @Test(arguments: Metric.allCases) func pythonReadsAStoreAndAgrees(_ metric: Metric) async throws {
    var random = SeededGenerator(seed: metric == .cosine ? 61 : 62)
    let store = try await scratch.open(dimension: 19, metric: metric)
    let users = ["ada", "%", "水\u{202E}\"\\", "a\u{0}b"]
    var ids = try await store.add(
      (0..<700).map { index -> MemoryDraft in
        var draft = RandomFilter.draft(user: users[index % 4], embedding: index % 6 == 0 ? nil : random.vector(19), &random)
        draft.text = random.text(40)
        draft.metadata["big"] = .integer(.max)
        if index % 9 == 0 { draft.dedupeKey = "d\(index)" }
        // The first block of each user keeps version 1 of the columns.
        if index > 300 { RandomFilter.addDetails(to: &draft, &random) }
        return draft
      }
    ).map(\.id)
    for index in 0..<60 { try await store.delete(ids[index], for: users[index % 4]) }
    for index in 60..<90 {
      try await store.update(ids[index], for: users[index % 4], embedding: Embedding(random.vector(19))) { $0.with(text: "changed") }
    }
    ids.removeFirst(60)
    for round in 0..<5 {
      for user in users {
        try await store.put(UserContext(userID: user, conversationsCount: round, preferences: ["k": user], topics: ["\(round)"]))
      }
    }
    try await store.put(ReferenceNote(userID: "ada", lines: ["x"], mood: 0.25))
    let (status, listed) = (try store.status, try store.users())
    // The first memories were deleted, so the remaining list begins with one of the first user again.
    let memories = try ids.enumerated().map { try #require(try store.memory($1, for: users[$0 % 4])) }
    let embeddings = try ids.enumerated().map { try store.embedding(of: $1, for: users[$0 % 4]) }
    let contexts = try users.map { try #require(try store.context(for: $0)) }
    try await store.close()

    let lines = try await read()
    let head = try #require(lines["store"]?.first)
    #expect(head["dimension"] as? Int == 19 && head["metric"] as? String == metric.rawValue && head["format"] as? Int == 1)
    #expect(
      head["memories"] as? Int == status.memories && head["users"] as? Int == status.users && head["contexts"] as? Int == status.contexts)
    #expect(head["rowsLive"] as? Int == status.rowsLive && head["rows"] as? Int == status.rowsAllocated)
    #expect(head["batchSequence"] as? Int == Int(status.batchSequence))
    #expect(lines["user"]?.compactMap { $0["userID"] as? String } == listed.map(\.userID))
    #expect(lines["user"]?.compactMap { $0["embeddings"] as? Int } == listed.map(\.embeddings))

    let found = try #require(lines["memory"])
    #expect(found.compactMap { $0["id"] as? String } == ids.sorted().map(\.description))
    let byID = Dictionary(uniqueKeysWithValues: found.map { ($0["id"] as? String ?? "", $0) })
    for (memory, embedding) in zip(memories, embeddings) {
      let line = try #require(byID[memory.id.description])
      #expect(line["userID"] as? String == memory.userID && same(line["text"], .string(memory.text)))
      #expect(
        line["kind"] as? String == memory.kind && line["sessionID"] as? String == memory.sessionID
          && line["speaker"] as? String == memory.speaker)
      #expect((line["createdAt"] as? NSNumber)?.int64Value == memory.createdAt.milliseconds)
      #expect((line["expiresAt"] as? NSNumber)?.int64Value == memory.expiresAt?.milliseconds)
      #expect((line["importance"] as? NSNumber)?.doubleValue == memory.importance && line["dedupeKey"] as? String == memory.dedupeKey)
      let metadata = line["metadata"] as? [String: Any] ?? [:]
      #expect(metadata.count == memory.metadata.count && memory.metadata.allSatisfy { same(metadata[$0.key], $0.value) })
      #expect(line["tags"] as? [String] ?? [] == memory.tags && line["caption"] as? String == memory.caption)
      #expect(line["source"] as? String == memory.source && line["trust"] as? String == memory.trust?.rawValue)
      #expect((line["validFrom"] as? NSNumber)?.int64Value == memory.validFrom?.milliseconds)
      #expect((line["validUntil"] as? NSNumber)?.int64Value == memory.validUntil?.milliseconds)
      #expect(line["derivedFrom"] as? [String] ?? [] == memory.derivedFrom.map(\.description))
      #expect(line["replaces"] as? String == memory.replaces?.description)
      #expect(line["supersededBy"] as? String == memory.supersededBy?.description)
      let bytes = (line["embedding"] as? String).flatMap { Data(base64Encoded: $0) }
      #expect(bytes.map(floats) == embedding?.values)
    }
    let versions = try #require(lines["memoryVersion"])
    #expect(Set(versions.map { $0["id"] as? String }) == Set(ids.prefix(30).map(\.description)) && versions.count == 30)
    #expect(versions.allSatisfy { $0["version"] as? Int == 1 && $0["text"] as? String != "changed" })
    for (index, memory) in memories.enumerated() {
      let line = try #require(byID[memory.id.description])
      #expect(line["version"] as? Int == (index < 30 ? 2 : nil) && memory.version == (index < 30 ? 2 : 1))
      #expect((line["updatedAt"] as? NSNumber)?.int64Value == memory.change?.time)
    }
    let contextLines = lines["context"] ?? []
    #expect(contextLines.count == 5 && lines["history"]?.count == 16)
    for context in contexts {
      let line = contextLines.first { $0["userID"] as? String == context.userID && $0["recordType"] as? String == "UserContext" }
      let value = line?["value"] as? [String: Any]
      #expect(line?["version"] as? Int == 5 && value?["conversationsCount"] as? Int == context.conversationsCount)
      #expect(value?["preferences"] as? [String: String] == context.preferences && value?["topics"] as? [String] == context.topics)
      #expect((value?["firstSeen"] as? NSNumber)?.int64Value == context.firstSeen.milliseconds)
    }
    let arrays = try #require(try await read(["--vectors", "array"])["memory"])
    for (line, id) in zip(arrays, ids.sorted()) {
      let numbers = (line["embedding"] as? [NSNumber])?.map(\.floatValue)
      #expect(numbers == ids.firstIndex(of: id).flatMap { embeddings[$0]?.values })
    }
  }

  private func floats(_ data: Data) -> [Float] {
    let bytes = Array(data)
    return stride(from: 0, to: bytes.count, by: 4).map { offset in
      Float(bitPattern: (0..<4).reduce(0) { $0 | UInt32(bytes[offset + $1]) << UInt32(8 * $1) })
    }
  }

  @Test func pythonReadsAStoreWithoutEmbeddings() async throws {
    let store = try await scratch.open()
    try await store.add(MemoryDraft(userID: "u", text: "plain"))
    try await store.close()
    let lines = try await read()
    #expect(lines["store"]?.first?["dimension"] is NSNull)
    #expect(lines["memory"]?.map { $0["text"] as? String } == ["plain"])
    #expect(lines["memory"]?.first?["embedding"] is NSNull)
  }

  /// The script's checks can fail: it reports one changed byte of a row.
  @Test func pythonTellsADamagedRow() async throws {
    let store = try await scratch.open(dimension: 4)
    try await store.add(MemoryDraft(userID: "u", text: "t", embedding: [1, 0, 0, 0]))
    try await store.close()
    let path = scratch.generationPath + "/rows.f32"
    let handle = try FileHandle(forUpdating: URL(filePath: path))
    try handle.seek(toOffset: 4096)
    try handle.write(contentsOf: Data([1]))
    try handle.close()
    let error = await #expect(throws: PythonFailure.self) { try await read() }
    #expect(error?.description.contains("row 0 of memory") == true)
  }
}
