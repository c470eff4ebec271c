import Foundation
import Testing

@testable import Engram

/// Conversations that a program adds itself.
@Suite struct ConversationAddTests {
  private let place = TestStore()

  @Test(.timeLimit(.minutes(5))) func aConversationThatHasGrownIsAddedAgain() async throws {
    let store = try await place.open(StoreOptions(embedder: HashingEmbedder(dimension: 8)))
    var conversation = Conversation(
      id: "s-1", userID: "ada", title: "Ramen",
      messages: [
        Conversation.Message(role: "user", text: "ok"), Conversation.Message(role: "assistant", speaker: "Bot", text: "ok"),
        Conversation.Message(role: "user", text: "ok", metadata: ["mood": .string("good"), "title": .string("mine")]),
      ])
    let start = Date()
    let first = try await store.add(conversation)
    #expect(first.map(\.outcome) == [.added, .added, .added] && first.allSatisfy(\.isEmbedded))
    #expect(try await store.add(conversation).map(\.id) == first.map(\.id))
    conversation.messages.append(Conversation.Message(role: "user", text: "more"))
    let commits = try store.status.batchSequence
    let second = try await store.add(conversation)
    #expect(second.map(\.outcome) == [.existing, .existing, .existing, .added] && second.dropLast().map(\.id) == first.map(\.id))
    #expect(try store.status.batchSequence == commits + 1)
    let memories = try store.memories(inSession: "s-1", for: "ada")
    #expect(
      memories.map(\.speaker) == ["user", "Bot", "user", "user"] && memories.map(\.kind) == ["message", "message", "message", "message"])
    #expect(memories[1].metadata == ["title": .string("Ramen"), "role": .string("assistant")])
    #expect(memories[2].metadata == ["title": .string("mine"), "mood": .string("good")])
    #expect(memories[0].createdAt >= Date(milliseconds: start.milliseconds - 1) && memories[0].createdAt < memories[1].createdAt)
    // The same conversation of another user is a different conversation.
    conversation.userID = "bob"
    #expect(try await store.add(conversation).allSatisfy { $0.outcome == .added })
    try await store.close()
  }

  @Test(.timeLimit(.minutes(5))) func aConversationOutOfBoundsChangesNothing() async throws {
    let store = try await place.open(StoreOptions())
    let commits = try store.status.batchSequence
    let right = Conversation.Message(role: "user", text: "right")
    for (conversation, code) in [
      (Conversation(id: "s", userID: "", messages: [right]), .invalidUserID),
      (Conversation(id: String(repeating: "s", count: 1_025), userID: "u", messages: [right]), .valueTooLarge),
      (Conversation(id: "s", userID: "u", messages: [right, .init(text: String(repeating: "x", count: 1 << 20 + 1))]), .valueTooLarge),
      (
        Conversation(id: "s", userID: "u", messages: [right, .init(text: "t", createdAt: Date(timeIntervalSince1970: .infinity))]),
        .invalidArgument
      ),
      (Conversation(id: "s", userID: "u", createdAt: Date(timeIntervalSince1970: .nan), messages: [right]), .invalidArgument),
    ] as [(Conversation, StoreError.Code)] {
      await expectCode(code) { try await store.add(conversation) }
    }
    #expect(try await store.add(Conversation(id: "s", userID: "u")).isEmpty)
    #expect(try store.count() == 0 && store.status.batchSequence == commits)
    try await store.close()
  }
}
