import Foundation
package import Testing

/// Expects that an exit test ended by a trap, and if the product is not optimised, which prints it, for the given reason. A thrown error is an
/// exit code and no trap.
package func expectTrap(_ result: ExitTest.Result?, _ message: String, sourceLocation: SourceLocation = #_sourceLocation) {
  guard let result else { return }
  guard case .signal = result.exitStatus else {
    Issue.record("the process ended with \(result.exitStatus) instead of a trap", sourceLocation: sourceLocation)
    return
  }
  // See Package.swift: the tests are a debug build then, and the product is not.
  if _isDebugAssertConfiguration(), ProcessInfo.processInfo.environment["ENGRAM_OPTIMIZED"] == nil {
    let output = String(decoding: result.standardErrorContent, as: UTF8.self)
    #expect(output.contains(message), sourceLocation: sourceLocation)
  }
}
