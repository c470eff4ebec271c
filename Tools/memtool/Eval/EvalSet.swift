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

  /// Reads a file in the format of LoCoMo or of LongMemEval: an array of conversations, or of questions with the sessions that they are about.
  ///
  /// - Throws: ``StoreError`` `.invalidLine` that says what is wrong and where.
  init(file: URL) throws {
    let data: Data
    do {
      data = try Data(contentsOf: file, options: .mappedIfSafe)
    } catch {
      throw StoreError(.inputOutput, "\(file.path) cannot be read: \(error.localizedDescription)")
    }
    guard let samples = try? JSONSerialization.jsonObject(with: data) as? [[String: Any]], !samples.isEmpty else {
      throw Self.invalid(file, "is not a JSON array of objects")
    }
    for (index, sample) in samples.enumerated() {
      do {
        if sample["haystack_sessions"] != nil { try addLongMemEval(sample) } else { try addLoCoMo(sample, index) }
      } catch let fault as Fault {
        throw Self.invalid(file, "element \(index): \(fault.message)")
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

  // MARK: LoCoMo

  private mutating func addLoCoMo(_ sample: [String: Any], _ index: Int) throws {
    guard let conversation = sample["conversation"] as? [String: Any], let asked = sample["qa"] as? [[String: Any]] else {
      throw Fault(message: "it has neither 'conversation' and 'qa' (LoCoMo) nor 'haystack_sessions' (LongMemEval)")
    }
    let sessions = conversation.keys.compactMap { key -> (number: Int, turns: [[String: Any]])? in
      guard key.hasPrefix("session_"), let number = Int(key.dropFirst(8)), let turns = conversation[key] as? [[String: Any]] else {
        return nil
      }
      return (number, turns)
    }
    var turns: [Turn] = []
    for session in sessions.sorted(by: { $0.number < $1.number }) {
      let name = "session_\(session.number)"
      let start = Self.date(ofLoCoMo: try Self.text(conversation["\(name)_date_time"], "\(name)_date_time"))
      guard let start else { throw Fault(message: "the time of \(name) is not like '1:56 pm on 8 May, 2023'") }
      for (place, turn) in session.turns.enumerated() {
        turns.append(
          Turn(
            id: try Self.text(turn["dia_id"], "dia_id"), session: name, speaker: try Self.text(turn["speaker"], "speaker"),
            text: try Self.text(turn["text"], "text"), caption: turn["blip_caption"] as? String,
            date: start.addingTimeInterval(Double(place))))
      }
    }
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
    conversations.append(Conversation(name: sample["sample_id"] as? String ?? "\(index)", turns: turns, questions: questions))
  }

  /// `D1:3; D2:4` names two turns.
  private static func turnIDs(_ evidence: String) -> [String] {
    evidence.split(whereSeparator: { !($0.isNumber || $0 == ":" || $0 == "D") }).map(String.init)
  }

  /// `1:56 pm on 8 May, 2023`, taken as UTC.
  private static func date(ofLoCoMo text: String) -> Date? {
    let parts = text.split(separator: " ").map { $0.trimmingCharacters(in: .punctuationCharacters) }
    guard parts.count == 6, parts[2] == "on" else { return nil }
    let clock = parts[0].split(separator: ":").compactMap { Int($0) }
    let months = [
      "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December",
    ]
    guard clock.count == 2, let day = Int(parts[3]), let month = months.firstIndex(of: parts[4]), let year = Int(parts[5]) else {
      return nil
    }
    let hour = clock[0] % 12 + (parts[1] == "pm" ? 12 : 0)
    return Self.calendar.date(
      from: DateComponents(year: year, month: month + 1, day: day, hour: hour, minute: clock[1]))
  }

  // MARK: LongMemEval

  /// Each question has sessions of its own.
  private mutating func addLongMemEval(_ sample: [String: Any]) throws {
    guard let sessions = sample["haystack_sessions"] as? [[[String: Any]]] else {
      throw Fault(message: "'haystack_sessions' is no list of sessions")
    }
    let dates = sample["haystack_dates"] as? [String] ?? []
    let names = sample["haystack_session_ids"] as? [String] ?? []
    var turns: [Turn] = []
    var evidence: Set<String> = []
    for (number, session) in sessions.enumerated() {
      let start = number < dates.count ? Self.date(ofLongMemEval: dates[number]) : nil
      guard let start else { throw Fault(message: "session \(number) has no time like '2023/04/10 (Mon) 23:07'") }
      for (place, turn) in session.enumerated() {
        let id = "\(number):\(place)"
        if turn["has_answer"] as? Bool == true { evidence.insert(id) }
        turns.append(
          Turn(
            id: id, session: number < names.count ? names[number] : "\(number)", speaker: try Self.text(turn["role"], "role"),
            text: try Self.text(turn["content"], "content"), caption: nil, date: start.addingTimeInterval(Double(place))))
      }
    }
    guard !evidence.isEmpty else {
      leftOut += 1
      return
    }
    let question = Question(
      text: try Self.text(sample["question"], "question"), category: sample["question_type"] as? String ?? "none", evidence: evidence)
    conversations.append(
      Conversation(
        name: sample["question_id"] as? String ?? "\(conversations.count)", turns: turns.sorted { $0.date < $1.date }, questions: [question]
      ))
  }

  private static func date(ofLongMemEval text: String) -> Date? {
    let numbers = text.split(whereSeparator: { !$0.isNumber }).compactMap { Int($0) }
    guard numbers.count >= 5 else { return nil }
    return calendar.date(
      from: DateComponents(year: numbers[0], month: numbers[1], day: numbers[2], hour: numbers[3], minute: numbers[4]))
  }

  private static let calendar: Calendar = {
    var calendar = Calendar(identifier: .gregorian)
    calendar.timeZone = .gmt
    return calendar
  }()
}
