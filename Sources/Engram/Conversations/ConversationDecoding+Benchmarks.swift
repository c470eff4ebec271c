import Formats
import Foundation

/// Conversations with questions about them: LoCoMo and LongMemEval.
extension ConversationDecoding {
  mutating func decodeLoCoMo(_ value: JSONValue) throws {
    let sample = try value.name(["sample_id"])
    id = sample
    guard case .object(let members)? = value["conversation"], let conversation = value["conversation"] else {
      throw ShapeFault(message: "'conversation' is missing, or no object")
    }
    let name = sample ?? "\(number - 1)"
    var sessions: [(number: Int, turns: [JSONValue])] = []
    for member in members {
      guard member.key.hasPrefix("session_"), let number = Int(member.key.dropFirst(8)), case .array(let turns) = member.value else {
        continue
      }
      sessions.append((number, turns))
    }
    for session in sessions.sorted(by: { $0.number < $1.number }) {
      let key = "session_\(session.number)"
      guard let start = ConversationDates.loCoMo(try conversation.requiredText("\(key)_date_time")) else {
        throw ShapeFault(message: "the time of \(key) is not like '1:56 pm on 8 May, 2023'")
      }
      var messages: [Conversation.Message] = []
      for (place, turn) in session.turns.enumerated() {
        let (id, speaker, text) = (try turn.requiredText("dia_id"), try turn.requiredText("speaker"), try turn.requiredText("text"))
        let caption = try turn.text("blip_caption")
        attachments += try turn.list("img_url")?.count ?? 0
        guard !text.isBlank || caption != nil else {
          leaveOut(.empty)
          continue
        }
        messages.append(
          Conversation.Message(speaker: speaker, text: text, caption: caption, createdAt: start.addingTimeInterval(Double(place)), id: id))
      }
      guard !messages.isEmpty else { continue }
      // One user may have several samples, each with a first session.
      conversations.append(
        Conversation(id: userID == nil ? key : "\(name)/\(key)", userID: userID ?? name, createdAt: start, messages: messages))
    }
  }

  mutating func decodeLongMemEval(_ value: JSONValue) throws {
    id = try value.name(["question_id"])
    guard case .array(let sessions)? = value["haystack_sessions"] else {
      throw ShapeFault(message: "'haystack_sessions' is no list of sessions")
    }
    let dates = try value.list("haystack_dates") ?? []
    let names = try value.list("haystack_session_ids") ?? []
    for (number, session) in sessions.enumerated() {
      guard number < dates.count, case .string(let date) = dates[number], let start = ConversationDates.longMemEval(date) else {
        throw ShapeFault(message: "session \(number) has no time like '2023/04/10 (Mon) 23:07'")
      }
      guard case .array(let turns) = session else { throw ShapeFault(message: "session \(number) is no list of messages") }
      var messages: [Conversation.Message] = []
      for (place, turn) in turns.enumerated() {
        let (role, text) = (MessageRole.name(try turn.requiredText("role")), try turn.requiredText("content"))
        if let omission = omission(ofRole: role) ?? (text.isBlank ? .empty : nil) {
          leaveOut(omission)
          continue
        }
        messages.append(
          Conversation.Message(role: role, text: text, createdAt: start.addingTimeInterval(Double(place)), id: "\(place)"))
      }
      guard !messages.isEmpty else { continue }
      var name = "\(number)"
      if number < names.count, case .string(let given) = names[number] { name = given }
      conversations.append(
        Conversation(id: name, userID: userID ?? id ?? "\(self.number - 1)", createdAt: start, messages: messages))
    }
  }
}

/// Times without a zone, taken as UTC.
enum ConversationDates {
  /// `1:56 pm on 8 May, 2023`.
  static func loCoMo(_ text: String) -> Date? {
    let parts = text.split(separator: " ").map { $0.trimmingCharacters(in: .punctuationCharacters) }
    guard parts.count == 6, parts[1] == "am" || parts[1] == "pm", parts[2] == "on" else { return nil }
    let clock = parts[0].split(separator: ":").compactMap { Int($0) }
    let months = [
      "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December",
    ]
    guard clock.count == 2, (1...12).contains(clock[0]), let month = months.firstIndex(of: parts[4]), let day = Int(parts[3]),
      let year = Int(parts[5])
    else { return nil }
    return date(year, month + 1, day, clock[0] % 12 + (parts[1] == "pm" ? 12 : 0), clock[1])
  }

  /// `2023/04/10 (Mon) 23:07`.
  static func longMemEval(_ text: String) -> Date? {
    let numbers = text.split(whereSeparator: { !($0.isASCII && $0.isNumber) }).compactMap { Int($0) }
    guard numbers.count == 5 else { return nil }
    return date(numbers[0], numbers[1], numbers[2], numbers[3], numbers[4])
  }

  private static func date(_ year: Int, _ month: Int, _ day: Int, _ hour: Int, _ minute: Int) -> Date? {
    guard (1...9999).contains(year), [month, day, hour, minute].allSatisfy((0...99).contains) else { return nil }
    func digits(_ number: Int, _ count: Int) -> String {
      let text = "\(number)"
      return String(repeating: "0", count: count - text.utf8.count) + text
    }
    let text = "\(digits(year, 4))-\(digits(month, 2))-\(digits(day, 2))T\(digits(hour, 2)):\(digits(minute, 2)):00Z"
    return TimestampText.milliseconds(text).map { Date(milliseconds: $0) }
  }
}
