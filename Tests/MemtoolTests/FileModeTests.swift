#if os(Linux)
  import Foundation
  import TestSupport
  import Testing

  /// Only the owner can access the files that memtool makes, under every umask.
  @Suite struct FileModeTests {
    private let tool: Tool

    init() throws { tool = try Tool() }

    private static let script = #"""
      set -e
      mkdir "$1/w"; cd "$1/w"; umask MASK
      "$0" create s.memory --embedder hashing > /dev/null
      printf '{"type":"memory","userID":"u","text":"one"}\n{"type":"memory","userID":"u","text":"two"}\n' | "$0" import s.memory - > /dev/null
      "$0" context set s.memory --user u '{"firstSeen":1}'
      "$0" compact s.memory > /dev/null
      "$0" backup s.memory backup.memory > /dev/null
      "$0" repair backup.memory --into repaired.memory > /dev/null
      "$0" forget repaired.memory --user u --yes --prove > /dev/null
      for format in jsonl csv npy; do "$0" export s.memory --format $format -o export.$format --quiet; done
      find . -mindepth 1 -printf '%y %m %p\n' | sort -k3
      """#

    /// Each entry of the directory with its kind and mode.
    private func made(under umask: String) throws -> [Substring] {
      let outcome = try tool.shell(Self.script.replacingOccurrences(of: "MASK", with: umask))
      #expect(outcome.termination == .exited(0) && outcome.standardError.isEmpty, "umask \(umask): \(outcome)")
      return outcome.standardOutput.split(separator: "\n")
    }

    @Test(.timeLimit(.minutes(6)), arguments: ["000", "022", "077", "0777"]) func everythingIsTheOwnersAlone(umask: String) throws {
      let entries = try made(under: umask)
      // Each of the three stores has a directory, five files, and a generation with three; the exports are four files.
      #expect(entries.count == 3 * 10 + 4, "\(entries)")
      for entry in entries { #expect(entry.hasPrefix("d 700 ") || entry.hasPrefix("f 600 "), "umask \(umask): \(entry)") }
      #expect(entries.contains { $0.hasSuffix(" ./s.memory/gen-2/rows.f32") } && entries.contains { $0.hasSuffix(" ./export.npy.ids.txt") })
    }

    /// The bug: LMDB made its files under the umask and opened one of them a second time, which only root may do if the umask removes all
    /// permissions: no store could be made. Now the files are made before LMDB opens them. Root runs a copy of memtool as another user.
    @Test(.timeLimit(.minutes(6)), arguments: ["0177", "0777"]) func anOrdinaryUserCanMakeAStoreUnderEveryUmask(umask: String) throws {
      let script = Self.script.replacingOccurrences(of: "MASK", with: umask)
      guard geteuid() == 0 else {
        _ = try made(under: umask)
        return
      }
      _ = try tool.write(script, to: "script.sh")
      let outcome = try tool.shell(
        #"""
        cp "$0" "$1/memtool" && chmod 755 "$1/memtool" && chown -R 65534:65534 "$1" &&
          LLVM_PROFILE_FILE=/dev/null TMPDIR="$1" exec setpriv --reuid=65534 --regid=65534 --clear-groups sh -c "$(cat "$1/script.sh")" "$1/memtool" "$1"
        """#)
      #expect(outcome.termination == .exited(0) && outcome.standardError.isEmpty, "\(outcome)")
      let entries = outcome.standardOutput.split(separator: "\n")
      #expect(entries.count == 34 && entries.allSatisfy { $0.hasPrefix("d 700 ") || $0.hasPrefix("f 600 ") }, "\(entries)")
    }

    /// Includes files that are gone at the end: spooled input, files that are renamed, and those that a repair builds beside its
    /// destination. Each is made with O_EXCL and mode 0600, and never opened by a name that another process could have created.
    @Test(.timeLimit(.minutes(6))) func everyFileIsMadeNewAndPrivate() throws {
      let log = tool.path("calls")
      let script = Self.script.replacingOccurrences(of: "MASK", with: "000").replacingOccurrences(of: "\"$0\"", with: "traced \"$0\"")
      // If coverage is measured, no process writes its profile: the directories of that file would be among the calls.
      let traced = #"traced() { LLVM_PROFILE_FILE=/dev/null strace -f -qq -o "$1.calls" -A -e trace=openat,open,creat,mkdir "$@"; }"#
        .replacingOccurrences(of: "\"$1.calls\"", with: "'\(log)'")
      let outcome = try tool.shell(traced + "\n" + script)
      #expect(outcome.termination == .exited(0), "\(outcome)")
      let calls = try tool.text("calls").split(separator: "\n")
      // The thread sanitizer makes a file of its own, which is left out.
      let making = calls.filter { call in call.contains("O_CREAT") && !["\"/dev/null\"", "/tsan.rodata."].contains(where: call.contains) }
      #expect(making.count { $0.contains("/engram-import-") } == 1 && making.count { $0.contains("export.jsonl.tmp-") } == 1, "\(making)")
      // If a call of another thread comes in between, strace prints a call in two parts: the arguments are in the first.
      func hasMode(_ call: Substring, _ mode: String) -> Bool { call.contains(", \(mode))") || call.contains(", \(mode) <unfinished") }
      for call in making {
        #expect(hasMode(call, "0600"), "\(call)")
        // LMDB opens, without O_EXCL, the two files that were made for it.
        let isLMDB = call.contains("/data.mdb\"") || call.contains("/lock.mdb\"")
        #expect(call.contains("O_EXCL|") && call.contains("O_NOFOLLOW") || isLMDB && !call.contains("O_EXCL"), "\(call)")
      }
      for call in calls where call.contains("mkdir(") && !call.contains("mkdir(\"/dev\"") { #expect(hasMode(call, "0700"), "\(call)") }
    }
  }
#endif
