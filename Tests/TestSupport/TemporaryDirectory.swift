import Foundation
import Synchronization

/// A directory for one test, mode 0700. It is removed with its contents when the value is released, at the latest at the end of the
/// process. If the process is killed, the next process that makes such a directory removes it.
///
/// Keep it in a stored property of the suite: a local variable may be released after its last use, files and all.
public final class TemporaryDirectory: Sendable {
  public let path: String

  public init() {
    let base = Self.base
    Self.leftovers.prepare(base)
    var template = Array("\(base)/\(DirectoryMaker.prefix("tests"))-XXXXXX".utf8CString)
    // SAFETY: the template is NUL-terminated and mkdtemp changes only its last six characters.
    let made = unsafe template.withUnsafeMutableBufferPointer { unsafe mkdtemp($0.baseAddress!) != nil }
    precondition(made, "no test can run without a temporary directory: \(base), errno \(errno)")
    path = String(decoding: template.dropLast().map(UInt8.init(bitPattern:)), as: UTF8.self)
    Self.leftovers.add(path)
  }

  deinit {
    Self.leftovers.drop(path)
    // A failure to remove the directory fails no test.
    try? FileManager.default.removeItem(atPath: path)
  }

  /// The path of an entry of the directory.
  public func path(_ name: String) -> String { "\(path)/\(name)" }

  private static var base: String { ProcessInfo.processInfo.environment["TMPDIR"] ?? "/tmp" }
  private static let leftovers = Leftovers()

  /// The directories whose values still exist: a value in a static property is never released.
  private final class Leftovers: Sendable {
    private struct State {
      var paths: Set<String> = []
      var isPrepared = false
    }

    private let state = Mutex(State())
    /// A copy of the process, made by fork, must not remove the original's directories.
    private let process = getpid()

    func prepare(_ base: String) {
      let isFirst = state.withLock { state in
        defer { state.isPrepared = true }
        return !state.isPrepared
      }
      guard isFirst else { return }
      DirectoryMaker.removeAbandoned(in: base)
      atexit { TemporaryDirectory.leftovers.removeAll() }
    }

    func add(_ path: String) { state.withLock { _ = $0.paths.insert(path) } }
    func drop(_ path: String) { state.withLock { _ = $0.paths.remove(path) } }

    func removeAll() {
      guard process == getpid() else { return }
      for path in state.withLock({ $0.paths }) { try? FileManager.default.removeItem(atPath: path) }
    }
  }
}
