import Files
import Foundation
import Synchronization
import TestSupport
import Testing

@testable import Engram

/// Moves of a store to another embedder.
@Suite struct ReembedTests {
  private let place = TestStore()
  private let old = MadeEmbedder()

  private var work: String { "\(place.path)/\(EmbeddingWork.fileName)" }

  private func hasWork() throws -> Bool { try Directories.status(work) != nil }

  /// A store of the old embedder with memories of several users.
  private func filled(_ count: Int, users: Int = 4) async throws -> MemoryStore {
    let store = try await place.open(StoreOptions(embedder: old))
    try await store.add((0..<count).map { MemoryDraft(userID: "u\($0 % users)", text: "memory \($0)") })
    return store
  }

  /// Expects that the store is pinned to `embedder`, that every memory has the vector that `embedder` makes of it, and that verification
  /// finds no problem.
  private func expectAll(
    _ store: MemoryStore, by embedder: MadeEmbedder, count: Int, sourceLocation: SourceLocation = #_sourceLocation
  ) async throws {
    #expect(store.identity.embedder == embedder.identity, sourceLocation: sourceLocation)
    #expect(store.identity.dimension == embedder.identity.dimension, sourceLocation: sourceLocation)
    let found = try store.snapshot().read { reader in
      var (count, different) = (0, [String]())
      try RecordReader(reader.view, reader.generation, now: .min).forEachMemory(after: nil) { record in
        count += 1
        let text = EmbeddingTemplate.speakerAndCaption.text(of: record.memory)
        let row = try record.row.map { reference in
          let row = try reader.row(reference)
          return row.indices.map { row[$0] }
        }
        if !isNear(row, embedder.row(of: text)) { different.append(text) }
        return true
      }
      return (count, different)
    }
    #expect(found.0 == count && found.1.isEmpty, "\(found)", sourceLocation: sourceLocation)
    #expect(try await store.verify(deep: true).problems == [], sourceLocation: sourceLocation)
  }

  @Test(.timeLimit(.minutes(5))) func everyMemoryGetsAVectorOfTheNewEmbedder() async throws {
    let store = try await filled(300)
    try await store.put(UserContext(userID: "u0"))
    let ids = try await store.add([
      MemoryDraft(userID: "v", text: "is said", speaker: "Ada", caption: "a cat"),
      MemoryDraft(userID: "v", text: "is kept", isTextOnly: true),
      MemoryDraft(userID: "v", text: "has a vector", embedding: TestStore.vector(1)),
      MemoryDraft(userID: "v", text: "has expired", expiresAt: Date(timeIntervalSinceNow: -60)),
    ]).map(\.id)
    try await store.update(ids[0], for: "v") { $0.with(text: "is said again") }
    try await store.delete(where: .kind("none"), scope: .all)
    let new = MadeEmbedder(dimension: 16, version: "2")
    let phases = Recorder<OperationProgress>()
    let report = try await store.reembed(with: new) { phases.append($0) }
    #expect(report.isChanged && report.memories == 304 && report.embedded == 304 && report.reused == 0)
    #expect(report.generation == 2 && report.holders.isEmpty && report.embedder == new.identity)
    let steps = phases.values
    #expect(steps.first?.phase == .embedding && steps.last?.phase == .copying)
    #expect(steps.last { $0.phase == .embedding }.map { [$0.done, $0.total, $0.count] } == [304, 304, 304])
    try await expectAll(store, by: new, count: 304)
    #expect(try !hasWork())
    #expect(try store.history(of: ids[0], for: "v").map(\.text) == ["is said"] && store.context(for: "u0") != nil)
    // This handle now uses the new embedder.
    #expect(try await store.search("memory 17", scope: .all, mode: .dense).first?.memory.text == "memory 17")
    try await store.add(MemoryDraft(userID: "v", text: "comes later"))
    try await expectAll(store, by: new, count: 305)
    // A second call has nothing to do.
    let again = try await store.reembed(with: new)
    #expect(!again.isChanged && again.embedded == 0 && again.generation == 2 && again.memories == 305)
    // Backups and exports of the store have the new embedder.
    let backup = URL(fileURLWithPath: place.directory.path("backup"))
    try await store.backup(to: backup)
    let file = URL(fileURLWithPath: place.directory.path("all.jsonl"))
    try await store.export(to: file)
    #expect(try String(contentsOf: file, encoding: .utf8).contains(#""embedder":{"name":"made","dimension":16,"version":"2"}"#))
    try await store.close()
    await expectCode(.embedderMismatch) { _ = try await place.open(StoreOptions(embedder: old)) }
    for url in [place.url, backup] {
      let opened = try await MemoryStore.open(at: url, options: StoreOptions(embedder: new))
      try await expectAll(opened, by: new, count: 305)
      try await opened.close()
    }
  }

  /// A store without a dimension, a store whose vectors came from callers, and a store with the metric dot.
  @Test(.timeLimit(.minutes(5)), arguments: 0..<3) func aStoreWithoutAnEmbedderGetsOne(_ kind: Int) async throws {
    let options = [StoreOptions(), StoreOptions(dimension: 8), StoreOptions(dimension: 8, metric: .dot)][kind]
    let store = try await place.open(options)
    try await store.add(
      (0..<10).map { MemoryDraft(userID: "u", text: "memory \($0)", embedding: kind == 0 ? nil : TestStore.vector($0)) })
    let new = MadeEmbedder(dimension: 12)
    let report = try await store.reembed(with: new)
    #expect(report.isChanged && report.embedded == 10)
    #expect(store.identity.metric == options.metric ?? .cosine && store.identity.dimension == 12)
    if kind < 2 { try await expectAll(store, by: new, count: 10) }
    #expect(try await store.search("memory 3", scope: .all, mode: .dense, limit: 10).count == 10)
    #expect(try await store.verify(deep: true).problems == [])
    try await store.close()
  }

  @Test(.timeLimit(.minutes(5))) func anEmptyStoreMovesToo() async throws {
    let store = try await place.open(StoreOptions(embedder: old))
    let new = MadeEmbedder(name: "other")
    #expect(try await store.reembed(with: new).isChanged)
    try await store.add(MemoryDraft(userID: "u", text: "first"))
    try await expectAll(store, by: new, count: 1)
    await expectCode(.invalidArgument) { _ = try await store.reembed(with: MadeEmbedder(dimension: 0)) }
    try await store.close()
  }

  // MARK: Meanwhile

  /// Holds a thread until the test has done something.
  private final class Pause: Sendable {
    private let reached = Atomic(false)
    private let gate = DispatchSemaphore(value: 0)

    var isReached: Bool { reached.load(ordering: .acquiring) }

    func wait() {
      if reached.exchange(true, ordering: .acquiringAndReleasing) { return }
      gate.wait()
    }

    func end() { gate.signal() }
  }

  /// The same for a task, which must not block a thread of the cooperative pool.
  private final class Gate: Sendable {
    private let reached = Atomic(false)
    private let isOpen = Atomic(false)

    var isReached: Bool { reached.load(ordering: .acquiring) }

    func pass() async throws {
      reached.store(true, ordering: .releasing)
      while !isOpen.load(ordering: .acquiring) { try await Task.sleep(for: .milliseconds(1)) }
    }

    func open() { isOpen.store(true, ordering: .releasing) }
  }

  private func change(_ store: MemoryStore, _ ids: [MemoryID], _ name: String) async throws {
    try await store.update(ids[0], for: "w") { $0.with(text: "\(name) changed") }
    try await store.delete(ids[1], for: "w")
    try await store.add([MemoryDraft(userID: "w", text: "\(name) added"), MemoryDraft(userID: "a\(name)", text: "\(name) added")])
  }

  /// Memories written while the texts are embedded, or while the records are copied, are in the next generation with vectors of its
  /// embedder.
  @Test(.timeLimit(.minutes(5))) func whatIsWrittenMeanwhileIsEmbeddedBeforeTheSwitch() async throws {
    let store = try await filled(600)
    let ids = try await store.add((0..<4).map { MemoryDraft(userID: "w", text: "before \($0)") }).map(\.id)
    let (embedding, copying) = (Gate(), Pause())
    let new = MadeEmbedder(dimension: 16) { number, _ in if number == 2 { try await embedding.pass() } }
    let task = Task { try await store.reembed(with: new) { if $0.phase == .copying { copying.wait() } } }
    try await waitUntil { embedding.isReached }
    try await change(store, [ids[0], ids[1]], "first")
    await expectCode(.storeBusy, holder: TestProcess.id) { _ = try await store.reembed(with: MadeEmbedder(name: "third")) }
    // Neither a compaction nor an erasure waits for the embedder.
    try await store.compact()
    #expect(try await store.forget(userID: "u3").isComplete)
    embedding.open()
    try await waitUntil { copying.isReached }
    try await change(store, [ids[2], ids[3]], "second")
    copying.end()
    let report = try await task.value
    try await expectAll(store, by: new, count: 600 - 150 + 4 - 2 + 4)
    #expect(report.generation == 4 && report.memories == 456)
    let texts = try store.memories(for: "w").map(\.text).sorted()
    #expect(texts == ["first added", "first changed", "second added", "second changed"])
    #expect(try store.count(scope: .user("u3")) == 0 && !hasWork())
    try await store.close()
  }

  /// Writers go on until the switch. No acknowledged write is lost, and none has an old vector.
  @Test(.timeLimit(.minutes(5))) func underWritersNothingIsLost() async throws {
    let store = try await filled(300)
    let writing = Task { () -> Int in
      for number in 0... {
        do {
          try await store.add([
            MemoryDraft(userID: "w\(number % 3)", text: "written \(number)"), MemoryDraft(userID: "u1", text: "also \(number)"),
          ])
          try await store.update(try store.memories(for: "u0", limit: 1)[0].id, for: "u0") { $0.with(text: "changed \(number)") }
        } catch let error as StoreError where error.code == .embedderMismatch {
          return number
        }
      }
      return -1
    }
    let new = MadeEmbedder(dimension: 16)
    // The move uses another handle, so the writer's handle keeps the old embedder.
    let other = try await place.open(StoreOptions(embedder: old))
    try await other.reembed(with: new)
    let written = try await writing.value
    let count = try other.count()
    // The writer's last pair may have been stored although the update after it was refused.
    #expect([300 + 2 * written, 302 + 2 * written].contains(count), "\(written) writes, \(count) memories")
    try await expectAll(other, by: new, count: count)
    try await other.close()
    try await store.close()
  }

  // MARK: Old handles

  @Test(.timeLimit(.minutes(5)), arguments: 0..<3) func handlesOfTheOldEmbedderAreRefusedByName(_ kind: Int) async throws {
    let new = [MadeEmbedder(name: "other"), MadeEmbedder(dimension: 16), MadeEmbedder(version: "2")][kind]
    let store = try await filled(10)
    let id = try await store.upsert(MemoryDraft(userID: "k", text: "by key", dedupeKey: "k")).id
    try await store.update(id, for: "k") { $0.with(text: "changed") }
    try await store.add(MemoryDraft(userID: "k", text: "kept", isTextOnly: true))
    let late = Gate()
    let slow = MadeEmbedder { _, _ in try await late.pass() }
    let (mover, begun) = (try await place.open(StoreOptions(embedder: old)), try await place.open(StoreOptions(embedder: slow)))
    let adding = Task { try await begun.add(MemoryDraft(userID: "k", text: "late")) }
    try await waitUntil { late.isReached }
    try await mover.reembed(with: new)
    late.open()
    // The text was embedded before the switch and would be stored after it.
    await expectCode(.embedderMismatch) { _ = try await adding.value }
    let sequence = try store.status.batchSequence
    let file = URL(fileURLWithPath: place.directory.path("import.jsonl"))
    try Data(#"{"type":"memory","userID":"i","text":"imported"}"#.utf8).write(to: file)
    let calls = old.texts.count
    let draft = MemoryDraft(userID: "k", text: "text", dedupeKey: "k")
    let entries: [(String, () async throws -> Void)] = [
      ("add", { _ = try await store.add(draft) }),
      ("addKeepingText", { _ = try await store.add(draft, onEmbeddingFailure: .keepText) }),
      ("upsert", { _ = try await store.upsert(draft, onEmbeddingFailure: .keepText) }),
      ("update", { _ = try await store.update(id, for: "k") { $0.with(text: "other") } }),
      ("revert", { _ = try await store.revert(id, for: "k", to: 1) }),
      ("dense", { _ = try await store.search("memory", scope: .all, mode: .dense) }),
      ("hybrid", { _ = try await store.search("memory", scope: .all) }),
      ("import", { _ = try await store.importJSONLines(from: [file]) }),
      ("embedMissing", { _ = try await store.embedMissing() }),
    ]
    for (name, entry) in entries {
      let error = await #expect(throws: StoreError.self, "\(name)") { try await entry() }
      #expect(error?.code == .embedderMismatch, "\(name)")
      #expect(error?.message.contains("'\(new.identity)'") == true && error?.message.contains("'\(old.identity)'") == true, "\(name)")
    }
    #expect(old.texts.count == calls, "the embedder is not even asked")
    #expect(try store.status.batchSequence == sequence && store.count() == 12)
    // A search by words needs no embedder. The dimension of a vector is checked.
    #expect(try await store.search("memory 3", scope: .all, mode: .lexical).first?.memory.text == "memory 3")
    if kind == 1 {
      await expectCode(.dimensionMismatch) { _ = try store.search(SearchQuery(embedding: TestStore.vector(1), scope: .all)) }
      await expectCode(.dimensionMismatch) { _ = try await store.add(TestStore.draft("k", 1)) }
    } else {
      _ = try await store.add(TestStore.draft("k", 1))
    }
    await expectCode(.embedderMismatch) { _ = try await place.open(StoreOptions(embedder: old)) }
    for handle in [begun, mover, store] { try await handle.close() }
    let reopened = try await place.open(StoreOptions(embedder: new))
    #expect(try await reopened.verify(deep: true).problems == [])
    try await reopened.close()
  }

  /// A caller's vector that was prepared for the old dimension is stored after the switch.
  @Test(.timeLimit(.minutes(5))) func aVectorOfTheOldDimensionDoesNotGetIntoTheNewRows() async throws {
    let store = try await filled(10)
    let prepared = try PreparedDraft(TestStore.draft("k", 1), store: store.core.generation.store)
    try await store.reembed(with: MadeEmbedder(dimension: 16))
    await expectCode(.dimensionMismatch) { _ = try await store.write { try $0.add(prepared) } }
    #expect(try store.count() == 10)
    #expect(try await store.verify(deep: true).problems == [])
    try await store.close()
  }

  @Test(.timeLimit(.minutes(5))) func anotherProcessFollowsAndIsRefusedByName() async throws {
    let store = try await place.open(StoreOptions(embedder: HashingEmbedder(dimension: 8)))
    try await store.add(MemoryDraft(userID: "u", text: "a text"))
    let child = try ChildProcess(["hold-embedder", place.path])
    #expect(try await child.readLine() == "ready")
    try await child.say("")
    #expect(try await child.readLine() == "ok ok ok")
    let report = try await store.reembed(with: HashingEmbedder(dimension: 16))
    #expect(report.memories == 2)
    try await child.say("")
    #expect(try await child.readLine() == "embedderMismatch embedderMismatch ok")
    #expect(try await child.finish().termination == .exited(0))
    #expect(try store.count() == 2)
    try await store.close()
  }

  // MARK: Failures

  private struct Unreachable: Error {}

  @Test(.timeLimit(.minutes(5))) func aFailureLeavesTheStoreAsItWasAndTheVectorsForTheNextAttempt() async throws {
    let store = try await filled(700)
    let failing = MadeEmbedder(dimension: 16) { number, _ in if number == 2 { throw Unreachable() } }
    await #expect(throws: Unreachable.self) { try await store.reembed(with: failing) }
    try await expectAll(store, by: old, count: 700)
    #expect(try store.status.generation == 1 && hasWork())
    #expect(try store.inspection().files.contains { $0.name == EmbeddingWork.fileName && $0.sizeBytes == 64 + 512 * 104 })
    // A text that changed does not keep its vector either.
    let changed = try #require(try store.memories(scope: .all, limit: 1).first)
    try await store.update(changed.id, for: changed.userID) { $0.with(text: "changed") }
    try await store.close()
    // A new process would open the store again, as this handle does.
    let again = try await place.open(StoreOptions(embedder: old))
    let new = MadeEmbedder(dimension: 16)
    let report = try await again.reembed(with: new)
    let lost = new.texts.flatMap { $0 }.count - 188
    #expect(report.embedded == 188 + lost && report.reused == 512 && (0...1).contains(lost))
    try await expectAll(again, by: new, count: 700)
    #expect(try !hasWork())
    try await again.close()
  }

  @Test(.timeLimit(.minutes(5))) func aCancellationAndABadVectorLeaveTheStoreAsItWas() async throws {
    let store = try await filled(20)
    let (begun, beginning) = AsyncStream<Void>.makeStream()
    let task = Task {
      try await store.reembed(
        with: MadeEmbedder(dimension: 16) { _, _ in
          beginning.finish()
          try await Task.sleep(for: .seconds(600))
        })
    }
    for await _ in begun {}
    task.cancel()
    await #expect(throws: CancellationError.self) { try await task.value }
    let bad = try #require(try store.memories(for: "u1", limit: 1).first)
    let error = await #expect(throws: StoreError.self) { try await store.reembed(with: MadeEmbedder(name: "zeros", zeros: [bad.text])) }
    #expect(error?.code == .zeroNorm && error?.message.contains("\(bad.id)") == true)
    try await expectAll(store, by: old, count: 20)
    #expect(try await store.search("memory 3", scope: .all).first?.memory.text == "memory 3")
    try await store.close()
  }

  /// A work file that is damaged, belongs to another embedder or is of another kind is treated as missing. It is removed once the store has
  /// moved.
  @Test(.timeLimit(.minutes(5))) func aWorkFileThatDoesNotMatchIsNotUsed() async throws {
    let store = try await filled(300)
    func attempt(_ version: String) async {
      let failing = MadeEmbedder(dimension: 16, version: version) { number, _ in if number == 1 { throw Unreachable() } }
      await #expect(throws: Unreachable.self) { try await store.reembed(with: failing) }
    }
    await attempt("2")
    let whole = try Data(contentsOf: URL(fileURLWithPath: work))
    await attempt("3")
    #expect(try Data(contentsOf: URL(fileURLWithPath: work)).prefix(64) != whole.prefix(64))
    // Three entries are damaged, and the last is cut short.
    var damaged = whole
    for entry in [3, 70, 200] { damaged[64 + entry * 104 + 50] ^= 1 }
    try damaged.dropLast(7).write(to: URL(fileURLWithPath: work))
    let new = MadeEmbedder(dimension: 16, version: "2")
    let report = try await store.reembed(with: new)
    #expect(report.reused == 252 && report.embedded == 48)
    try await expectAll(store, by: new, count: 300)
    try await store.close()
    for bytes in [whole, Data("anything".utf8), Data()] {
      try bytes.write(to: URL(fileURLWithPath: work))
      try setPermissions(work, 0o600)
      let again = try await place.open(StoreOptions(embedder: new))
      #expect(try !hasWork())
      try await again.close()
    }
  }

  // MARK: Forgetting

  @Test(.timeLimit(.minutes(5))) func whatIsForgottenOrDeletedLeavesTheWorkFile() async throws {
    let store = try await filled(256)
    let ids = try store.memories(for: "u1", limit: 100).map(\.id)
    let deleted = try #require(try store.memories(for: "u2", limit: 1).first)
    // The first call of the embedder takes all 256 texts, and the second one, for one more memory, fails.
    try await store.add(MemoryDraft(userID: "z", text: "one more"))
    let failing = MadeEmbedder(dimension: 16) { number, _ in if number == 1 { throw Unreachable() } }
    await #expect(throws: Unreachable.self) { try await store.reembed(with: failing) }
    func holds(_ id: MemoryID) throws -> Bool { try Data(contentsOf: URL(fileURLWithPath: work)).range(of: Data(id.bytes)) != nil }
    #expect(try ids.allSatisfy { try holds($0) })
    let receipt = try await store.forget(userID: "u1", verifiesErasure: true)
    #expect(receipt.isComplete && receipt.scan?.isClean == true)
    #expect(receipt.scanBefore?.files.contains { $0.name == EmbeddingWork.fileName && !$0.hits.isEmpty } == true)
    #expect(try ids.allSatisfy { try !holds($0) })
    // The next rebuild removes a deleted memory from the work file.
    try await store.delete(deleted.id, for: "u2")
    #expect(try holds(deleted.id))
    try await store.compact()
    #expect(try !holds(deleted.id))
    // The others have their vectors.
    let new = MadeEmbedder(dimension: 16)
    let report = try await store.reembed(with: new)
    #expect(report.reused == 256 - 64 - 1 && report.embedded == 1)
    try await expectAll(store, by: new, count: 257 - 64 - 1)
    try await store.close()
  }

  /// A memory that is erased while its text is embedded does not get into the file afterwards.
  @Test(.timeLimit(.minutes(5))) func whatIsErasedWhileItIsEmbeddedIsNotKept() async throws {
    let store = try await filled(40)
    let pause = Gate()
    let new = MadeEmbedder(dimension: 16) { _, _ in try await pause.pass() }
    let ids = try store.memories(for: "u1", limit: 100).map(\.id)
    let task = Task { try await store.reembed(with: new) }
    try await waitUntil { pause.isReached }
    let receipt = try await store.forget(userID: "u1", verifiesErasure: true)
    #expect(receipt.isComplete && receipt.scan?.isClean == true)
    pause.open()
    let report = try await task.value
    #expect(report.memories == 30 && ids.count == 10)
    try await expectAll(store, by: new, count: 30)
    try await store.close()
  }

  // MARK: Kills

  /// A process that is killed while it embeds or while it copies leaves the store as it was; the next process does not embed again what was
  /// embedded.
  @Test(.timeLimit(.minutes(5))) func aKillCostsOneCallOfTheEmbedder() async throws {
    let store = try await filled(1000)
    try await store.close()
    for (stop, reused) in [("embedding 3", 0), ("embedding 2", 512), ("copying", 768)] {
      let child = try ChildProcess(["reembed", place.path, stop])
      while try await child.readLine() != stop {}
      child.kill()
      #expect(try await child.finish().termination == .signalled(SIGKILL))
      let opened = try await place.open(StoreOptions(embedder: old))
      try await expectAll(opened, by: old, count: 1000)
      #expect(try opened.status.generation == 1 && hasWork(), "\(stop)")
      #expect(try Directories.entries(place.path).filter { $0.hasPrefix("gen-") } == ["gen-1"])
      let status = try #require(try Directories.status(work))
      #expect(status.sizeBytes >= 64 + reused * 104)
      try await opened.close()
    }
    let outcome = try await ChildProcess.run(["reembed", place.path, "nowhere"])
    #expect(outcome.standardOutput == "copying\nembedded 0, reused 1000\n", "\(outcome)")
    let moved = try await place.open(StoreOptions(embedder: HashingEmbedder(dimension: 16)))
    #expect(try moved.count() == 1000 && moved.status.generation > 1 && !hasWork())
    #expect(try await moved.audit().unmatched.withoutEmbedding?.count == 0)
    #expect(try await moved.search("memory 17", scope: .all, mode: .dense).first?.memory.text == "memory 17")
    #expect(try await moved.verify(deep: true).problems == [])
    try await moved.close()
  }

  #if os(Linux)
    /// The commit that names the next generation is the switch: a process that is killed just before it has changed nothing; after a kill
    /// just after it, the change is complete.
    @Test(.timeLimit(.minutes(5)), arguments: ["K", "D"]) func aKillAtTheSwitchIsBeforeOrAfterIt(_ plan: String) async throws {
      let store = try await filled(50)
      try await store.close()
      let child = try await MetaFaults(place.directory).child(["reembed", place.path, "nowhere"], plan: plan)
      #expect(try await child.finish().termination == .signalled(SIGKILL))
      #expect(try hasWork())
      if plan == "K" {
        let opened = try await place.open(StoreOptions(embedder: old))
        try await expectAll(opened, by: old, count: 50)
        #expect(try hasWork())
        try await opened.close()
        #expect(try await ChildProcess.run(["reembed", place.path, "nowhere"]).standardOutput == "copying\nembedded 0, reused 50\n")
      } else {
        await expectCode(.embedderMismatch) { _ = try await place.open(StoreOptions(embedder: old)) }
      }
      let moved = try await place.open(StoreOptions(embedder: HashingEmbedder(dimension: 16)))
      #expect(try moved.count() == 50 && moved.status.generation > 1 && !hasWork())
      #expect(try moved.status.rowsLive == 50)
      #expect(try await moved.verify(deep: true).problems == [])
      try await moved.close()
    }
  #endif
}
