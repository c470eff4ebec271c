import Foundation

/// A directory of one test's own, mode 0700; removed with everything in it when the value goes.
///
/// Keep it in a stored property of the suite: a local variable may be released after its last use, files and all.
package final class TemporaryDirectory: Sendable {
  package let path: String

  package init() {
    let base = ProcessInfo.processInfo.environment["TMPDIR"] ?? "/tmp"
    var template = Array("\(base)/engram-tests-XXXXXX".utf8CString)
    // SAFETY: the template is NUL-terminated and mkdtemp changes only its last six characters.
    let made = unsafe template.withUnsafeMutableBufferPointer { unsafe mkdtemp($0.baseAddress!) != nil }
    precondition(made, "no test can run without a temporary directory: \(base), errno \(errno)")
    path = String(decoding: template.dropLast().map(UInt8.init(bitPattern:)), as: UTF8.self)
  }

  deinit {
    // A directory left behind in the system's temporary folder fails no test.
    try? FileManager.default.removeItem(atPath: path)
  }

  /// The path of an entry of the directory.
  package func path(_ name: String) -> String { "\(path)/\(name)" }
}
