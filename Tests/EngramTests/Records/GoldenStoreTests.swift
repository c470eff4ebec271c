import Foundation
import TestSupport
import Testing

@testable import Engram

/// All contents of a small store as text: a change of any byte of the format changes it.
@Suite(.serialized) struct GoldenStoreTests {
  private let scratch = ScratchStore()

  private func fill(_ store: MemoryStore) async throws {
    func id(_ number: UInt64) -> MemoryID { MemoryID(high: 0x0190_0000_0000_7000, low: 0x8000_0000_0000_0000 | number) }
    let start = Date(timeIntervalSince1970: 0)
    try await store.add([
      MemoryDraft(
        userID: "ada", text: "likes ramen", embedding: [3, 4], kind: "fact", sessionID: "s1", speaker: "Ada", createdAt: start,
        importance: 0.75,
        expiresAt: Date(timeIntervalSince1970: 4e9), dedupeKey: "food", metadata: ["n": 1, "x": 0.1, "ok": true, "city": "Oslo"], id: id(1)),
      MemoryDraft(userID: "bob", text: "", createdAt: start, id: id(2)),
      MemoryDraft(
        userID: "ada", text: "plays chess", embedding: [1, 0], kind: "fact", createdAt: Date(timeIntervalSince1970: -1), id: id(3)),
    ])
    try await store.put(UserContext(userID: "ada", topics: ["food"], firstSeen: start))
    try await store.put(
      UserContext(userID: "ada", conversationsCount: 1, preferences: ["tone": "dry"], lastMessage: "Hi", firstSeen: start))
    try await store.put(ReferenceNote(userID: "bob", lines: ["x"], mood: nil))
    try await store.delete(id(3), for: "ada")
    let first = id(1)
    try await store.write(token: "token") { transaction in
      _ = try transaction.update(first, for: "ada", embedding: [0, -2]) { $0.with(kind: .some("taste"), expiresAt: .some(nil)) }
    }
  }

  @Test func theDumpOfASmallStoreIsTheGoldenOne() async throws {
    let store = try await scratch.open(dimension: 2)
    try await fill(store)
    let dump = try StoreDump.text(store)
    #expect(dump.split(separator: "\n").elementsEqual(Self.golden.split(separator: "\n")), "\(dump)")
    try await store.close()
    let again = try await scratch.open()
    #expect(try StoreDump.text(again) == dump)
    try await again.close()
  }

  // The update has made a second version. Two rows of the run of four are dead: that of the deleted memory, and that of the replaced
  // embedding.
  private static let golden = #"""
    meta (2)
      state: {"users": 2, "tables": 3, "tokens": 1, "contexts": 2, "logCount": 8, "logFirst": 1, "memories": 2, "rowsDead": 2, "rowsHigh": 4, "rowsLive": 1, "supersededBy": 0, "batchSequence": 6, "codesSequence": 0}
      store: {"format": 1, "metric": "cosine", "features": {"compatible": 0, "incompatible": 2, "readOnlyCompatible": 0}, "dimension": 2, "generation": 1}
    users (2)
      <ada>: {"rows": 1, "blocks": 1, "userID": "ada", "filling": 0, "contexts": 1, "memories": 1}
      <bob>: {"rows": 0, "blocks": 0, "userID": "bob", "filling": 0, "contexts": 1, "memories": 1}
    contexts (2)
      <ada>UserContext: {"schema": 1, "userID": "ada", "version": 2, "contents": {"topics": [], "userID": "ada", "lastSeen": 0, "firstSeen": 0, "lastMessage": "Hi", "preferences": {"tone": "dry"}, "friendshipLevel": 0, "conversationsCount": 1}}
      <bob>UserContext-note: {"schema": 1, "userID": "bob", "version": 1, "contents": {"lines": ["x"], "userID": "bob"}}
    history (2)
      <ada>01019000000000700080000000000000010000000000000001: {"kind": "fact", "text": "likes ramen", "schema": 1, "userID": "ada", "speaker": "Ada", "metadata": {"n": 1, "x": 0.1, "ok": true, "city": "Oslo"}, "dedupeKey": "food", "expiresAt": 4000000000000, "sessionID": "s1", "importance": 0.75}
      <ada>UserContext|000000000000000001: {"schema": 1, "userID": "ada", "version": 1, "contents": {"topics": ["food"], "userID": "ada", "lastSeen": 0, "firstSeen": 0, "preferences": {}, "friendshipLevel": 0, "conversationsCount": 0}}
    memories (2)
      01900000000070008000000000000001: {"row": 2, "kind": "taste", "text": "likes ramen", "block": 0, "schema": 2, "userID": "ada", "speaker": "Ada", "version": 2, "metadata": {"n": 1, "x": 0.1, "ok": true, "city": "Oslo"}, "createdAt": 0, "dedupeKey": "food", "sessionID": "s1", "importance": 0.75, "rowChecksum": 11076322762625729828}
      01900000000070008000000000000002: {"text": "", "schema": 1, "userID": "bob", "createdAt": 0, "importance": 0.5}
    timeline (2)
      <ada>800000000000000001900000000070008000000000000001
      <bob>800000000000000001900000000070008000000000000002
    blocks (1)
      <ada>00000000: 000000000000000004030000000000000000000000000000000004
    columns (1)
      <ada>00000000: 010301010000000000000000000000000000000000000000000000000000000000000000019000000000700080000000000000010000000000000000000000000000000000000000000000007fffffffffffffff7fffffffffffffff7fffffffffffffff0000010000010005746173746500027331
    expiry (0)
    dedupe (1)
      <ada>#: 01900000000070008000000000000001
    tokens (2)
      0#: {"token": "token", "sequence": 6}
      10000000000000006#
    log (8)
      000000000000000100000000: {"id": h'01900000000070008000000000000001', "userID": "ada", "operation": 1}
      000000000000000100000001: {"id": h'01900000000070008000000000000002', "userID": "bob", "operation": 1}
      000000000000000100000002: {"id": h'01900000000070008000000000000003', "userID": "ada", "operation": 1}
      000000000000000200000000: {"userID": "ada", "operation": 3, "recordType": "UserContext"}
      000000000000000300000000: {"userID": "ada", "operation": 3, "recordType": "UserContext"}
      000000000000000400000000: {"userID": "bob", "operation": 3, "recordType": "UserContext-note"}
      000000000000000500000000: {"id": h'01900000000070008000000000000003', "userID": "ada", "operation": 2}
      000000000000000600000000: {"id": h'01900000000070008000000000000001', "userID": "ada", "operation": 1}
    sessions (1)
      <ada>#800000000000000001900000000070008000000000000001
    words (2)
      <ada>800000000000000001900000000070008000000000000001: 1 memories
      <bob>800000000000000001900000000070008000000000000002: 1 memories
    """#
}
