import Foundation
import TestSupport
import Testing

/// The built program, and a directory for one test.
struct Tool {
  private let directory = TemporaryDirectory()
  let executable: String

  init() throws { executable = try TestProcess.executable("memtool") }

  func path(_ name: String) -> String { directory.path(name) }

  /// Runs memtool and checks how it ended.
  @discardableResult
  func run(_ arguments: String..., exit: Int32 = 0, sourceLocation: SourceLocation = #_sourceLocation) throws -> Subprocess.Outcome {
    try run(arguments, exit: exit, sourceLocation: sourceLocation)
  }

  @discardableResult
  func run(_ arguments: [String], exit: Int32 = 0, sourceLocation: SourceLocation = #_sourceLocation) throws -> Subprocess.Outcome {
    let outcome = try Subprocess.run(executable, arguments)
    #expect(outcome.termination == .exited(exit), "\(arguments): \(outcome.standardError)", sourceLocation: sourceLocation)
    return outcome
  }

  /// Runs a shell script, in which `$0` is memtool and `$1` the test's directory.
  func shell(_ script: String) throws -> Subprocess.Outcome {
    try Subprocess.run("/bin/sh", ["-c", script, executable, directory.path])
  }

  func start(shell script: String) throws -> Subprocess {
    try Subprocess("/bin/sh", ["-c", script, executable, directory.path])
  }

  /// Runs memtool on a terminal, to which its output and its errors go.
  ///
  /// - Parameter typing: The input that is typed once the program waits for it.
  func onTerminal(columns: Int = 80, typing: String = "", _ arguments: String...) throws -> Subprocess.Outcome {
    try onTerminal(columns: columns, typing: typing, arguments)
  }

  func onTerminal(columns: Int = 80, typing: String = "", _ arguments: [String]) throws -> Subprocess.Outcome {
    let script = """
      import fcntl, os, pty, struct, sys, termios
      child, terminal = pty.fork()
      if child == 0:
        fcntl.ioctl(1, termios.TIOCSWINSZ, struct.pack("HHHH", 24, int(sys.argv[1]), 0, 0))
        os.execv(sys.argv[3], sys.argv[3:])
      os.write(terminal, sys.argv[2].encode())
      while True:
        try: part = os.read(terminal, 4096)
        except OSError: break
        if not part: break
        os.write(1, part)
      sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
      """
    let words = ["python3", "-c", script, "\(columns)", typing, executable] + arguments
    return try Subprocess.run("/usr/bin/env", words, environment: ["NO_COLOR": "1", "COLUMNS": ""])
  }

  /// Runs memtool on a terminal, and sends it a signal as soon as the terminal has shown `text`.
  ///
  /// - Returns: An outcome whose standard output is everything the terminal received, byte by byte.
  func onTerminal(interruptedBy signal: Int32, once text: String, _ arguments: [String]) throws -> Subprocess.Outcome {
    let script = """
      import fcntl, os, pty, struct, sys, termios
      child, terminal = pty.fork()
      if child == 0:
        fcntl.ioctl(1, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        os.execv(sys.argv[3], sys.argv[3:])
      shown, sent = b"", False
      while True:
        try: part = os.read(terminal, 4096)
        except OSError: break
        if not part: break
        shown += part
        if not sent and sys.argv[2].encode() in shown:
          os.kill(child, int(sys.argv[1]))
          sent = True
      os.write(1, shown)
      sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
      """
    let words = ["python3", "-c", script, "\(signal)", text, executable] + arguments
    return try Subprocess.run("/usr/bin/env", words, environment: ["NO_COLOR": "1", "COLUMNS": ""])
  }

  func write(_ text: String, to name: String) throws -> String {
    try Data(text.utf8).write(to: URL(fileURLWithPath: path(name)))
    return path(name)
  }

  func bytes(_ name: String) throws -> [UInt8] { Array(try Data(contentsOf: URL(fileURLWithPath: path(name)))) }

  func text(_ name: String) throws -> String { String(decoding: try bytes(name), as: UTF8.self) }

  /// Makes a store, and imports `lines` into it.
  @discardableResult
  func store(_ name: String, _ options: String..., lines: String? = nil) throws -> String {
    try run(["create", path(name)] + options)
    if let lines { try run("import", path(name), try write(lines, to: "\(name).import.jsonl")) }
    return path(name)
  }

  func export(_ store: String, _ options: String...) throws -> String { try run(["export", store] + options).standardOutput }
}

/// Lines with every kind of content, which an export and import must keep.
enum SampleLines {
  /// - Parameter embedding: Makes the components of the i-th memory; nil for one without.
  static func jsonLines(count: Int, seed: UInt64, embedding: (Int, inout SeededGenerator) -> [Float]?) -> String {
    var generator = SeededGenerator(seed: seed)
    var lines: [String] = []
    for (index, user) in users.enumerated() {
      let context =
        #"{"userID":"\#(escaped(user))","firstSeen":\#(1_767_225_600_000 + index),"friendshipLevel":\#(index),"preferences":{"a":"ä"}}"#
      lines.append(#"{"type":"context","recordType":"UserContext","userID":"\#(escaped(user))","value":\#(context)}"#)
      lines.append(
        #"{"type":"context","recordType":"Mood","schema":2,"userID":"\#(escaped(user))","#
          + #""value":{"score":3.0,"deep":{"list":[1,-2,null,true,1.5,{"$bytes":"AAEC"}]}}}"#
      )
    }
    for index in 0..<count {
      var line = #"{"type":"memory","userID":"\#(escaped(users[index % users.count]))""#
      line += #","text":"text \#(index) – naïve 日本語 \"quoted\" \\ 🦊""#
      line += #","createdAt":"2026-01-\#(10 + index % 20)T03:04:05.\#(100 + index % 900)Z""#
      if generator.chance(percent: 50) { line += #","kind":"fact","sessionID":"s\#(index % 3)""# }
      if generator.chance(percent: 50) { line += #","speaker":"Zoë""# }
      if generator.chance(percent: 30) { line += #","dedupeKey":"key \#(index)""# }
      if generator.chance(percent: 30) { line += #","expiresAt":"2999-01-01T00:00:00Z""# }
      if generator.chance(percent: 50) {
        line +=
          #","importance":0.125,"metadata":{"i":\#(index),"negative":-9223372036854775808,"real":1.0,"small":5e-324,"#
          + #""yes":true,"text":"\u0000\n","":"empty"}"#
      }
      if let components = embedding(index, &generator) {
        line += ",\"embedding\":[\(components.map(\.description).joined(separator: ","))]"
      }
      lines.append(line + "}")
    }
    return lines.joined(separator: "\n") + "\n"
  }

  static let users = ["plain", "naïve/日本 %_", "with \"quotes\"", "z"]

  private static func escaped(_ text: String) -> String { text.replacingOccurrences(of: "\"", with: "\\\"") }
}
