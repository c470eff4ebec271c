import Engram
import Formats
import Synchronization

extension Tool {
  static let forgetUser = Tool(
    name: "memory_forget_user",
    note: "Erase all memories, the profile and their history for good. Only if the user asks for exactly this.",
    arguments: [
      Field(
        "confirm", .text(bytes: 1...1024), "the user id, as memory_overview shows it", required: true,
        not: ["user", "userid", "confirmation"])
    ],
    result: [
      Field("memories", .integer(0...Int.max), required: true),
      Field("contexts", .integer(0...Int.max), required: true),
      Field("versions", .integer(0...Int.max), required: true),
      Field("complete", .boolean(), "no old file is left", required: true),
      Field("receipt", .anyText, required: true),
    ],
    hints: Hints(isDestructive: true, isIdempotent: true)
  ) { arguments, call in
    guard arguments.text("confirm").map({ $0.utf8.elementsEqual(call.user.utf8) }) == true else {
      throw ToolFailure("`confirm` must be the user id, as memory_overview shows it. Nothing was erased.")
    }
    if call.context.canElicit, let question = try Consent.question(call) { return .needsInput(question) }
    let progress = call.progress
    let receipt = try await call.store.forget(userID: call.user) { progress.report($0) }
    return .object { writer in
      writer.key("memories")
      writer.write(receipt.memories)
      writer.key("contexts")
      writer.write(receipt.contexts)
      writer.key("versions")
      writer.write(receipt.versions)
      writer.key("complete")
      writer.write(receipt.isComplete)
      writer.key("receipt")
      writer.write(receipt.description)
    }
  }
}

/// The question whether a user's data may be erased, which the client puts to its user.
enum Consent {
  private static let key = "erase"

  /// The question; nil if the request brings the answer yes.
  ///
  /// - Throws: ``ToolFailure`` for the answer no.
  static func question(_ call: ToolCall) throws(ToolFailure) -> String? {
    guard case .string(let state)? = call.parameters["requestState"], call.service.questions.close(state, user: call.user),
      let answer = call.parameters["inputResponses"]?[key]
    else { return ask(call) }
    guard case .string("accept")? = answer["action"], case .bool(true)? = answer["content"]?["erase"] else {
      throw ToolFailure("The user did not agree. Nothing was erased; do not ask again.")
    }
    return nil
  }

  private static func ask(_ call: ToolCall) -> String {
    var writer = JSONWriter()
    writer.beginObject()
    writer.key("inputRequests")
    writer.beginObject()
    writer.key(text: key)
    writer.beginObject()
    writer.key("method")
    writer.write("elicitation/create")
    writer.key("params")
    writer.beginObject()
    writer.key("mode")
    writer.write("form")
    writer.key("message")
    writer.write("Erase everything that is remembered of '\(TerminalText.escaped(call.user))', for good?")
    writer.key("requestedSchema")
    writer.write(
      json: #"{"type":"object","properties":{"erase":{"type":"boolean","title":"Erase everything","default":false}},"required":["erase"]}"#)
    writer.endObject()
    writer.endObject()
    writer.endObject()
    writer.key("requestState")
    writer.write(call.service.questions.open(user: call.user))
    writer.endObject()
    return writer.string
  }
}

/// The questions that were asked and not answered. Each is answered once, within five minutes, for the same user.
///
/// The state that a client brings back is a random number that only this process knows: there is nothing in it that could be changed.
final class OpenQuestions: Sendable {
  private struct Question {
    let state: String
    let user: String
    let end: ContinuousClock.Instant
  }

  private let questions = Mutex<[Question]>([])
  private static let most = 16

  /// - Returns: The state that the answer must bring.
  func open(user: String) -> String {
    var generator = SystemRandomNumberGenerator()
    let state = String(UInt128.random(in: 0...UInt128.max, using: &generator), radix: 16)
    questions.withLock { questions in
      if questions.count >= Self.most { questions.removeFirst() }
      questions.append(Question(state: state, user: user, end: .now + .seconds(300)))
    }
    return state
  }

  /// - Returns: Whether the question was open; it no longer is.
  func close(_ state: String, user: String) -> Bool {
    questions.withLock { questions in
      guard let index = questions.firstIndex(where: { $0.state.utf8.elementsEqual(state.utf8) }) else { return false }
      let question = questions.remove(at: index)
      return question.user.utf8.elementsEqual(user.utf8) && ContinuousClock.now < question.end
    }
  }
}
