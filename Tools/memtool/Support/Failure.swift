import ArgumentParser
import Engram
import Formats
import Foundation

/// Ends the program after an error.
enum Failure {
  static let failed: Int32 = 1
  static let damageFound: Int32 = 3

  /// Prints one line, `memtool: what was wrong`, and ends the program.
  static func exit(with error: any Error) -> Never {
    switch error {
    case let advised as Advised:
      report(advised.error, advised.advice)
      Foundation.exit(code(of: advised.error))
    case let error as AmbiguousID:
      Diagnostics.write("memtool: " + error.lines.joined(separator: "\n"))
      Foundation.exit(failed)
    case is ExitCode:
      exitAsParser(with: error)
    default:
      // Requests for help and wrong usage; the parser would report any other error in Foundation's words.
      if Memtool.exitCode(for: error) != .failure { exitAsParser(with: error) }
      report(error)
      Foundation.exit(code(of: error))
    }
  }

  private static func report(_ error: any Error, _ advice: String? = nil) {
    let advice = [advice, EnvironmentDefaults.remark].compactMap { $0.map { " (\($0))" } }.joined()
    if let faults = (error as? StoreError)?.cause as? ImportFaults {
      for fault in faults.first { Diagnostics.write("memtool: \(TerminalText.escaped("\(fault)"))") }
      Diagnostics.write("memtool: \(Amounts.count(faults.count, "line is", "lines are")) wrong; nothing was imported\(advice)")
    } else {
      Diagnostics.write("memtool: \(TerminalText.escaped(message(of: error)))\(advice)")
    }
  }

  /// Reports a word that no command or option has, and how the command is used.
  static func exit(with misspelled: CommandWords.Misspelled) -> Never {
    let usage = Memtool.usageString(for: misspelled.command)
    Diagnostics.write(
      "Error: \(misspelled.message)\nUsage: \(usage)\n  See '\(usage.prefix { $0 != "<" && $0 != "[" })--help' for more information.")
    Foundation.exit(ExitCode.validationFailure.rawValue)
  }

  /// Ends the program as the parser does, with help, a usage error or an exit code; what it quotes of the command line is escaped.
  static func exitAsParser(with error: any Error) -> Never {
    let (code, message) = (Memtool.exitCode(for: error), Memtool.fullMessage(for: error))
    if code.isSuccess || message.isEmpty { Memtool.exit(withError: error) }
    Diagnostics.write(message)
    if let remark = EnvironmentDefaults.remark { Diagnostics.write("  \(remark)") }
    Foundation.exit(code.rawValue)
  }

  static func message(of error: any Error) -> String {
    switch error {
    case let error as StoreError: error.detailedMessage
    default: SystemErrorText.text(of: error)
    }
  }

  static func code(of error: any Error) -> Int32 {
    if let error = error as? StoreError, error.code == .corrupted { return damageFound }
    return failed
  }
}

/// An error of the library, with the option of this program that helps: the library does not know the options.
struct Advised: Error {
  let error: StoreError
  let advice: String

  /// Runs `body`, and adds the advice that a command can give about its error.
  static func running<Value>(_ body: () async throws -> Value, advice: (StoreError) -> String?) async throws -> Value {
    do {
      return try await body()
    } catch let error as StoreError {
      guard let advice = advice(error) else { throw error }
      throw Advised(error: error, advice: advice)
    }
  }

  /// The option that helps if a store cannot be opened for reading.
  static func reading(_ error: StoreError) -> String? {
    [.readOnlyFileSystem, .storeBusy, .writerBusy].contains(error.code) ? "--immutable reads a store that nobody writes to" : nil
  }
}

/// Standard error.
enum Diagnostics {
  /// Erases a progress bar.
  static func clearLine() { try? FileHandle.standardError.write(contentsOf: Data("\r\u{1B}[K".utf8)) }

  /// Writes lines. Characters that control a terminal are escaped.
  static func write(_ text: String, terminator: String = "\n") {
    // If standard error cannot be written to, there is no other place to report that.
    try? FileHandle.standardError.write(contentsOf: Data((TerminalText.escapedLines(text) + terminator).utf8))
  }
}
