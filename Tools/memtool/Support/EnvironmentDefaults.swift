import ArgumentParser
import Formats
import Foundation
import Synchronization

/// A command that needs a user: `MEMTOOL_USER` is the default of its option `--user`.
///
/// Other commands work on all users if none is given, or erase one: for them the variable would change what the command line says.
protocol TakesDefaultUser: ParsableCommand {}

/// The help of options that have a default in the environment.
enum UserHelp {
  static func required(_ abstract: String) -> ArgumentHelp {
    ArgumentHelp("\(abstract.dropLast()); MEMTOOL_USER if it is left out.", valueName: "id")
  }
}

/// The store and the user that the environment names.
struct EnvironmentDefaults: Sendable {
  let store: String?
  let user: String?

  /// An empty variable counts as absent.
  init(_ environment: [String: String]) {
    func value(_ name: String) -> String? { environment[name].flatMap { $0.isEmpty ? nil : $0 } }
    store = value("MEMTOOL_STORE")
    user = value("MEMTOOL_USER")
  }

  static let ofProcess = EnvironmentDefaults(ProcessInfo.processInfo.environment)

  private static let used = Mutex<[String]>([])

  /// Remembers that a value is used, so that an error can say where it came from.
  static func note(_ name: String, _ value: String) {
    used.withLock { $0.append("\(name) is '\(TerminalText.excerpt(value, limit: 256))'") }
  }

  /// What the command line did not say, such as `MEMTOOL_STORE is 'bot.memory'`; nil if nothing.
  static var remark: String? {
    let used = used.withLock { $0 }
    return used.isEmpty ? nil : used.joined(separator: ", ")
  }

  /// Whether a word of the command line names an existing store.
  static func isStore(_ path: String) -> Bool { FileManager.default.fileExists(atPath: path + "/current") }
}
