import Foundation
import TestSupport
import Testing

/// `memtool eval` on a small file of conversations whose measures are known.
@Suite struct EvalTests {
  private let tool: Tool
  private let directory = TemporaryDirectory()

  init() throws { tool = try Tool() }

  private func file(_ content: String) throws -> String {
    let path = directory.path("eval-\(UUID().uuidString).json")
    try Data(content.utf8).write(to: URL(fileURLWithPath: path))
    return path
  }

  /// Two conversations with the same sessions and turns; the fourth question has no evidence.
  private static let conversations = #"""
    [{"sample_id": "a", "conversation": {
       "speaker_a": "Ada", "speaker_b": "Bob", "session_1_date_time": "1:56 pm on 8 May, 2023", "session_1": [
         {"speaker": "Ada", "dia_id": "D1:1", "text": "I adopted a zebra"}, {"speaker": "Bob", "dia_id": "D1:2", "text": "What a surprise"}],
       "session_2_date_time": "12:05 am on 1 June, 2023", "session_2": [
         {"speaker": "Ada", "dia_id": "D2:1", "text": "The guitar is mine", "blip_caption": "a photo of an accordion"}]},
      "qa": [{"question": "Who has a zebra?", "evidence": ["D1:1"], "category": 1},
        {"question": "Whose accordion is it?", "evidence": ["D2:1; D1:1"], "category": 4},
        {"question": "What happened on 1 June?", "evidence": ["D2:1"], "category": 2},
        {"question": "Nothing?", "evidence": ["D9:9"], "category": 5}]},
     {"conversation": {"session_1_date_time": "1:56 pm on 8 May, 2023", "session_1": [
         {"speaker": "Ada", "dia_id": "D1:1", "text": "I play chess"}]},
      "qa": [{"question": "zebra", "evidence": ["D1:1"], "category": 1}]}]
    """#

  @Test func theMeasuresAreThoseOfTheFile() throws {
    let path = try file(Self.conversations)
    let outcome = try tool.run("eval", path, "--json", "--quiet", "--embedder", "none")
    #expect(outcome.standardError.contains("1 question names no turn"))
    var cells: [String: [String: Double]] = [:]
    for line in outcome.standardOutput.split(separator: "\n") {
      let object = try #require(JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any])
      #expect(object["mode"] as? String == "lexical")
      let category = try #require(object["category"] as? String)
      cells[category] = object.compactMapValues { ($0 as? NSNumber)?.doubleValue }
    }
    #expect(cells.keys.sorted() == ["1", "2", "4", "all"])
    // Nothing in the second conversation contains the word.
    #expect(cells["1"]?["recall@5"] == 0.5 && cells["1"]?["questions"] == 2)
    #expect(cells["2"]?["recall@10"] == 1 && cells["2"]?["MRR@10"] == 1 && cells["2"]?["nDCG@10"] == 1)
    // Of two turns only the one with the caption is found, at the first place.
    #expect(cells["4"]?["recall@5"] == 0.5 && cells["4"]?["hit@5"] == 1)
    #expect(abs((cells["4"]?["nDCG@10"] ?? 0) - 1 / (1 + 1 / log2(3))) < 1e-9)
    #expect(cells["all"]?["recall@5"] == (0.5 * 2 + 1 + 0.5) / 4 && cells["all"]?["questions"] == 4)
  }

  @Test func everyModeHasItsRowsAndItsBars() throws {
    let (path, svg) = (try file(Self.conversations), directory.path("recall.svg"))
    let outcome = try tool.run("eval", path, "--svg", svg, "--quiet")
    let rows = outcome.standardOutput.split(separator: "\n").map { $0.split(separator: " ").map(String.init) }
    #expect(rows[0].joined(separator: " ") == "2 conversations, 4 turns, 4 questions; embedder hashing")
    for mode in ["dense", "lexical", "hybrid"] { #expect(rows.count { $0[0] == mode } == 4) }
    let picture = try String(contentsOfFile: svg, encoding: .utf8)
    #expect(picture.hasPrefix("<svg ") && picture.hasSuffix("</svg>\n"))
    #expect(picture.components(separatedBy: "<title>").count - 1 == 12)
  }

  @Test func longMemEvalIsReadAsWell() throws {
    let path = try file(
      #"""
      [{"question_id": "q1", "question_type": "single", "question": "Which fruit?", "answer": 3, "question_date": "2023/04/11 (Tue) 10:00",
        "haystack_dates": ["2023/04/10 (Mon) 23:07", "2023/03/10 (Fri) 09:00"], "haystack_session_ids": ["x", "y"],
        "haystack_sessions": [[{"role": "user", "content": "My favorite fruit is the mango", "has_answer": true},
          {"role": "assistant", "content": "Noted"}], [{"role": "user", "content": "Hello there"}]]},
       {"question_id": "q2_abs", "question_type": "abstention", "question": "?", "haystack_dates": ["2023/04/10 (Mon) 23:07"],
        "haystack_sessions": [[{"role": "user", "content": "Hello"}]]}]
      """#)
    let outcome = try tool.run("eval", path, "--json", "--embedder", "none")
    #expect(outcome.standardOutput.contains(#""mode":"lexical","category":"single","questions":1,"recall@5":1.0"#))
    #expect(outcome.standardError.contains("1 question names"))
  }

  @Test(arguments: [
    ("{}", "is neither an array of conversations of LoCoMo"), ("[]", "is neither an array"), ("[{}]", "is neither an array"),
    (#"[{"conversation": {}}]"#, "element 1: 'qa' is missing"),
    (#"[{"conversation": {"session_1": []}, "qa": []}]"#, "'session_1_date_time' is missing"),
    (#"[{"conversation": {"session_1": [], "session_1_date_time": "noon"}, "qa": []}]"#, "the time of session_1 is not like"),
    (
      #"[{"conversation": {"session_1": [{"dia_id": 3}], "session_1_date_time": "1:56 pm on 8 May, 2023"}, "qa": []}]"#,
      "'dia_id' is a number, not a text"
    ),
    (#"[{"haystack_sessions": 4}]"#, "'haystack_sessions' is no list"),
    (#"[{"haystack_sessions": [[]]}]"#, "session 0 has no time like"),
  ])
  func aFileOfAnotherShapeIsRefused(_ content: String, _ problem: String) throws {
    let outcome = try tool.run("eval", try file(content), exit: 1)
    #expect(outcome.standardError.contains(problem) && outcome.standardOutput.isEmpty, "\(outcome.standardError)")
  }

  @Test func aMissingFileIsNamed() throws {
    let outcome = try tool.run("eval", directory.path("nothing.json"), exit: 1)
    #expect(outcome.standardError.contains("nothing.json"))
  }
}
