import Foundation
import Testing

@testable import Engram

/// Lists of messages: OpenAI, ShareGPT, LangChain, and messages with their role one a line.
@Suite struct MessageListTests {
  private let place = ConversationPlace()
  private static let day = ConversationOptions(createdAt: Date(timeIntervalSince1970: 1_767_312_000))

  @Test(.timeLimit(.minutes(5))) func linesForFineTuningAreSessionsOfTheirFileAndLine() async throws {
    let text = #"""
      {"messages":[{"role":"developer","content":"Be kind"},{"role":"user","content":"ok"},{"role":"assistant","content":"ok"},{"role":"user","content":"ok"}],"tools":[]}

      {"messages":[{"role":"user","content":[{"type":"text","text":"a"},{"type":"image_url","image_url":{}},{"type":"text","text":"b"}],"name":"Ann"},{"role":"assistant","content":null,"tool_calls":[{}]},{"role":"tool","content":"42","tool_call_id":"x"},{"role":"assistant","content":"c","weight":0}]}
      {"input":{"messages":[{"role":"user","content":"which?"}]},"preferred_output":[{"role":"assistant","content":"this"}],"non_preferred_output":[{"role":"assistant","content":"that"}]}
      """#
    let (report, memories) = try await place.imported(text, name: "tune.jsonl", options: Self.day)
    #expect(
      memories == [
        "tune.jsonl:1|user|2026-01-02T00:00:00.000Z|ok", "tune.jsonl:1|assistant|2026-01-02T00:00:00.001Z|ok",
        "tune.jsonl:1|user|2026-01-02T00:00:00.002Z|ok", "tune.jsonl:3|Ann|2026-01-02T00:00:00.000Z|a\nb",
        "tune.jsonl:3|assistant|2026-01-02T00:00:00.001Z|c", "tune.jsonl:4|user|2026-01-02T00:00:00.000Z|which?",
        "tune.jsonl:4|assistant|2026-01-02T00:00:00.001Z|this",
      ])
    #expect(report.leftOut == [.system: 1, .tool: 2, .branch: 1] && report.attachments == 1 && report.conversations == 3)
  }

  /// The time of an import would differ each time, so no time is guessed; a second import with another time changes nothing either.
  @Test(.timeLimit(.minutes(5))) func aFileWithoutTimesIsRefusedWithoutOne() async throws {
    let url = try place.file(#"{"messages":[{"role":"user","content":"hello"}]}"#, "tune.jsonl")
    let store = try await place.place.open(StoreOptions())
    await expectCode(.invalidArgument) { try await store.importConversations(from: [url], for: "ada") }
    #expect(try store.count() == 0)
    try await store.importConversations(from: [url], for: "ada", options: Self.day)
    let later = ConversationOptions(createdAt: Date(timeIntervalSince1970: 1_800_000_000))
    let report = try await store.importConversations(from: [url], for: "ada", options: later)
    #expect(report.added == 0 && report.existing == 1)
    #expect(try ConversationPlace.lines(store) == ["tune.jsonl:1|user|2026-01-02T00:00:00.000Z|hello"])
    await expectCode(.invalidArgument) { try await store.importConversations(from: [url], options: Self.day) }
    try await store.close()
  }

  @Test(.timeLimit(.minutes(5)), arguments: [false, true]) func shareGPTIsAnArrayOrLines(areLines: Bool) async throws {
    let conversations = [
      #"{"id":"s_0","conversations":[{"from":"human","value":"<p>hello</p>"},{"from":"gpt","value":null},{"from":"bard","value":"hi"}],"system":"S"}"#,
      #"{"id":7,"conversation":[{"from":"system","value":"x"},{"from":"function_call","value":"f()"},{"from":"observation","value":"1"},{"from":"user","value":"u"}]}"#,
      #"{"items":[{"from":"chatgpt","value":"a"}]}"#,
    ]
    let text = areLines ? conversations.joined(separator: "\r\n") : "[\n  \(conversations.joined(separator: " ,\n"))\n]\n"
    let (report, memories) = try await place.imported(text, name: "share", options: Self.day)
    #expect(
      memories.map { $0.replacing("|2026-01-02T00:00:00", with: "") } == [
        "s_0|user.000Z|<p>hello</p>", "s_0|assistant.001Z|hi", "7|user.000Z|u", "share:3|assistant.000Z|a",
      ])
    #expect(report.leftOut == [.empty: 1, .system: 2, .tool: 2])
  }

  private static let langChain = [
    #"[{"type":"system","data":{"content":"S","type":"system"}},{"type":"human","data":{"content":"one","id":null,"name":null}},"#
      + #"{"type":"ai","data":{"content":[{"type":"text","text":"two"}],"tool_calls":[]}},{"type":"chat","data":{"content":"three","role":"user"}},"#
      + #"{"type":"ai","data":{"content":"","tool_calls":[{"name":"f"}]}},{"type":"remove","data":{"content":"","id":"x"}}]"#,
    #"[{"lc":1,"type":"constructor","id":["langchain","schema","messages","HumanMessage"],"kwargs":{"content":"one","type":"human"}},"#
      + #"{"lc":1,"type":"constructor","id":["langchain","schema","messages","AIMessage"],"kwargs":{"content":"two"}},"#
      + #"{"lc":1,"type":"constructor","id":["langchain","schema","messages","ChatMessage"],"kwargs":{"content":"three","role":"human"}}]"#,
    #"[{"role":"human","content":"one"},{"role":"ai","content":"two"},{"role":"user","content":"three"}]"#,
  ]

  @Test(.timeLimit(.minutes(5)), arguments: [0, 1, 2]) func aListOfMessagesIsOneConversation(shape: Int) async throws {
    let expected = ["user|2026-01-02T00:00:00.000Z|one", "assistant|2026-01-02T00:00:00.001Z|two", "user|2026-01-02T00:00:00.002Z|three"]
    let (report, memories) = try await place.imported(Self.langChain[shape], name: "history", options: Self.day)
    #expect(memories == expected.map { "history|\($0)" } && report.conversations == 1)
    #expect(report.leftOut == (shape == 0 ? [.system: 1, .tool: 1, .role: 1] : [:]))
    // Several lists, each on a line.
    let lines = try await ConversationPlace().imported(
      Self.langChain[shape] + "\n" + Self.langChain[shape], name: "history", options: Self.day)
    #expect(lines.memories == expected.map { "history:1|\($0)" } + expected.map { "history:2|\($0)" })
  }

  /// Sessions alternate; equal texts in one session are different messages, and one line is invalid.
  @Test(.timeLimit(.minutes(5))) func messagesOneALineKeepTheirSessionsUsersAndTimes() async throws {
    let text = #"""
      {"role":"user","content":"hi","session":"a","created_at":"2026-01-02T03:04:05Z","user_id":"bob"}
      {"role":"user","content":"hi","session":"b","user_id":"bob","timestamp":1767323045}
      {"role":"assistant","content":"yes","session":"a","user_id":"bob"}
      {"role":"user","content":"hi","session":"a","created_at":"2026-01-02T03:04:05Z","user_id":"bob"}
      {"role":"user","content":7,"session":"a","user_id":"bob"}
      {"role":"assistant","content":"yes","session":"b","id":"m1","user_id":"bob"}
      {"role":"user","content":"none","session":"c"}
      {"role":"assistant","content":"half
      """#
    let (report, memories) = try await place.imported(text, for: nil)
    #expect(
      memories == [
        "a|user|2026-01-02T03:04:05.000Z|hi", "a|assistant|2026-01-02T03:04:05.001Z|yes", "a|user|2026-01-02T03:04:05.002Z|hi",
        "b|user|2026-01-02T03:04:05.000Z|hi", "b|assistant|2026-01-02T03:04:05.001Z|yes",
      ])
    #expect(report.conversations == 2 && report.faults.map(\.number) == [5, 7, 8] && report.faults.allSatisfy(\.isLine))
    #expect(report.faults[1].message.contains("user_id"))
  }

  @Test(.timeLimit(.minutes(5))) func halvesOfSurrogatePairsAreReplacedOnDemand() async throws {
    let text = #"{"id":"a","created_at":1700000000,"messages":[{"role":"user","content":"half \ud83d"}]}"#
    let strict = try await place.imported(text + "\n" + text.replacing(#" \ud83d"#, with: "") + "\n")
    #expect(strict.report.invalid == 1 && strict.memories.count == 1)
    let lossy = try await ConversationPlace().imported(text, options: ConversationOptions(isLossy: true))
    #expect(lossy.memories.first?.hasSuffix("half \u{FFFD}") == true && lossy.report.replacedSurrogates == 1)
  }
}
