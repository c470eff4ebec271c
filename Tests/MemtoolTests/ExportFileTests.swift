import Foundation
import TestSupport
import Testing

/// Where an export may go, and what is there when it does not come to its end.
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

  /// The bug: the file was renamed to whatever was named, so that `-o /dev/null`, as root, put a file in the place of the device, and a
  /// link or a pipe was gone. They are refused before anything is written.
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

  /// Root makes a device of its own: a mistake must not cost the machine's. Nobody else can replace that.
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
    /// Killed before each call that changes a file: what was there is there, or the whole new file is.
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
        // What was written so far is as private as the file would have been.
        for name in try leftovers {
          let mode = try FileManager.default.attributesOfItem(atPath: tool.path(name))[.posixPermissions] as? Int
          #expect(mode == 0o600)
          try FileManager.default.removeItem(atPath: tool.path(name))
        }
      }
    }
  #endif
}
