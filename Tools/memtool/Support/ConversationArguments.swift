import ArgumentParser
import Engram
import Formats
import Foundation

/// The format of the files of an import.
enum ImportFormat: ExpressibleByArgument, Equatable {
  case auto
  /// The exchange format of Engram.
  case engram
  case conversation(ConversationFormat)

  init?(argument: String) {
    switch argument {
    case "auto": self = .auto
    case "engram": self = .engram
    default:
      guard let format = ConversationFormat(rawValue: argument) else { return nil }
      self = .conversation(format)
    }
  }

  static let allValueStrings = ["auto", "engram"] + ConversationFormat.allCases.map(\.rawValue)
  static var names: String { allValueStrings.joined(separator: "|") }

  var defaultValueDescription: String {
    switch self {
    case .auto: "auto"
    case .engram: "engram"
    case .conversation(let format): format.rawValue
    }
  }

  /// The format of conversations in all files; nil if each file has its own.
  var conversations: ConversationFormat? {
    if case .conversation(let format) = self { return format }
    return nil
  }

  /// Looks at the files. Returns nil if they hold JSON Lines of Engram.
  ///
  /// - Throws: ``StoreError`` `.invalidArgument` for files of both kinds, and what the library throws.
  func resolved(_ sources: [ImportSource]) throws -> ImportFormat? {
    switch self {
    case .engram: return nil
    case .conversation: return self
    case .auto:
      let found = try sources.map { (name: $0.name, format: try ConversationFormat.detected(in: $0)) }
      guard let first = found.first(where: { $0.format != nil }) else { return nil }
      if let other = found.first(where: { $0.format == nil }) {
        throw StoreError(
          .invalidArgument,
          "\(first.name) holds conversations, and \(other.name) none of a known format: import them one by one, or name the --format")
      }
      return .auto
    }
  }
}

/// Options of an import of conversations.
struct ConversationArguments: ParsableArguments {
  @Option(help: ArgumentHelp("Whose conversations they are; not needed if the file says so.", valueName: "id"))
  var user: String?

  @Option(help: ArgumentHelp("Only messages of these roles.", valueName: "role,role"))
  var roles = "user,assistant"

  @Option(help: ArgumentHelp("Of messages that were edited or made again: those that are shown, or all.", valueName: "current|all"))
  var branches: ConversationOptions.Branches = .current

  @Option(help: ArgumentHelp("The time of conversations that have none.", valueName: "time"), transform: TimeArgument.past)
  var createdAt: TimeArgument?

  func options(isLossy: Bool, isDryRun: Bool) throws -> ConversationOptions {
    let roles = Set(roles.split(separator: ",").map { $0.trimmingCharacters(in: .whitespaces) })
    guard !roles.isEmpty else { throw ValidationError("--roles names no role.") }
    return ConversationOptions(
      roles: roles, branches: branches, createdAt: createdAt?.date, isLossy: isLossy, isDryRun: isDryRun)
  }

  /// The paths, with each folder replaced by its files.
  func paths(_ files: [String]) throws -> [String] {
    try files.flatMap { path -> [String] in
      guard path != "-" else { return [path] }
      return try ConversationReader.files(at: URL(fileURLWithPath: path)).map { url in
        url.path == URL(fileURLWithPath: path).path ? path : "\(path)/\(url.lastPathComponent)".replacing("//", with: "/")
      }
    }
  }

  /// The option that helps against an error; nil if none does.
  func advice(_ error: StoreError) -> String? {
    guard error.code == .invalidArgument else { return nil }
    if user == nil, error.message.contains("name the user") { return "--user" }
    return createdAt == nil && error.message.contains("createdAt") ? "--created-at" : nil
  }
}

extension ConversationReport {
  /// Prints the counts to standard output, and the faults to standard error.
  func print(isDryRun: Bool, asJSON: Bool) throws {
    for fault in faults { Diagnostics.write("memtool: \(TerminalText.escaped("\(fault)"))") }
    if invalid > faults.count { Diagnostics.write("memtool: and \(invalid - faults.count) more") }
    if replacedSurrogates > 0 {
      Diagnostics.write("memtool: \(Amounts.count(replacedSurrogates, "half", "halves")) of surrogate pairs replaced by U+FFFD")
    }
    let reasons = MessageOmission.allCases.compactMap { reason in leftOut[reason].map { (reason, $0) } }
    if asJSON {
      return try Output.json { json in
        json.beginObject()
        for (key, count) in [("conversations", conversations), ("memories", added), ("existing", existing)] {
          json.key(text: key)
          json.write(count)
        }
        json.key("leftOut")
        json.beginObject()
        for (reason, count) in reasons {
          json.key(text: reason.rawValue)
          json.write(count)
        }
        json.endObject()
        json.key("attachments")
        json.write(attachments)
        json.key("invalid")
        json.write(invalid)
        json.endObject()
      }
    }
    var line = "\(isDryRun ? "would import" : "imported") \(Amounts.count(added, "memory", "memories")) of "
    line += "\(Amounts.count(conversations, "conversation")), \(existing) \(existing == 1 ? "was" : "were") there"
    let count = reasons.reduce(0) { $0 + $1.1 }
    let names = reasons.map { "\($0.1) \($0.0.rawValue)" }.joined(separator: ", ")
    if count > 0 { line += "; left out \(Amounts.count(count, "message")) (\(names))" }
    if attachments > 0 { line += "; left out \(Amounts.count(attachments, "attachment"))" }
    if invalid > 0 { line += "; \(Amounts.count(invalid, "conversation")) at fault" }
    try Output.line(line)
  }
}
