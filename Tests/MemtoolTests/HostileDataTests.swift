import Files
import Formats
import Foundation
import Testing
import TestSupport

@testable import Engram

/// Data, names and arguments that try to control a terminal, and a secret that must never be printed, passed through every command.
@Suite(.serialized) struct HostileDataTests {
  private let tool: Tool
  private let store: String
  /// Everything that the commands printed.
  private let printed = Printed()

  private static let id = "00000000-0000-7000-8000-000000000001"
  /// ESC, BEL, BS, CR, LF, TAB, NUL-like controls, DEL, CSI and OSC of C1, bidirectional controls, separators, zero width, tags.
  private static let evil =
    "\u{1B}]0;owned\u{7}\u{8}\r\n\t\u{1}\u{7F}\u{9B}31m\u{9D}\u{85}\u{61C}\u{200E}\u{200F}\u{202A}\u{202E}\u{2066}\u{2069}\u{2028}\u{2029}"
    + "\u{200B}\u{FEFF}\u{AD}\u{E0041}"

  private final class Printed {
    var text: [(command: String, output: String)] = []
  }

  private static func quoted(_ text: String) throws -> String {
    String(decoding: try JSONSerialization.data(withJSONObject: text, options: .fragmentsAllowed), as: UTF8.self)
  }

  init() throws {
    tool = try Tool()
    let evil = try Self.quoted(Self.evil)
    let embedding = #","embedding":[1,2,3,4]"#
    let fields =
      #""userID":\#(evil),"text":\#(evil),"kind":\#(evil),"sessionID":\#(evil),"speaker":\#(evil),"metadata":{\#(evil):\#(evil)}"#
    var lines = #"{"type":"memory","id":"\#(Self.id)",\#(fields),"dedupeKey":\#(evil)\#(embedding)}"# + "\n"
    for _ in 0..<12 { lines += #"{"type":"memory",\#(fields)\#(embedding)}"# + "\n" }
    lines += #"{"type":"memory",\#(fields),"expiresAt":"2020-01-01"}"# + "\n"
    let preferences = #"{"userID":\#(evil),"firstSeen":1,"preferences":{\#(evil):\#(evil)},"topics":[\#(evil)],"lastMessage":\#(evil)}"#
    lines += #"{"type":"context","recordType":"UserContext","userID":\#(evil),"value":\#(preferences)}"# + "\n"
    lines += #"{"type":"context","recordType":"Mood","userID":\#(evil),"value":{\#(evil):{"$map":[[\#(evil),1],[2,\#(evil)]]}}}"# + "\n"
    store = try tool.store("s.memory", "--dimension", "4", lines: lines)
  }

  /// Runs a command and looks at everything that it prints.
  @discardableResult
  private func run(_ arguments: [String], exit: Int32, sourceLocation: SourceLocation = #_sourceLocation) throws -> Subprocess.Outcome {
    let outcome = try tool.run(arguments, exit: exit, sourceLocation: sourceLocation)
    let command = arguments.map { TerminalText.escaped($0) }.joined(separator: " ")
    for output in [outcome.standardOutput, outcome.standardError] {
      printed.text.append((command, output))
      let bad = output.unicodeScalars.filter(Self.steers)
      #expect(
        bad.isEmpty, "\(command): \(bad.map { String($0.value, radix: 16) }) in \(TerminalText.escaped(output))",
        sourceLocation: sourceLocation)
    }
    return outcome
  }

  /// Whether a terminal obeys the character, or reorders text by it. Characters that are only invisible may be in JSON.
  private static func steers(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.value {
    case 0x0A: false
    case 0..<0x20, 0x7F...0x9F, 0x61C, 0x200E, 0x200F, 0x2028...0x202E, 0x2066...0x2069: true
    default: false
    }
  }

  private func expectNoSecret(_ secret: [UInt8], sourceLocation: SourceLocation = #_sourceLocation) {
    // Parts of twelve bytes, in the spellings that a program might choose.
    for start in stride(from: 0, to: secret.count, by: 12) {
      let part = Array(secret[start..<start + 12])
      let spellings = [
        part.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined(), Data(part).base64EncodedString(),
        part.map(String.init).joined(separator: ", "), part.map(String.init).joined(separator: ","),
      ]
      for (command, output) in printed.text {
        for spelling in spellings where output.lowercased().contains(spelling.lowercased()) {
          Issue.record("\(command) printed a part of the secret", sourceLocation: sourceLocation)
        }
      }
    }
  }

  private func secret() async throws -> [UInt8] {
    let opened = try await MemoryStore.open(at: URL(fileURLWithPath: store), options: StoreOptions(access: .readOnly))
    let secret = opened.core.generation.store.secret
    try await opened.close()
    return secret
  }

  @Test(.timeLimit(.minutes(10))) func noCommandLetsItThrough() async throws {
    let (evil, missing) = (Self.evil, tool.path("missing \(Self.evil)"))
    let secret = try await secret()
    #expect(secret.count == 192)
    for json in [[], ["--json"]] {
      try run(["inspect", store] + json, exit: 0)
      try run(["inspect", store, "--readers"] + json, exit: 0)
      try run(["inspect", store, "--user", evil] + json, exit: 0)
      try run(["inspect", store, "--record", Self.id] + json, exit: 0)
      try run(["inspect", store, "--record", "\(evil)/Mood"] + json, exit: 0)
      try run(["get", store, Self.id, "--vector"] + json, exit: 0)
      try run(["search", store, "--all", "--vector", "[1,2,3,4]", "--explain"] + json, exit: 0)
      try run(["audit", store] + json, exit: 0)
      try run(["list", store, "--user", evil, "--limit", "3"] + json, exit: 0)
      try run(["users", store] + json, exit: 0)
      try run(["stats", store] + json, exit: 0)
      try run(["edit", store, "--user", evil, Self.id, "--kind", evil, "--tag", "a"] + json, exit: 0)
      try run(["verify", store, "--deep"] + json, exit: 0)
      try run(["context", "list", store] + json, exit: 0)
      try run(["context", "get", store, "--user", evil, "--type", "Mood"] + json, exit: 0)
      try run(["context", "set", store, "--user", evil, "--type", "Mood", #"{"a":1}"#] + json, exit: 0)
      try run(
        ["add", store, "--user", evil, evil, "--kind", evil, "--metadata", "\(evil)=\(evil)", "--vector", "[1,0,0,0]"] + json, exit: 0)
      try run(["compact", store] + json, exit: 0)
      try run(["backup", store, tool.path("backup \(json.count) \(evil)")] + json, exit: 0)
      try run(["repair", tool.path("backup \(json.count) \(evil)"), "--into", tool.path("repaired \(json.count) \(evil)")] + json, exit: 0)
      try run(["create", tool.path("new \(json.count) \(evil)")] + json, exit: 0)
      try run(["delete", store, "--user", evil, "--kind", evil, "--dry-run"] + json, exit: 0)
      try run(["export", store, "-o", tool.path("export \(evil)")] + (json.isEmpty ? [] : json), exit: 0)
    }
    try run(["export", store], exit: 0)
    try run(["export", store, "--vectors", "array", "--user", evil], exit: 0)
    // Errors quote data, names and arguments.
    let arguments: [[String]] = [
      ["inspect", missing], ["inspect", store, "--user", "\(evil)?"], ["inspect", store, "--record", "\(evil)?/Mood"],
      ["inspect", store, "--record", evil], ["context", "get", store, "--user", evil, "--type", evil],
      ["context", "get", store, "--user", "\(evil)?"], ["context", "set", store, "--user", evil, evil],
      ["export", store, "--user", "\(evil)?"], ["export", store, "-o", "\(missing)/file"], ["import", store, missing],
      ["search", store, "--all", "--vector", missing], ["search", store, "--all", "--vector", "[\(evil)]"],
      ["backup", store, store + evil + "/x"],
      ["list", store, "--user", evil, "--after", evil], ["edit", store, "--user", evil, "--kind", evil, "0000ffff"],
      ["create", store], ["repair", missing, "--into", tool.path("r")], ["add", store, "--user", evil, evil, "--vector", missing],
    ]
    for arguments in arguments { try run(arguments, exit: 1) }
    for arguments in [
      ["get", store, evil], [evil], ["inspect", store, "--\(evil)"], ["audit", store, "--limit", evil],
      ["create", store, "--embedder", evil],
      ["add", store, "--user", "u", "t", "--metadata", evil], ["search", store, "t", "--all", "--since", evil],
      ["add", store, "--user", "u", "t", "--metadata", "\(evil)=1", "--metadata", "\(evil)=2"],
    ] { try run(arguments, exit: 64) }
    try importHostileLines()
    try run(["forget", store, "--user", evil, "--yes", "--prove"], exit: 0)
    try run(["forget", tool.path("backup 0 \(evil)"), "--user", evil, "--yes", "--prove", "--json"], exit: 0)
    expectNoSecret(secret)
  }

  private func importHostileLines() throws {
    let evil = try Self.quoted(Self.evil)
    let name = "lines \(Self.evil.filter { $0 != "\r\n" && $0 != "\n" })"
    let known = #"{"type":"memory","id":"\#(Self.id)","userID":\#(evil),"text":"t","dedupeKey":\#(evil)}"#
    for line in [
      known, known.replacingOccurrences(of: #""id":"\#(Self.id)","#, with: ""), #"{"type":\#(evil)}"#, #"{\#(evil):1,\#(evil):2}"#,
      #"{"type":"memory","userID":\#(evil),"text":"t","metadata":{\#(evil):[]}}"#,
      #"{"type":"context","userID":\#(evil),"recordType":\#(evil),"value":{}}"#,
      #"{"type":"context","userID":\#(evil),"recordType":"UserContext","value":{"userID":\#(evil)}}"#,
      #"{"type":"context","userID":"other","recordType":"UserContext","value":{"userID":\#(evil),"firstSeen":1}}"#,
      #"{"type":"context","userID":\#(evil),"recordType":"Mood","value":{}}"#, #"{"type":"store","format":1,"metric":\#(evil)}"#,
      #"{"type":"store","format":1,"embedder":{"name":\#(evil),"version":\#(evil),"dimension":4}}"#, Self.evil,
    ] {
      let pinned = line.contains("embedder")
      try run(["import", store, try tool.write(line + "\n", to: name)], exit: pinned ? 0 : 1)
    }
    try run(
      ["import", store, try tool.write(#"{"type":"memory","userID":"u","text":"t",\#(evil):1}"# + "\n", to: name), "--dry-run"], exit: 0)
  }

  /// Damage is reported, with values from the damaged record.
  @Test(.timeLimit(.minutes(8))) func damageIsToldWithoutIt() async throws {
    let rows = try FileHandle(path: "\(store)/gen-1/rows.f32", access: .readWrite)
    let size = try rows.status().sizeBytes
    try rows.write([UInt8](repeating: 0x5A, count: size - 4096), at: 4096)
    for json in [[], ["--json"]] {
      try run(["verify", store] + json, exit: 3)
      try run(["verify", store, "--deep"] + json, exit: 3)
      try run(["inspect", store, "--record", Self.id] + json, exit: 0)
      try run(["repair", store, "--into", tool.path("repaired \(json.count)")] + json, exit: 3)
    }
    try run(["audit", store], exit: 3)
    try run(["get", store, Self.id, "--vector"], exit: 3)
    let data = try FileHandle(path: "\(store)/gen-1/data.mdb", access: .readWrite)
    var bytes = try data.read(count: try data.status().sizeBytes, at: 0)
    // Changes one byte of each value that holds the texts, so that its checksum no longer matches.
    let needle = Array("owned".utf8)
    var index = 0
    while index < bytes.count - needle.count {
      if Array(bytes[index..<index + needle.count]) == needle {
        bytes[index] = UInt8(ascii: "O")
        index += 600
      } else {
        index += 1
      }
    }
    try data.write(bytes, at: 0)
    for json in [[], ["--json"]] {
      try run(["verify", store, "--deep"] + json, exit: 3)
      try run(["repair", store, "--into", tool.path("rescued \(json.count)")] + json, exit: 3)
    }
    try run(["get", store, Self.id], exit: 3)
    try run(["export", store], exit: 3)
  }

  /// A pipe gets the same bytes as a file; on a terminal they are escaped.
  @Test(.timeLimit(.minutes(5))) func aTableOfValuesIsEscapedOnATerminalOnly() throws {
    let piped = try tool.run("export", store, "--format", "csv").standardOutput
    #expect(piped.unicodeScalars.contains("\u{1B}") && piped.unicodeScalars.contains("\u{202E}"))
    for format in ["csv", "jsonl"] {
      let shown = try tool.shell(
        "python3 -c 'import pty, sys; pty.spawn(sys.argv[1:])' \"$0\" export \"$1/s.memory\" --quiet --format \(format)"
      ).standardOutput
      #expect(shown.contains("owned"))
      #expect(!shown.unicodeScalars.contains { $0 != "\r" && Self.steers($0) }, "\(TerminalText.escaped(shown.prefix(500).description))")
    }
  }

  @Test(.timeLimit(.minutes(5))) func noFileSetsTheSecretOfAStore() async throws {
    let before = try await secret()
    let line = #"{"type":"store","format":1,"secret":"\#(String(repeating: "A", count: 256))","storeID":"AAAAAAAAAAAAAAAAAAAAAA=="}"# + "\n"
    let outcome = try run(["import", store, try tool.write(line, to: "secret.jsonl")], exit: 0)
    #expect(outcome.standardError == "memtool: unknown keys were ignored 2 times: 'secret', 'storeID'\n")
    #expect(try await secret() == before)
    // Two stores never have the same secret. A copy of a store keeps it, because the keys in the copy were made with it.
    let other = try tool.store("other.memory")
    let opened = try await MemoryStore.open(at: URL(fileURLWithPath: other))
    #expect(opened.core.generation.store.secret != before)
    try await opened.close()
  }
}
