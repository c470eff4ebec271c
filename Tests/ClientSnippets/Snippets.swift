import Engram
import Foundation

// The Swift code of README.md and the guides, as printed. A test compares the lines between `begin PAGE NUMBER` and `end` with the blocks of the page,
// without their imports, and runs the functions of `ClientSnippets`. What is not between is there to make a program of them.

func readme() async throws {
  // begin README.md 1
  let url = URL(fileURLWithPath: "bot.memory")
  let store = try await MemoryStore.open(at: url, options: StoreOptions(embedder: HashingEmbedder()))

  try await store.updateContext(for: "ada", message: "Hi", response: "Hello!")
  try await store.updateContext(for: "ada") { $0.with(friendshipLevel: $0.friendshipLevel + 1) }
  if let ada = try store.context(for: "ada") { print(ada.friendshipLevel) }  // a few microseconds

  try await store.add(MemoryDraft(userID: "ada", text: "loves ramen with extra egg", kind: "preference"))
  try await store.add(MemoryDraft(userID: "ada", text: "has a dog named Turing"))
  let hits = try await store.search("which ramen does she love?", scope: .user("ada"), limit: 5)
  for hit in hits { print(hit.score, hit.memory.text) }  // ramen first

  try await store.backup(to: URL(fileURLWithPath: "bot-backup.memory"))  // verified, whole or not at all
  try await store.compact()  // rebuilds the files; the store also does it by itself
  print(try await store.forget(userID: "ada", verifiesErasure: true))  // hidden at once, then gone from the files
  try await store.close()
  // end
}

func overview() async throws {
  // begin Engram.md 1
  let url = URL(fileURLWithPath: "bot.memory")
  let store = try await MemoryStore.open(at: url, options: StoreOptions(embedder: HashingEmbedder()))
  try await store.updateContext(for: "ada", message: "Hi", response: "Hello!")
  try await store.add(MemoryDraft(userID: "ada", text: "loves ramen with extra egg", kind: "preference"))
  let hits = try await store.search("which ramen does she love?", scope: .user("ada"), limit: 5)
  // end
  for hit in hits { print(hit.memory.text) }
  try await store.close()
}

func gettingStarted() async throws {
  // begin GettingStarted.md 1
  let url = URL(fileURLWithPath: "bot.memory")
  let store = try await MemoryStore.open(at: url, options: StoreOptions(embedder: HashingEmbedder()))
  // end
  // begin GettingStarted.md 2
  try await store.updateContext(for: "ada", message: "Hi", response: "Hello!")
  try await store.updateContext(for: "ada") { $0.with(friendshipLevel: $0.friendshipLevel + 1) }
  let ada = try store.context(for: "ada")  // UserContext?, in microseconds, never blocked
  // end
  print(ada?.friendshipLevel ?? -1)
  // begin GettingStarted.md 3
  try await store.add(MemoryDraft(userID: "ada", text: "moves to Lisbon in March", kind: "plan", sessionID: "s-12"))
  let hits = try await store.search("when does she move to Lisbon?", scope: .user("ada"), limit: 5, filter: .kind("plan"))
  for hit in hits { print(hit.score, hit.memory.text) }
  // end
  // begin GettingStarted.md 4
  let added = try await store.add(MemoryDraft(userID: "ada", text: "prefers tea"), onEmbeddingFailure: .keepText)
  if !added.isEmbedded { print("only its words find \(added.id)") }
  // end
  // begin GettingStarted.md 5
  try await store.upsert(MemoryDraft(userID: "ada", text: "lives in Lisbon", dedupeKey: "home"))
  let home = try store.memory(dedupeKey: "home", for: "ada")
  let around = try hits.first.map { try store.neighbors(of: $0.memory.id, for: "ada", count: 2) }
  // end
  _ = (home, around)
  // begin GettingStarted.md 6
  let lastYear = Date(timeIntervalSinceNow: -365 * 86_400)
  let old = try await store.add(MemoryDraft(userID: "ada", text: "works in Porto", createdAt: lastYear, tags: ["work"]))
  let new = MemoryDraft(userID: "ada", text: "works in Faro", tags: ["work"], source: "chat", trust: .medium, replaces: old.id)
  try await store.add(new)
  let jobs = try await store.search("where does she work?", scope: .user("ada"), filter: .tag("work"))  // Faro alone
  // end
  print(jobs.map(\.memory.text))
  // begin GettingStarted.md 7
  let ids = try store.memories(for: "ada", filter: .kind("plan")).elements.map(\.id)
  let summary = MemoryDraft(userID: "ada", text: "moves to Lisbon soon", derivedFrom: ids, supersedesOrigins: true)
  let merged = try await store.add(summary)  // searches find it, and the plans no more
  try await store.retract(merged.id, for: "ada")  // and the other way round
  // end
  // begin GettingStarted.md 8
  let before = try await store.search("where does she work?", scope: .user("ada"), filter: .tag("work"), asOf: lastYear)  // Porto alone
  // end
  print(before.map(\.memory.text))
  // begin GettingStarted.md 9
  let page = try store.memories(for: "ada", limit: 20, filter: .kind("plan"))
  let next = page.next.map { "/memories?after=\($0)" }  // nil: this was the last page
  // end
  print(page.elements.count, next ?? "the last page")
  // begin GettingStarted.md 10
  let text = "has a dog named Turing"
  let embedding = try await HashingEmbedder().embed(text)
  let id = try await store.write { transaction in
    try transaction.updateContext(for: "ada") { $0.with(topics: $0.topics + ["dogs"]) }
    return try transaction.add(MemoryDraft(userID: "ada", text: text, embedding: embedding))
  }
  let (context, count) = try store.read { snapshot in
    (try snapshot.context(for: "ada"), try snapshot.count(scope: .user("ada")))
  }
  // end
  _ = id
  print(context?.topics ?? [], count)
  // begin GettingStarted.md 11
  try await store.close()
  // end
}

func lifecycle() async throws {
  let url = URL(fileURLWithPath: "bot.memory")
  let store = try await MemoryStore.open(at: url, options: StoreOptions(embedder: HashingEmbedder()))
  try await store.add(MemoryDraft(userID: "maya", text: "teaches pottery"))
  try await compacting(store)
  try await backingUp(store)
  try await forgetting(store)
  try await store.close()
}

private func compacting(_ store: MemoryStore) async throws {
  // begin Lifecycle.md 1
  let report = try await store.compact { step in print(step.phase, step.done, step.total) }
  print(report.bytesBefore, report.bytesAfter, report.writerPause)
  // end
}

private func backingUp(_ store: MemoryStore) async throws {
  // begin Lifecycle.md 2
  let report = try await store.backup(to: URL(fileURLWithPath: "bot-2026-01-31.memory"))
  let copy = try await MemoryStore.open(at: URL(fileURLWithPath: "bot-2026-01-31.memory"))
  // end
  print(report.memories, try copy.count())
  try await copy.close()
}

private func forgetting(_ store: MemoryStore) async throws {
  // begin Lifecycle.md 3
  let receipt = try await store.forget(userID: "maya", verifiesErasure: true)
  guard receipt.isComplete, receipt.scan?.isClean == true else { return print("not gone yet: \(receipt)") }
  // end
  print("gone")
}

func interchange() async throws {
  // begin Interchange.md 1
  let store = try await MemoryStore.open(at: URL(fileURLWithPath: "bot.memory"))
  let written = try await store.export(to: URL(fileURLWithPath: "all.jsonl"))
  let copy = try await MemoryStore.open(at: URL(fileURLWithPath: "copy.memory"))
  let read = try await copy.importJSONLines(from: [URL(fileURLWithPath: "all.jsonl")], options: ImportOptions(onConflict: .skip))
  print(written.memories, read.memories)
  // end
  try await copy.close()
  try await store.close()
}

func conversations() async throws {
  let folder = URL(fileURLWithPath: "chatgpt-export")
  try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: false)
  try Data(#"[{"id":"c","create_time":1700000000,"mapping":{}}]"#.utf8).write(to: folder.appendingPathComponent("conversations.json"))
  // begin Conversations.md 1
  let store = try await MemoryStore.open(at: URL(fileURLWithPath: "bot.memory"), options: StoreOptions(embedder: HashingEmbedder()))
  let said = [
    Conversation.Message(role: "user", text: "I moved to Lisbon"), Conversation.Message(role: "assistant", text: "Welcome to the sea!"),
  ]
  try await store.add(Conversation(id: "s-12", userID: "ada", messages: said))
  let report = try await store.importConversations(from: [URL(fileURLWithPath: "chatgpt-export")], for: "ada")
  print(report.added, report.existing, report.leftOut.count, report.faults)
  // end
  try await store.close()
}

func operating() async throws {
  let store = try await MemoryStore.open(at: URL(fileURLWithPath: "bot.memory"), options: StoreOptions(dimension: 8))
  // begin Operating.md 1
  let status = try store.status
  if let poison = status.poison { print("this process writes no more: \(poison)") }
  if status.isMoved { print("the store was moved: close it, and open the one to use") }
  if status.suspendedWriters > 0 { print("writes come faster than the disk takes them: \(status.queueDepth) wait") }
  if let oldest = status.snapshots.first, oldest.age > .seconds(60) { print("a snapshot is held for \(oldest.age)") }
  // end
  print(status.memories)
  try await store.close()
}

func searching() async throws {
  let store = try await MemoryStore.open(
    at: URL(fileURLWithPath: "bot.memory"), options: StoreOptions(embedder: HashingEmbedder()))
  try await store.add(MemoryDraft(userID: "ada", text: "likes green tea", kind: "fact", trust: .high))
  // begin Searching.md 1
  let question = "which tea does she like?"
  let hits = try await store.search(
    question, scope: .user("ada"), limit: 20, filter: .kind("fact") || .kind("message"), neighbors: 1, includesExplanation: true)
  let prompt = hits.fitting(maxTokens: 800)
  for hit in prompt.kept { print(hit.score, hit.memory.text, hit.explanation?.parts?.words ?? 0) }
  if !prompt.omitted.isEmpty { print("\(prompt.omitted.count) more did not fit") }
  // end
  // begin Searching.md 2
  let lately = Filter.created(from: Date(timeIntervalSinceNow: -30 * 86_400), to: nil)
  let reliable = lately && .trust(atLeast: .medium) && !.tag("draft")
  let recent = try await store.search(question, scope: .user("ada"), filter: reliable)
  // end
  print("ok \(recent.count)")
  try await store.close()
}

func choosingAnEmbedder() async throws {
  let url = URL(fileURLWithPath: "bot.memory")
  // begin ChoosingAnEmbedder.md 1
  let words = HashingEmbedder()  // no model, no download: compares words and parts of words
  let store = try await MemoryStore.open(at: url, options: StoreOptions(embedder: words))
  print(store.identity.embedder?.name ?? "none")  // the store is pinned to it from now on
  // end
  try await store.close()
}
