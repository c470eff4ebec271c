import Engram
import Formats

/// A checked change of a profile, which is applied in one transaction.
struct ProfileChange: Sendable {
  private enum Path: Sendable, Equatable {
    case preference(String)
    case topics
    case friendshipLevel

    /// - Throws: ``ToolFailure`` for a path that a tool may not change.
    init(parsing text: String) throws(ToolFailure) {
      let prefix = "preferences."
      if text.utf8.starts(with: prefix.utf8), text.utf8.count > prefix.utf8.count {
        self = .preference(String(decoding: text.utf8.dropFirst(prefix.utf8.count), as: UTF8.self))
        return
      }
      switch text {
      case "topics": self = .topics
      case "friendshipLevel": self = .friendshipLevel
      default:
        let known = ["preferences.NAME", "topics", "friendshipLevel"]
        let meant = Spelling.nearest(to: text, of: Array(known.dropFirst())).map { " Did you mean `\($0)`?" } ?? ""
        throw ToolFailure(
          "`\(TerminalText.excerpt(text))` is no path of the profile: there are `preferences.NAME`, `topics` and `friendshipLevel`.\(meant)"
        )
      }
    }
  }

  private enum Step: Sendable {
    /// Nil removes it.
    case preference(String, String?)
    case topics([String])
    case level(Int)
    case raise(Int)
  }

  private var steps: [Step] = []
  private var paths: [Path] = []

  private static let mostPreferences = 500

  /// - Throws: ``ToolFailure``.
  init(_ arguments: Arguments) throws(ToolFailure) {
    for member in arguments.members("set") { steps.append(try Self.setting(try unused(member.key), member)) }
    for member in arguments.members("increment") {
      guard try unused(member.key) == .friendshipLevel, case .number(let number) = member.value, let amount = number.wholeNumber else {
        throw ToolFailure("Only `friendshipLevel` is a number: `\(TerminalText.excerpt(member.key))` cannot be incremented.")
      }
      steps.append(.raise(amount))
    }
    for name in arguments.texts("unset") {
      switch try unused(name) {
      case .preference(let key): steps.append(.preference(key, nil))
      case .topics: steps.append(.topics([]))
      case .friendshipLevel: steps.append(.level(0))
      }
    }
    if steps.isEmpty { throw ToolFailure("Nothing to change: give `set`, `increment` or `unset`.") }
  }

  private mutating func unused(_ text: String) throws(ToolFailure) -> Path {
    let path = try Path(parsing: text)
    if paths.contains(path) { throw ToolFailure("`\(TerminalText.excerpt(text))` is changed twice in one call.") }
    paths.append(path)
    return path
  }

  private static func setting(_ path: Path, _ member: JSONValue.Member) throws(ToolFailure) -> Step {
    let place = "set.\(TerminalText.excerpt(member.key))"
    switch path {
    case .preference(let name):
      try Shape.text(bytes: 0...8192).check(member.value, at: place)
      guard case .string(let text) = member.value, name.utf8.count <= 1024 else {
        throw ToolFailure("`\(place)` has a name of more than 1024 bytes.")
      }
      return .preference(name, text)
    case .topics:
      try Shape.list(of: .text(bytes: 1...1024), count: 0...200).check(member.value, at: place)
      guard case .array(let elements) = member.value else { return .topics([]) }
      return .topics(elements.compactMap { if case .string(let text) = $0 { text } else { nil } })
    case .friendshipLevel:
      try Shape.integer(-1_000_000_000...1_000_000_000).check(member.value, at: place)
      guard case .number(let number) = member.value, let level = number.wholeNumber else { return .level(0) }
      return .level(level)
    }
  }

  /// - Throws: ``ToolFailure`` if the profile would have too many preferences.
  func applied(to context: UserContext) throws -> UserContext {
    var (preferences, topics, level) = (context.preferences, context.topics, context.friendshipLevel)
    for step in steps {
      switch step {
      case .preference(let name, let value): preferences[name] = value
      case .topics(let names): topics = names
      case .level(let number): level = number
      case .raise(let amount):
        let (sum, overflow) = level.addingReportingOverflow(amount)
        if overflow { throw ToolFailure("`friendshipLevel` would be too large.") }
        level = sum
      }
    }
    guard preferences.count <= Self.mostPreferences else {
      throw ToolFailure("The profile would have \(preferences.count) preferences; at most \(Self.mostPreferences) are allowed.")
    }
    return context.with(friendshipLevel: level, preferences: preferences, topics: topics)
  }
}
