import Foundation
import Testing

@testable import Engram

/// Data exports of ChatGPT: trees of messages, and the cases that other importers handle wrongly.
@Suite struct ChatGPTExportTests {
  private let place = ConversationPlace()

  /// A node of a tree; a nil `parent` leaves the key out.
  private static func node(
    _ id: String, _ parent: String?, role: String = "user", time: String = "null", content: String? = nil, more: String = ""
  ) -> String {
    let content = content ?? #"{"content_type":"text","parts":["\#(id)"]}"#
    let parent = parent.map { #","parent":"\#($0)""# } ?? ""
    let message = #"{"id":"m-\#(id)","author":{"role":"\#(role)"},"create_time":\#(time),"content":\#(content)\#(more)}"#
    return #""\#(id)":{"id":"\#(id)"\#(parent),"message":\#(message)}"#
  }

  private static func conversation(_ fields: String, _ nodes: [String]) -> String {
    #"{\#(fields),"mapping":{"root":{"id":"root","message":null,"parent":null,"children":[]},\#(nodes.joined(separator: ","))}}"#
  }

  /// An answer was generated again: the first child is the abandoned one. A system message is in the middle, one time is missing, and one
  /// is earlier than the time before it.
  @Test(.timeLimit(.minutes(5))) func theWayToTheCurrentNodeIsTakenAndItsOrderKept() async throws {
    let nodes = [
      Self.node("q", "root", time: "1700000000.25"), Self.node("old", "q", role: "assistant", time: "1700000001"),
      Self.node("old2", "old", time: "1700000900"), Self.node("new", "q", role: "assistant", time: "null"),
      Self.node("s", "new", role: "system"), Self.node("q2", "s", time: "1699999999"),
      Self.node("a2", "q2", role: "assistant", time: "1700000003.5"),
    ]
    let text = "[" + Self.conversation(#""id":"c","title":"Zebras","create_time":1690000000,"current_node":"a2""#, nodes) + "]"
    let (report, memories) = try await place.imported(text)
    #expect(
      memories == [
        "c|user|2023-11-14T22:13:20.250Z|q", "c|assistant|2023-11-14T22:13:20.251Z|new", "c|user|2023-11-14T22:13:20.252Z|q2",
        "c|assistant|2023-11-14T22:13:23.500Z|a2",
      ])
    #expect(report.conversations == 1 && report.added == 4 && report.leftOut == [.system: 1, .branch: 2])
  }

  @Test(.timeLimit(.minutes(5))) func allBranchesAreInOrderOfTimeBehindWhatTheyAnswer() async throws {
    let nodes = [
      Self.node("late", "q", role: "assistant", time: "1700000100"), Self.node("early", "q", role: "assistant", time: "1700000001"),
      Self.node("q", "root", time: "1700000000"), Self.node("before", "late", time: "1699999990"),
    ]
    let text = "[" + Self.conversation(#""id":"c""#, nodes) + "]"
    let (report, memories) = try await place.imported(text, options: ConversationOptions(branches: .all))
    #expect(memories.map { $0.split(separator: "|").last } == ["q", "early", "late", "before"])
    #expect(report.leftOut.isEmpty)
  }

  /// Without a current node the path to the newest leaf is taken. A cycle or a missing parent ends the path; `children` give the parent of
  /// a node that does not name one.
  @Test(.timeLimit(.minutes(5))) func brokenTreesEndTheWay() async throws {
    let newest = Self.conversation(
      #""id":"newest""#,
      [Self.node("a", "root", time: "1700000000"), Self.node("b", "a", time: "1700000005"), Self.node("c", "a", time: "1700000004")])
    let cycle = Self.conversation(
      #""id":"cycle","current_node":"b""#, [Self.node("a", "b", time: "1700000000"), Self.node("b", "a", time: "1700000001")])
    let dangling = Self.conversation(#""id":"dangling","current_node":"gone""#, [Self.node("a", "nowhere", time: "1700000000")])
    let children = #"""
      {"id":"children","current_node":"b","mapping":{
        "a":{"children":["b"],"message":{"author":{"role":"user"},"create_time":1700000000,"content":{"content_type":"text","parts":["a"]}}},
        "b":{"message":{"author":{"role":"user"},"content":{"content_type":"text","parts":["b"]}}}}}
      """#
    let empty = #"{"id":"empty","mapping":{}}"#
    let (report, memories) = try await place.imported("[\(newest),\(cycle),\(dangling),\(children),\(empty)]")
    let texts = Dictionary(grouping: memories.map { $0.split(separator: "|") }, by: { $0[0] }).mapValues { $0.map { $0[3] } }
    #expect(texts == ["newest": ["a", "b"], "cycle": ["a", "b"], "dangling": ["a"], "children": ["a", "b"]])
    #expect(report.conversations == 4 && report.invalid == 0 && report.leftOut == [.branch: 1])
  }

  @Test(.timeLimit(.minutes(5))) func whatIsNoTextOfThePeopleIsLeftOutAndCounted() async throws {
    let long = #"{"content_type":"multimodal_text","parts":[{"content_type":"image_asset_pointer","asset_pointer":"sediment://x"},"look"]}"#
    let cases: [(String, String, String?, String)] = [
      ("hidden", "user", nil, #","metadata":{"is_visually_hidden_from_conversation":true}"#),
      ("weightless", "user", nil, #","weight":0.0"#),
      ("to a tool", "assistant", nil, #","recipient":"python""#), ("tool", "tool", #"{"content_type":"execution_output","text":"42"}"#, ""),
      ("thoughts", "assistant", #"{"content_type":"thoughts","thoughts":[]}"#, ""),
      ("future", "assistant", #"{"content_type":"hologram","beams":3}"#, ""),
      ("nothing", "user", #"{"content_type":"text","parts":[" "]}"#, ""),
      ("null", "user", "null", ""), ("image", "user", long, #","recipient":"all","weight":1.0,"metadata":{}"#),
      ("voice", "user", #"{"content_type":"multimodal_text","parts":[{"content_type":"audio_transcription","text":"hum"}]}"#, ""),
      ("code", "assistant", #"{"content_type":"code","language":"swift","text":"let x = 1"}"#, ""),
    ]
    var parent = "root"
    var nodes: [String] = []
    for (id, role, content, more) in cases {
      nodes.append(Self.node(id, parent, role: role, time: "1700000000", content: content, more: more))
      parent = id
    }
    let text = "[" + Self.conversation(#""id":"c","current_node":"code""#, nodes) + "]"
    let (report, memories) = try await place.imported(text)
    #expect(memories.map { $0.split(separator: "|").last } == ["look", "hum", "let x = 1"])
    #expect(report.leftOut == [.hidden: 2, .tool: 2, .unsupported: 2, .empty: 2] && report.attachments == 1)
    let other = ConversationPlace()
    let withTools = try await other.imported(text, options: ConversationOptions(roles: ["human", "ai", "function"]))
    #expect(withTools.memories.map { $0.split(separator: "|").last } == ["to a tool", "42", "look", "hum", "let x = 1"])
  }

  /// The messages get the time of the conversation, or of its last change if there is no other; never the time of the import.
  @Test(.timeLimit(.minutes(5))) func aConversationWithoutTimesOfItsMessagesHasOne() async throws {
    let nodes = [Self.node("a", "root"), Self.node("b", "a", role: "assistant")]
    let begun = Self.conversation(#""id":"begun","create_time":1700000000,"update_time":1700000900"#, nodes)
    let changed = Self.conversation(#""conversation_id":"changed","create_time":null,"update_time":1700000900"#, nodes)
    let (report, memories) = try await place.imported("[\(begun),\(changed),\(Self.conversation(#""id":"never""#, nodes))]")
    #expect(
      memories == [
        "begun|user|2023-11-14T22:13:20.000Z|a", "begun|assistant|2023-11-14T22:13:20.001Z|b", "changed|user|2023-11-14T22:28:20.000Z|a",
        "changed|assistant|2023-11-14T22:28:20.001Z|b",
      ])
    #expect(report.faults.map(\.id) == ["never"] && report.faults[0].number == 3 && report.faults[0].message.contains("createdAt"))
  }

  /// A tree of 20,000 messages in one line, so its depth is 20,000; no message has a time.
  @Test(.timeLimit(.minutes(5))) func aLongConversationTakesTimeInProportion() async throws {
    var nodes: [String] = []
    for number in 0..<20_000 { nodes.append(Self.node("n\(number)", number == 0 ? "root" : "n\(number - 1)")) }
    let text = Self.conversation(#""id":"long","create_time":1700000000"#, nodes)
    for branches in ConversationOptions.Branches.allCases {
      var reader = try ConversationReader(.file(try place.file("[\(text)]")), for: "ada", options: ConversationOptions(branches: branches))
      let element = try #require(try reader.next())
      #expect(element.conversations.first?.messages.count == 20_000 && element.conversations.first?.messages.last?.text == "n19999")
      #expect(try reader.next() == nil)
    }
  }
}
