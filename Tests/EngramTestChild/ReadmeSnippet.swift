import Engram
import Foundation

/// The first snippet of README.md, line by line: a test compares the two, and runs this one.
func readmeSnippet() async throws {
  let url = URL(fileURLWithPath: "bot.memory")
  let store = try await MemoryStore.open(at: url, options: StoreOptions(embedder: HashingEmbedder()))

  try await store.updateContext(for: "ada", message: "Hi", response: "Hello!")
  try await store.updateContext(for: "ada") { $0.with(friendshipLevel: $0.friendshipLevel + 1) }
  if let ada = try store.context(for: "ada") { print(ada.friendshipLevel) }  // a few microseconds

  try await store.add(MemoryDraft(userID: "ada", text: "loves ramen with extra egg", kind: "preference"))
  let hits = try await store.search("which ramen does she love?", scope: .user("ada"), limit: 5)
  for hit in hits { print(hit.score, hit.memory.text) }

  try await store.backup(to: URL(fileURLWithPath: "bot-backup.memory"))  // verified, whole or not at all
  try await store.compact()  // rebuilds the files; the store also does it by itself
  print(try await store.forget(userID: "ada", verifiesErasure: true))  // hidden at once, then gone from the files
  try await store.close()
}
