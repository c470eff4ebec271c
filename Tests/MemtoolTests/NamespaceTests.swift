#if os(Linux)
  import Foundation
  import TestSupport
  import Testing

  /// Pid namespaces as containers make them: what the page <doc:Containers> says.
  @Suite(.enabled(if: geteuid() == 0, "namespaces are made by root only")) struct NamespaceTests {
    private let place = TemporaryDirectory()
    private let executable: String

    private var store: String { place.path("s") }

    init() throws {
      executable = try TestProcess.executable("memtool")
      try run(["create", store, "--embedder", "hashing"])
      try run(["add", store, "one", "--user", "a"])
    }

    @discardableResult
    private func run(
      _ words: [String], before: [String] = [], exit: Int32 = 0, sourceLocation: SourceLocation = #_sourceLocation
    ) throws -> Subprocess.Outcome {
      let outcome = try Subprocess.run("/usr/bin/env", before + [executable] + words, environment: ["LLVM_PROFILE_FILE": "/dev/null"])
      #expect(outcome.termination == .exited(exit), "\(before) \(words): \(outcome)", sourceLocation: sourceLocation)
      return outcome
    }

    /// A container that has the store open: others are refused, `docker exec` is not, and after a kill the store is free.
    @Test(.timeLimit(.minutes(5))) func oneNamespaceAtATime() throws {
      let search = ["search", store, "two", "--user", "a"]
      let container = try Subprocess(
        "/usr/bin/unshare",
        ["--pid", "--fork", "--mount-proc", "--kill-child", executable, "mcp", store, "--user", "a"],
        environment: ["LLVM_PROFILE_FILE": "/dev/null"])
      try container.say(
        #"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},"#
          + #""clientInfo":{"name":"test","version":"1"}}}"#)
      #expect(try container.readLine().contains("serverInfo"))
      let children = try Subprocess.run("/usr/bin/env", ["pgrep", "-P", "\(container.processID)"]).standardOutput
      let server = try #require(Int32(children.trimmingCharacters(in: .whitespacesAndNewlines)), "\(children)")

      #expect(try run(search, exit: 1).standardError.contains("another pid namespace"))
      let another = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child"]
      #expect(try run(["add", store, "three", "--user", "a"], before: another, exit: 1).standardError.contains("another pid namespace"))
      // Without locks, for a store that does not change.
      #expect(try run(["search", store, "one", "--user", "a", "--immutable"]).standardOutput.contains("one"))

      let inside = ["nsenter", "--target", "\(server)", "--pid", "--mount"]
      try run(["add", store, "two", "--user", "a"], before: inside)
      #expect(try run(search, before: inside).standardOutput.contains("two"))

      // The first process of a namespace ends all of it.
      #expect(kill(server, SIGKILL) == 0)
      _ = try container.finish()
      #expect(try run(search).standardOutput.contains("two"))
      #expect(try run(search, before: another).standardOutput.contains("two"))
    }
  }
#endif
