package import Testing

/// Expects that an exit test ended by a trap, and in debug builds, which print it, for the given reason. A thrown error is an
/// exit code and no trap.
package func expectTrap(_ result: ExitTest.Result?, _ message: String, sourceLocation: SourceLocation = #_sourceLocation) {
  guard let result else { return }
  guard case .signal = result.exitStatus else {
    Issue.record("the process ended with \(result.exitStatus) instead of a trap", sourceLocation: sourceLocation)
    return
  }
  if _isDebugAssertConfiguration() {
    let output = String(decoding: result.standardErrorContent, as: UTF8.self)
    #expect(output.contains(message), sourceLocation: sourceLocation)
  }
}
