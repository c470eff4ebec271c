import Foundation
import TestSupport
import Testing

@testable import Engram

/// `Tools/peers` compares Engram with other libraries. The tests run its Python code without any peer.
///
/// `ENGRAM_PYTHON` names a Python that has NumPy; without it, `python3` from the path is used.
struct PeersTests {
  private func python(_ arguments: [String], environment: [String: String] = [:]) async throws -> Subprocess.Outcome {
    // From Tests/EngramTests/Interop/ to the package's root.
    var root = URL(filePath: #filePath)
    for _ in 0..<4 { root.deleteLastPathComponent() }
    let variables = ["PYTHONPATH": root.appending(path: "Tools/Benchmarks").path, "PYTHONDONTWRITEBYTECODE": "yes"]
    let command = [ProcessInfo.processInfo.environment["ENGRAM_PYTHON"] ?? "python3", "-X", "utf8"] + arguments
    return try await onBlockingThread {
      try Subprocess.run("/usr/bin/env", command, environment: variables.merging(environment) { $1 })
    }
  }

  /// Brute force, data, counts of flushes, tables, and the refusals of results that are wrong and of commits that are not durable.
  @Test(.timeLimit(.minutes(5))) func theChecksOfTheComparisonsHold() async throws {
    let outcome = try await python(["-m", "unittest", "peers.checks"])
    #expect(outcome.termination == .exited(0), "\(outcome.standardError)")
    #expect(outcome.standardError.contains(/Ran [1-9][0-9]* tests/), "\(outcome.standardError)")
  }

  /// `Tools/peers` asks before it installs and builds anything.
  @Test(
    .timeLimit(.minutes(5)),
    arguments: [
      (["vectors", "--rounds", "0"], "--rounds is at least 1"),
      (["vectors", "--quick", "--full"], "--quick and --full exclude each other"),
      (["vectors", "--vectors", "/no/such.npy"], "/no/such.npy is no file"),
      (["records", "--threads", "0"], "--threads is 1 to"),
      (["records", "--texts", "x"], "unrecognized arguments"),
      (["no-such"], "invalid choice"),
    ]) func wrongUsageIsRefused(_ arguments: [String], _ message: String) async throws
  {
    let outcome = try await python(["-m", "peers"] + arguments, environment: ["PEERS_CHECK_USAGE": "yes"])
    #expect(outcome.termination == .exited(64))
    #expect(outcome.standardError.contains(message), "\(outcome.standardError)")
  }

  @Test(.timeLimit(.minutes(5)), arguments: ["text", "vectors", "records"])
  func rightUsageIsAccepted(_ comparison: String) async throws {
    let outcome = try await python(["-m", "peers", comparison, "--quick"], environment: ["PEERS_CHECK_USAGE": "yes"])
    #expect(outcome.termination == .exited(0), "\(outcome.standardError)")
  }
}
