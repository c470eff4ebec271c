import Foundation
import Testing

@testable import Engram

/// Data exports of Claude.
@Suite struct ClaudeExportTests {
  private let place = ConversationPlace()
  private static let root = "00000000-0000-4000-8000-000000000000"

  private static func message(_ id: String, _ sender: String, at second: Int, parent: String? = nil, _ more: String = "") -> String {
    let parent = parent.map { #","parent_message_uuid":"\#($0)""# } ?? ""
    let time = "2026-03-04T05:06:\(second < 10 ? "0" : "")\(second).123456Z"
    return #"{"uuid":"\#(id)","sender":"\#(sender)","created_at":"\#(time)"\#(parent)\#(more)}"#
  }

  private static func conversation(_ id: String, _ messages: [String]) -> String {
    let list = messages.joined(separator: ",")
    return #"{"uuid":"\#(id)","name":"","created_at":"2026-03-04T05:06:00.000000Z","chat_messages":[\#(list)]}"#
  }

  private static func text(_ text: String) -> String { #","text":"","content":[{"type":"text","text":"\#(text)"}]"# }

  /// A question was edited: both branches are in the list, one after the other.
  @Test(.timeLimit(.minutes(5))) func theChainOfTheNewestLeafIsTaken() async throws {
    let list = [
      Self.message("q1", "human", at: 1, parent: Self.root, Self.text("first question")),
      Self.message("q2", "human", at: 5, parent: Self.root, Self.text("edited question")),
      Self.message("a1", "assistant", at: 2, parent: "q1", Self.text("first answer")),
      Self.message("a2", "assistant", at: 6, parent: "q2", Self.text("second answer")),
    ]
    let (report, memories) = try await place.imported("[\(Self.conversation("c", list))]")
    #expect(
      memories == ["c|user|2026-03-04T05:06:05.123Z|edited question", "c|assistant|2026-03-04T05:06:06.123Z|second answer"])
    #expect(report.leftOut == [.branch: 2])
    let all = try await ConversationPlace().imported(
      "[\(Self.conversation("c", list))]", options: ConversationOptions(branches: .all))
    #expect(all.memories.count == 4 && all.report.leftOut.isEmpty)
  }

  /// Older exports have no parents, and the text is beside the content.
  @Test(.timeLimit(.minutes(5))) func withoutParentsTheOrderOfTheFileCounts() async throws {
    let list = [
      Self.message("1", "human", at: 9, #","text":"old form""#),
      Self.message(
        "2", "assistant", at: 3,
        #","text":"","content":[{"type":"thinking","thinking":"hm"},{"type":"text","text":"one"},{"type":"tool_use","name":"x","input":{}},"#
          + #"{"type":"tool_result","content":[]},{"type":"token_budget"},{"type":"text","text":"two"}]"#),
      Self.message(
        "3", "human", at: 10, #","text":"","content":[],"attachments":[{"extracted_content":"huge"}],"files":[{"file_name":"a"}]"#),
      Self.message("4", "assistant", at: 11, #","text":"","content":[{"type":"tool_use","name":"x","input":{}}]"#),
    ]
    let (report, memories) = try await place.imported("[\(Self.conversation("c", list))]", name: "conversations.txt")
    #expect(memories == ["c|user|2026-03-04T05:06:09.123Z|old form", "c|assistant|2026-03-04T05:06:09.124Z|one\ntwo"])
    #expect(report.leftOut == [.empty: 1, .tool: 1] && report.attachments == 2)
  }

  @Test(.timeLimit(.minutes(5))) func oneConversationAtFaultDoesNotKeepOutTheOthers() async throws {
    let good = Self.conversation("good", [Self.message("1", "human", at: 1, Self.text("hello"))])
    let faults = [
      #"{"uuid":"a","chat_messages":{}}"#, #"{"uuid":"b"}"#, #"{"uuid":"c","chat_messages":[{"text":"no sender"}]}"#,
      #"{"uuid":"d","chat_messages":[{"sender":"human","text":7}]}"#,
      #"{"uuid":"e","chat_messages":[{"sender":"human","text":"t","created_at":"yesterday"}]}"#, "7", #"{"uuid":"f","chat_messages":[}"#,
    ]
    // The last fault removes the bracket that ends the array, so the array of the file does not end.
    let (report, memories) = try await place.imported("[\(faults.dropLast().joined(separator: ",")),\(good),\(faults[6])]", format: .claude)
    #expect(memories == ["good|user|2026-03-04T05:06:01.123Z|hello"])
    #expect(report.invalid == 8 && report.faults.map(\.number) == [1, 2, 3, 4, 5, 6, 8, 9])
    #expect(report.faults.prefix(5).map(\.id) == ["a", "b", "c", "d", "e"])
    #expect(report.faults[3].message == "message 1: 'text' is a number, not a text or a list")
  }

  /// A text that the store cannot keep is found when the conversation is read: the messages before it are not stored either.
  @Test(.timeLimit(.minutes(5))) func aTextThatIsTooLargeKeepsItsConversationOut() async throws {
    let large = Self.conversation(
      "large",
      [
        Self.message("1", "human", at: 1, Self.text("small")),
        Self.message("2", "human", at: 2, Self.text(String(repeating: "x", count: 1 << 20 + 1))),
      ])
    let good = Self.conversation("good", [Self.message("1", "human", at: 1, Self.text("hello"))])
    let (report, memories) = try await place.imported("[\(large),\n\(good)]")
    #expect(memories.count == 1 && report.added == 1 && report.conversations == 1)
    #expect(report.faults.map(\.id) == ["large"] && report.faults[0].message.contains("1048576 are allowed"))
  }
}
