#if os(Linux)
  import Foundation
  import TestSupport
  import Testing

  @testable import Engram

  /// Only `StoreError`, `CancellationError` and errors of the caller's own leave the public surface.
  @Suite struct SurfaceErrorTests {
    private let place = TestStore()

    // The bug: `add` of 5,000 memories and `compact()` on a full disk, and `close()` after the directory was removed, threw an error of a
    // lower layer, whose type an application cannot name. The cause: each function wrapped the errors that it expected. The fix: each error
    // passes one of a few places that convert every error.
    @Test(.timeLimit(.minutes(5)), arguments: ["removed", "descriptors", "65536", "2000000"])
    func everyErrorOfThePublicSurfaceIsAStoreError(cause: String) async throws {
      let outcome = try await ChildProcess.run(["every-error", place.path, cause, place.directory.path], timeout: .seconds(120))
      let lines = outcome.standardOutput.split(separator: "\n").map { $0.split(separator: " ") }
      let calls = lines.filter { $0[0] != "body" && $0[0] != "calls" }
      #expect(lines.last.map { $0.joined(separator: " ") } == "calls \(calls.count)" && calls.count >= 52, "\(outcome)")
      #expect(outcome.termination == .exited(0), "\(outcome)")
      for line in lines.dropLast() {
        // A code begins with a small letter, a type with a capital.
        #expect(line.count >= 2 && line[1].first?.isLowercase == true, "\(line.joined(separator: " ")) after \(cause)")
      }
      // A store whose directory is gone can be closed.
      if cause == "removed" { #expect(outcome.standardOutput.contains("\nclose ok\ncloseAgain ok\n"), "\(outcome)") }
      #expect(calls.count { $0.last != "ok" } >= 3, "\(cause) has taken nothing away: \(outcome)")
    }
  }
#endif
