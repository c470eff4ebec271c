import Engram
import Foundation

/// Conversations with questions about them, and the turns that answer each question.
struct EvalSet {
  struct Conversation {
    let name: String
    /// In order of time.
    let turns: [Turn]
    let questions: [Question]
  }

  struct Turn {
    let id: String
    let session: String
    let speaker: String
    let text: String
    let caption: String?
    let date: Date
  }

  struct Question {
    let text: String
    let category: String
    /// The ids of the turns that answer it; not empty.
    let evidence: Set<String>
  }

  private(set) var conversations: [Conversation] = []
  /// Questions that name no turn of their conversation.
  private(set) var leftOut = 0

  var questionCount: Int { conversations.reduce(0) { $0 + $1.questions.count } }
  var turnCount: Int { conversations.reduce(0) { $0 + $1.turns.count } }

  /// Reads a file in the format of LoCoMo or of LongMemEval: an array of conversations, or of questions with the sessions that they are
  /// about.
  ///
  /// - Throws: ``StoreError`` `.invalidArgument` that says what is wrong and where; `.inputOutput`.
  init(file: URL) throws {
    let source = try ImportSource.file(file)
    let format = try ConversationFormat.detected(in: source)
    guard format == .loCoMo || format == .longMemEval else {
      throw Self.invalid(file, "is neither an array of conversations of LoCoMo nor one of questions of LongMemEval")
    }
    var reader = try ConversationReader(source, format: format)
    while let element = try reader.next() {
      if let fault = element.fault { throw Self.invalid(file, "element \(element.number): \(fault.message)") }
      do {
        guard let sample = try? JSONSerialization.jsonObject(with: Data(element.json)) as? [String: Any] else {
          throw Fault(message: "it is no object")
        }
        if format == .loCoMo { try addLoCoMo(sample, element) } else { try addLongMemEval(sample, element) }
      } catch let fault as Fault {
        throw Self.invalid(file, "element \(element.number): \(fault.message)")
      }
    }
  }

  private struct Fault: Error {
    let message: String
  }

  private static func invalid(_ file: URL, _ fault: String) -> StoreError { StoreError(.invalidArgument, "\(file.path) \(fault)") }

  private static func text(_ value: Any?, _ name: String) throws -> String {
    guard let text = value as? String else { throw Fault(message: "'\(name)' is missing, or no text") }
    return text
  }

  /// - Parameter id: Makes the id of a turn from the ids of its session and of its message.
  private static func turns(of element: ConversationReader.Element, id: (_ session: String, _ message: String) -> String) -> [Turn] {
    element.conversations.flatMap { session in
      session.messages.map { message in
        Turn(
          id: id(session.id, message.id ?? ""), session: session.id, speaker: message.speaker ?? message.role ?? "", text: message.text,
          caption: message.caption, date: message.createdAt ?? .distantPast)
      }
    }
  }

  private mutating func addLoCoMo(_ sample: [String: Any], _ element: ConversationReader.Element) throws {
    guard let asked = sample["qa"] as? [[String: Any]] else { throw Fault(message: "'qa' is missing, or no list of questions") }
    let turns = Self.turns(of: element) { _, message in message }
    let known = Set(turns.map(\.id))
    var questions: [Question] = []
    for question in asked {
      let named = (question["evidence"] as? [String] ?? []).flatMap(Self.turnIDs).filter(known.contains)
      guard !named.isEmpty else {
        leftOut += 1
        continue
      }
      let category = (question["category"] as? NSNumber)?.stringValue ?? question["category"] as? String ?? "none"
      questions.append(Question(text: try Self.text(question["question"], "question"), category: category, evidence: Set(named)))
    }
    conversations.append(
      Conversation(name: sample["sample_id"] as? String ?? "\(element.number - 1)", turns: turns, questions: questions))
  }

  /// The ids of the turns that `evidence` names, such as the two of `D1:3; D2:4`.
  private static func turnIDs(_ evidence: String) -> [String] {
    evidence.split(whereSeparator: { !($0.isNumber || $0 == ":" || $0 == "D") }).map(String.init)
  }

  /// Each question has sessions of its own.
  private mutating func addLongMemEval(_ sample: [String: Any], _ element: ConversationReader.Element) throws {
    let sessions = sample["haystack_sessions"] as? [[[String: Any]]] ?? []
    let names = sample["haystack_session_ids"] as? [String] ?? []
    func id(_ session: String, _ message: String) -> String { "\(session):\(message)" }
    var evidence: Set<String> = []
    for (number, session) in sessions.enumerated() {
      let name = number < names.count ? names[number] : "\(number)"
      for (place, turn) in session.enumerated() where turn["has_answer"] as? Bool == true { evidence.insert(id(name, "\(place)")) }
    }
    guard !evidence.isEmpty else {
      leftOut += 1
      return
    }
    let question = Question(
      text: try Self.text(sample["question"], "question"), category: sample["question_type"] as? String ?? "none", evidence: evidence)
    conversations.append(
      Conversation(
        name: sample["question_id"] as? String ?? "\(conversations.count)",
        turns: Self.turns(of: element, id: id).sorted { $0.date < $1.date },
        questions: [question]))
  }
}
