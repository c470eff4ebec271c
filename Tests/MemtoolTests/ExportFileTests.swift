import Foundation
import TestSupport
import Testing

/// Where an export may be written, and what the file holds if the export does not finish.
@Suite struct ExportFileTests {
  private let tool: Tool
  private let store: String

  init() throws {
    tool = try Tool()
    store = try tool.store(
      "s.memory", "--dimension", "2", lines: #"{"type":"memory","userID":"u","text":"t","embedding":[3,4]}"# + "\n")
  }

  private var leftovers: [String] {
    get throws { try FileManager.default.contentsOfDirectory(atPath: tool.path(".")).filter { $0.contains(".tmp-") } }
  }

  /// The bug: the export was renamed to any path that was named. As root, `-o /dev/null` replaced the device by a file, and a link or a
  /// pipe was replaced, too. Such paths are now refused before anything is written.
  @Test(.timeLimit(.minutes(5)), arguments: ["jsonl", "csv", "npy"]) func nothingButAFileIsReplaced(format: String) throws {
    let made = try tool.shell(#"mkfifo "$1/pipe"; mkdir "$1/directory"; echo precious > "$1/target"; ln -s "$1/target" "$1/link""#)
    #expect(made.termination == .exited(0))
    for (name, message) in [
      ("pipe", "is a pipe or a device, which is not written to"), ("directory", "is a directory: name a file in it"),
      ("link", "is a symbolic link, which is not followed: name the file itself"),
    ] {
      let outcome = try tool.run(["export", store, "--format", format, "-o", tool.path(name)], exit: 1)
      #expect(outcome.standardError == "memtool: \(tool.path(name)) \(message)\n")
      #expect(outcome.standardOutput.isEmpty)
    }
    let device = try device()
    let outcome = try tool.run(["export", store, "--format", format, "-o", device], exit: 1)
    #expect(outcome.standardError == "memtool: \(device) is a pipe or a device, which is not written to\n")
    let kinds = try tool.shell("stat -c %F \"$1/pipe\" \"$1/directory\" \"$1/link\" '\(device)'; cat \"$1/target\"").standardOutput
    #expect(kinds == "fifo\ndirectory\nsymbolic link\ncharacter special file\nprecious\n")
    #expect(try leftovers.isEmpty)
  }

  /// Root makes its own device, so that a mistake does not cost the machine's `/dev/null`. Other users cannot replace that.
  private func device() throws -> String {
    guard geteuid() == 0 else { return "/dev/null" }
    let made = try tool.shell(#"mknod "$1/device" c 1 3"#)
    #expect(made.termination == .exited(0), "\(made)")
    return tool.path("device")
  }

  /// The bug: `-o bot.memory/current` put the export in the place of the file that names the live generation.
  @Test func aFileOfTheStoreItselfIsNotReplaced() throws {
    let before = try tool.export(store)
    for name in ["current", "gen-1/rows.f32", "new", "gen-1/../current"] {
      let outcome = try tool.run(["export", store, "-o", "\(store)/\(name)"], exit: 1)
      #expect(outcome.standardError == "memtool: \(store)/\(name) lies inside the store: write the export somewhere else\n")
    }
    #expect(try tool.export(store) == before)
  }

  @Test func aDashIsStandardOutput() throws {
    #expect(try tool.export(store, "-o", "-") == tool.export(store))
    #expect(try tool.export(store, "--format", "csv", "-o", "-") == tool.export(store, "--format", "csv"))
    try tool.run(["export", store, "--format", "npy", "-o", "-"], exit: 64)
    #expect(!FileManager.default.fileExists(atPath: "-"))
  }

  #if os(Linux)
    /// Killed before each call that changes a file: the path holds the old file or the whole new one.
    @Test(.timeLimit(.minutes(6)), arguments: ["pwrite64", "fchmod", "fsync", "renameat"]) func aKilledExportLeavesTheOldFile(
      call: String
    ) throws {
      for format in ["jsonl", "csv"] {
        let path = try tool.write("precious", to: "out")
        let outcome = try Subprocess.run(
          "/usr/bin/strace",
          [
            "-f", "-qq", "-o", "/dev/null", "-e", "inject=\(call):signal=SIGKILL:when=1", "--", tool.executable, "export", store,
            "--format",
            format, "-o", path,
          ])
        #expect(outcome.termination == .signalled(SIGKILL), "\(outcome)")
        #expect(try tool.text("out") == "precious")
        // The incomplete file is as private as the finished one would have been.
        for name in try leftovers {
          let mode = try FileManager.default.attributesOfItem(atPath: tool.path(name))[.posixPermissions] as? Int
          #expect(mode == 0o600)
          try FileManager.default.removeItem(atPath: tool.path(name))
        }
      }
    }
  #endif
}
