import Foundation

/// What the threads of a process that hangs wait for: LMDB's write mutex, whose holder it names.
///
/// A sound process never waits there for long: it begins a write transaction only while it holds `writer.lock`.
/// Linux on x86-64 and arm64 only; elsewhere nothing is known.
enum HangDiagnosis {
  /// The numbers of futex(2) on the two.
  private static let futex: Set<Substring> = ["202", "98"]

  /// Nil if no thread waits for a write mutex.
  static func text(of process: Int32) -> String? {
    let threads = ((try? FileManager.default.contentsOfDirectory(atPath: "/proc/\(process)/task")) ?? []).compactMap { Int32($0) }
    for thread in threads {
      // A thread that waits in both looks did so in between as well: then what the mutex says of its holder belongs to this wait.
      guard let wait = Wait(thread, of: process), let table = lockTable(at: wait.address, in: process),
        let holder = WriteMutex.word("/proc/\(process)/mem", at: wait.address).flatMap(WriteMutex.holder),
        Wait(thread, of: process) == wait
      else { continue }
      return "thread \(thread) waits for LMDB's write mutex in \(table), which \(described(holder, thread, process))"
    }
    return nil
  }

  private static func described(_ holder: Int32, _ thread: Int32, _ process: Int32) -> String {
    if holder == thread { return "it holds itself" }
    if FileManager.default.fileExists(atPath: "/proc/\(process)/task/\(holder)") { return "thread \(holder) of its own process holds" }
    let isAlive = FileManager.default.fileExists(atPath: "/proc/\(holder)")
    return "thread \(holder) \(isAlive ? "of another process holds" : "held when it ended")"
  }

  /// A thread that waits at a futex.
  private struct Wait: Equatable {
    let address: Int
    /// How often the thread has gone to sleep so far.
    private let sleeps: Substring

    /// Nil if the thread does anything else.
    init?(_ thread: Int32, of process: Int32) {
      // In this order: a thread that wakes up, and waits again before the next look, is counted there.
      let call = contents("/proc/\(process)/task/\(thread)/syscall").split(separator: " ")
      guard call.count > 1, futex.contains(call[0]), let address = Int(call[1].dropFirst(2), radix: 16),
        let sleeps = contents("/proc/\(process)/task/\(thread)/status").split(separator: "\n").first(where: {
          $0.hasPrefix("voluntary_ctxt_switches:")
        })
      else { return nil }
      (self.address, self.sleeps) = (address, sleeps)
    }
  }

  /// All of a file in /proc; empty where it cannot be read. Foundation takes the first few kilobytes that `read` returns for the whole.
  private static func contents(_ path: String) -> String {
    let file = unsafe open(path, O_RDONLY | O_CLOEXEC)
    if file < 0 { return "" }
    defer { close(file) }
    var bytes: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 16_384)
    while true {
      // SAFETY: read fills at most the buffer's own bytes.
      let count = unsafe buffer.withUnsafeMutableBytes { unsafe read(file, $0.baseAddress!, $0.count) }
      if count <= 0 { return String(decoding: bytes, as: UTF8.self) }
      bytes += buffer[..<count]
    }
  }

  /// The `lock.mdb` whose write mutex is at this address; nil for any other address.
  private static func lockTable(at address: Int, in process: Int32) -> String? {
    for line in contents("/proc/\(process)/maps").split(separator: "\n") {
      let fields = line.split(separator: " ", maxSplits: 5, omittingEmptySubsequences: true)
      let bounds = fields[0].split(separator: "-").compactMap { Int($0, radix: 16) }
      guard fields.count > 5, bounds.count == 2, (bounds[0]..<bounds[1]).contains(address) else { continue }
      // Spaces fill the line up to the path.
      var file = fields[5].drop { $0 == " " }
      if file.hasSuffix(" (deleted)") { file.removeLast(" (deleted)".count) }
      let isMutex = Int(fields[2], radix: 16).map { address - bounds[0] + $0 } == WriteMutex.offset
      return file.hasSuffix("/lock.mdb") && isMutex ? String(file) : nil
    }
    return nil
  }
}
