import ArgumentParser
import Formats
import Foundation

/// The words of a command line, looked at before the parser sees them.
///
/// The parser takes everything that begins with a hyphen for an option, and checks the rest before it reports an unknown option. Here a
/// value or a text may begin with a hyphen (`--threshold -0.5`, `--user -100123`, `- buy milk`), and a misspelled word is reported first.
struct CommandWords {
  /// A word that no command or option has.
  struct Misspelled: Error {
    let message: String
    let command: any ParsableCommand.Type
  }

  private let options: CommandOptions
  private let defaults: EnvironmentDefaults
  private let head: [String]
  private let rest: [String]

  /// - Parameters:
  ///   - words: Without the program's own name.
  ///   - defaults: What the environment names, for a command that needs it and is not given it.
  /// - Throws: ``Misspelled`` for an unknown command.
  init(_ words: [String], of root: any ParsableCommand.Type, defaults: EnvironmentDefaults = .ofProcess) throws {
    var command = root
    var index = 0
    while index < words.count, !words[index].hasPrefix("-"), !command.configuration.subcommands.isEmpty {
      let names = command.configuration.subcommands.map { $0._commandName } + ["help"]
      if words[index] == "help" { break }
      guard let next = command.configuration.subcommands.first(where: { $0._commandName == words[index] }) else {
        throw Misspelled(message: Spelling.unknown("command", words[index], names), command: command)
      }
      command = next
      index += 1
    }
    options = CommandOptions(command)
    self.defaults = defaults
    (head, rest) = (Array(words[..<index]), Array(words[index...]))
  }

  /// The words as the parser understands them.
  ///
  /// - Throws: ``Misspelled`` for an unknown option.
  func parserWords() throws -> [String] {
    var (words, positionals): ([String], [String]) = ([], [])
    var (texts, names): ([String], Set<String>) = ([], [])
    var needsTerminator = false
    var index = 0
    func add(positional word: String) {
      texts.append(word)
      if word.hasPrefix("-"), word != "-" { needsTerminator = true }
      // From the first text with a hyphen on, all follow the terminator, in their order.
      if needsTerminator { positionals.append(word) } else { words.append(word) }
    }
    while index < rest.count {
      let word = rest[index]
      index += 1
      if word == "--" {
        needsTerminator = true
        positionals += rest[index...]
        texts += rest[index...]
        break
      }
      guard let name = Self.optionName(word) else {
        add(positional: word)
        continue
      }
      guard options.isKnown(name) else {
        throw Misspelled(message: Spelling.unknown("option", name, options.names), command: options.command)
      }
      names.insert(name)
      guard options.takesValue(name), name == word, index < rest.count else {
        words.append(word)
        continue
      }
      let value = rest[index]
      if value.hasPrefix("-"), value != "-", isValue(value) {
        words.append("\(options.longName(name))=\(value)")
      } else {
        words += [word, value]
      }
      index += 1
    }
    if needsTerminator { words += ["--"] + positionals }
    return head + defaultWords(texts, names) + words
  }

  /// The store and the user of the environment, as far as the command needs them and the command line leaves them out.
  private func defaultWords(_ texts: [String], _ names: Set<String>) -> [String] {
    guard names.isDisjoint(with: ["--help", "-h", "--version"]) else { return [] }
    var words: [String] = []
    if let store = defaults.store, options.lacksStore(texts) {
      EnvironmentDefaults.note("MEMTOOL_STORE", store)
      words.append(store.hasPrefix("-") ? "./" + store : store)
    }
    if let user = defaults.user, options.command is any TakesDefaultUser.Type,
      names.isDisjoint(with: ["--user", "--all", "--user-argument"])
    {
      EnvironmentDefaults.note("MEMTOOL_USER", user)
      words.append("--user=\(user)")
    }
    return words
  }

  /// Whether a word with a hyphen at its beginning is meant as the value of the option before it: it is none of the command's options, and
  /// does not look like a long one.
  private func isValue(_ word: String) -> Bool {
    guard let name = Self.optionName(word) else { return true }
    return !word.hasPrefix("--") && !options.isKnown(name)
  }

  /// The name of an option: `--name` of `--name` and `--name=value`, `-n` of `-n`; nil for what is none, such as `-5` and `- buy milk`.
  private static func optionName(_ word: String) -> String? {
    let hyphens = word.hasPrefix("--") ? 2 : 1
    guard word.hasPrefix("-") else { return nil }
    let name = word.dropFirst(hyphens).prefix { $0 != "=" }
    guard let first = name.first, first.isASCII, first.isLetter else { return nil }
    guard name.allSatisfy({ $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "-") }) else { return nil }
    return String(word.prefix(hyphens)) + name
  }
}

/// The options of one command, as the parser describes them.
private struct CommandOptions {
  let command: any ParsableCommand.Type
  private var valueNames: Set<String> = []
  private var flagNames: Set<String> = ["--help", "-h", "--version", "--experimental-dump-help", "--generate-completion-script"]
  private var longNames: [String: String] = [:]
  private var positionals: [Dump.Argument] = []

  private struct Dump: Decodable {
    struct Command: Decodable { let arguments: [Argument]? }
    struct Argument: Decodable {
      let kind: String
      let names: [Name]?
      let valueName: String?
      let isOptional: Bool
      let isRepeating: Bool
    }
    struct Name: Decodable {
      let kind: String
      let name: String
    }
    let command: Command
  }

  init(_ command: any ParsableCommand.Type) {
    self.command = command
    let dump = try? JSONDecoder().decode(Dump.self, from: Data(command._dumpHelp().utf8))
    for argument in dump?.command.arguments ?? [] {
      if argument.kind == "positional" {
        positionals.append(argument)
        continue
      }
      let names = (argument.names ?? []).map { ($0.kind == "long" ? "--" : "-") + $0.name }
      if argument.kind == "flag" { flagNames.formUnion(names) } else { valueNames.formUnion(names) }
      if let long = names.first(where: { $0.hasPrefix("--") }) { for name in names { longNames[name] = long } }
    }
  }

  /// The names that can be suggested for a misspelled one.
  var names: [String] { valueNames.union(flagNames).subtracting(["--experimental-dump-help", "--generate-completion-script"]).sorted() }

  /// Whether the texts of a command line do not begin with a store, although the command works on one.
  ///
  /// If both readings have as many texts as the command takes, the first is a store if one of that name exists.
  func lacksStore(_ texts: [String]) -> Bool {
    guard positionals.first?.valueName == "store" else { return false }
    let others = positionals.dropFirst()
    if texts.count <= others.count(where: { !$0.isOptional }) { return true }
    if !others.contains(where: \.isRepeating), texts.count > others.count { return false }
    return !EnvironmentDefaults.isStore(texts[0])
  }

  func isKnown(_ name: String) -> Bool { valueNames.contains(name) || flagNames.contains(name) }
  func takesValue(_ name: String) -> Bool { valueNames.contains(name) }
  func longName(_ name: String) -> String { longNames[name] ?? name }
}

extension Spelling {
  /// `There is no command 'serach'. Did you mean 'search'?`
  static func unknown(_ what: String, _ word: String, _ names: [String]) -> String {
    let quoted = word.count > 64 ? word.prefix(64) + "…" : word
    return "There is no \(what) '\(quoted)'." + (nearest(to: word, of: names).map { " Did you mean '\($0)'?" } ?? "")
  }
}
