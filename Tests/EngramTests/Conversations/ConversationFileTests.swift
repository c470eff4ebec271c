import Foundation
import TestSupport
import Testing

@testable import Engram

/// Files of conversations as files: their format is detected by their content, and they are read element by element.
@Suite struct ConversationFileTests {
  private let place = ConversationPlace()

  private static let loCoMo = #"""
    [{"sample_id":"s-1","conversation":{"speaker_a":"Ann","speaker_b":"Bo","session_2_date_time":"12:05 am on 1 June, 2023",
      "session_2":[{"speaker":"Bo","dia_id":"D2:1","text":"later"}],"session_10_date_time":"1:00 pm on 2 June, 2023",
      "session_1_date_time":"1:56 pm on 8 May, 2023","session_1":[{"speaker":"Ann","dia_id":"D1:1","text":"","blip_caption":"a zebra"},
      {"speaker":"Bo","dia_id":"D1:2","text":"wow","img_url":["x"]}]},"qa":[{"question":"?","answer":3}]}]
    """#

  @Test(.timeLimit(.minutes(5))) func sessionsOfLoCoMoKeepTheirSpeakersDatesAndCaptions() async throws {
    let (report, memories) = try await place.imported(Self.loCoMo, for: nil)
    #expect(
      memories == [
        "session_1|Ann|2023-05-08T13:56:00.000Z|", "session_1|Bo|2023-05-08T13:56:01.000Z|wow",
        "session_2|Bo|2023-06-01T00:05:00.000Z|later",
      ])
    #expect(report.attachments == 1 && report.conversations == 2)
    let store = try await place.place.open(StoreOptions())
    let first = try #require(try store.memories(for: "s-1", newestFirst: false).first)
    #expect(first.caption == "a zebra" && first.metadata == ["messageID": .string("D1:1")] && first.source == "locomo")
    try await store.close()
    // If all samples go to one user, each sample has its own sessions.
    let named = try await ConversationPlace().imported(Self.loCoMo, for: "ada")
    #expect(named.memories.map { $0.split(separator: "|")[0] } == ["s-1/session_1", "s-1/session_1", "s-1/session_2"])
  }

  @Test(.timeLimit(.minutes(5))) func sessionsOfLongMemEvalAreThoseOfTheirQuestion() async throws {
    let text = #"""
      [{"question_id":"q1","question":"?","answer":3,"haystack_dates":["2023/04/10 (Mon) 23:07","2023/03/10 (Fri) 09:00"],
        "haystack_session_ids":["x","y"],"haystack_sessions":[[{"role":"user","content":"mango","has_answer":true},
        {"role":"assistant","content":"noted"}],[{"role":"user","content":"hello"}]]},
       {"question_id":"q2","haystack_dates":[],"haystack_sessions":[[]]}]
      """#
    let (report, memories) = try await place.imported(text, for: nil)
    #expect(
      memories == [
        "y|user|2023-03-10T09:00:00.000Z|hello", "x|user|2023-04-10T23:07:00.000Z|mango", "x|assistant|2023-04-10T23:07:01.000Z|noted",
      ])
    #expect(report.faults.map(\.message) == ["session 0 has no time like '2023/04/10 (Mon) 23:07'"] && report.faults[0].id == "q2")
  }

  @Test(
    .timeLimit(.minutes(5)),
    arguments: [
      (#"[{"mapping":{}}]"#, .chatGPT), (#"[7,{"chat_messages":[]}]"#, .claude), (#"{"messages":[]}"#, .openAI),
      (#"[[{"role":"user","content":"x"}]]"#, .openAI), (#"{"conversations":[{"from":"human","value":"x"}]}"#, .shareGPT),
      (#"[{"type":"human","data":{"content":"x"}}]"#, .langChain), (#"{"role":"user","content":"x"}"#, .messages),
      (#"[{"role":"user","text":"x"}]"#, .messages), ("nonsense\n{\"role\":\"user\",\"content\":\"x\"}", .messages),
      ("{\"role\":\"user\",\"content\":\"cut\n{\"role\":\"user\",\"content\":\"x\"}", .messages),
      ("\u{FEFF} {\n \"messages\" : [\n ]\n}\n", .openAI), (#"[{"haystack_sessions":4}]"#, .longMemEval),
      (#"[{"conversation":{}}]"#, .loCoMo), (#"{"type":"memory","userID":"u","text":"t","role":"user"}"#, nil),
      (#"{"type":"store","format":1}"#, nil), ("", nil), ("[]", nil), ("[", nil), ("{}", nil), ("7", nil), (#""text""#, nil), ("]", nil),
      (#"{"type":"context","userID":"u","value":{"messages":[]}}"#, nil),
    ] as [(String, ConversationFormat?)])
  func aFormatIsToldByTheContent(text: String, format: ConversationFormat?) throws {
    #expect(try ConversationFormat.detected(in: .file(try place.file(text, "data.csv"))) == format)
  }

  @Test func archivesAreRefusedWithWhatToDo() throws {
    for (bytes, word) in [([0x50, 0x4B, 3, 4, 20, 0], "unzip"), ([0x1F, 0x8B, 8, 0], "decompress")] as [([UInt8], String)] {
      let url = URL(fileURLWithPath: place.place.directory.path("export.zip"))
      try Data(bytes).write(to: url)
      let error = #expect(throws: StoreError.self) { try ConversationReader(.file(url), for: "ada") }
      #expect(error?.code == .invalidImport && error?.message.contains(word) == true)
    }
  }

  private static func conversation(_ number: Int, padding: Int = 0) -> String {
    let text = String(repeating: "[{\\\"é", count: padding / 6)
    return
      #"{"id":"c\#(number)","created_at":\#(1_700_000_000 + number),"messages":[{"role":"user","content":"text \#(number) \#(text)"}]}"#
  }

  /// Other importers import nothing of a file that ends too early, or do not report what is missing.
  @Test(.timeLimit(.minutes(5))) func ofAFileThatIsCutOffTheWholeConversationsAreImported() async throws {
    let whole = (0..<4).map { Self.conversation($0) }
    let text = "[" + whole.joined(separator: ",")
    for cut in [text.utf8.count - 1, text.utf8.count - 20, text.utf8.count - whole[3].utf8.count - 1, text.utf8.count] {
      let (report, memories) = try await ConversationPlace().imported(String(decoding: Array(text.utf8.prefix(cut)), as: UTF8.self))
      #expect(memories.count == (cut == text.utf8.count ? 4 : 3))
      let fault = try #require(report.faults.first)
      #expect(report.invalid == 1 && fault.number == (cut == text.utf8.count ? 5 : 4), "\(cut): \(fault)")
      #expect(fault.message.hasPrefix("the file ends ") && fault.message.contains("byte"), "\(fault)")
    }
    let (report, memories) = try await place.imported("[\(whole[0]) \(whole[1])]")
    #expect(memories.count == 1 && report.faults.map(\.number) == [2] && report.faults[0].message.contains("comma"))
    let trailing = try await ConversationPlace().imported("[\(whole[0])] more")
    #expect(trailing.memories.count == 1 && trailing.report.invalid == 1)
  }

  /// Elements cross the borders of the parts in which a file is read; objects may also follow each other without an array.
  @Test(.timeLimit(.minutes(5))) func elementsOfAnySizeAreReadWhole() async throws {
    let paddings = [0, 300_000, 1 << 20, 17, 700_000, 3]
    let elements = paddings.enumerated().map { Self.conversation($0.offset, padding: $0.element) }
    for text in ["[" + elements.joined(separator: ",\n") + "]", elements.joined(separator: "\n"), elements.joined(separator: " ")] {
      var reader = try ConversationReader(.file(try place.file(text)), for: "ada")
      var seen: [[UInt8]] = []
      while let element = try reader.next() {
        #expect(element.fault == nil && element.number == seen.count + 1)
        seen.append(element.json)
      }
      #expect(seen == elements.map { Array($0.utf8) })
    }
  }

  /// A folder has the parts of an export, and other files.
  @Test(.timeLimit(.minutes(5))) func ofAFolderTheConversationsAreRead() async throws {
    let folder = URL(fileURLWithPath: place.place.directory.path("export"))
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: false)
    await expectCode(.invalidArgument) { _ = try ConversationReader.files(at: folder) }
    for (name, number) in [("conversations-001.json", 2), ("conversations-000.json", 1)] {
      try Data("[\(Self.conversation(number))]".utf8).write(to: folder.appendingPathComponent(name))
    }
    for name in ["user.json", "conversations.json.index", "chat.html"] {
      try Data("{}".utf8).write(to: folder.appendingPathComponent(name))
    }
    #expect(try ConversationReader.files(at: folder).map(\.lastPathComponent) == ["conversations-000.json", "conversations-001.json"])
    let store = try await place.place.open(StoreOptions())
    let report = try await store.importConversations(from: [folder], for: "ada")
    #expect(report.conversations == 2 && report.added == 2)
    try await store.close()
  }

  /// More memories than one commit holds, with texts that are embedded in batches; a dry run before it reports the same.
  @Test(.timeLimit(.minutes(5))) func manyConversationsTakeSeveralCommits() async throws {
    let text = (0..<2_500).map { Self.conversation($0 % 2_400) }.joined(separator: "\n")
    let url = try place.file(text)
    let store = try await place.place.open(StoreOptions(embedder: HashingEmbedder(dimension: 8)))
    let planned = try await store.importConversations(from: [url], for: "ada", options: ConversationOptions(isDryRun: true))
    #expect(try store.count() == 0)
    let before = try store.status.batchSequence
    let report = try await store.importConversations(from: [url], for: "ada")
    #expect(report == planned && report.added == 2_400 && report.existing == 100)
    #expect(try store.status.batchSequence == before + 3 && store.inspection(of: "ada")?.embeddings == 2_400)
    let second = try await store.importConversations(from: [url], for: "ada", options: ConversationOptions(isDryRun: true))
    #expect(second.added == 0 && second.existing == 2_500)
    #expect(try await store.verify().problems.isEmpty)
    try await store.close()
  }
}
