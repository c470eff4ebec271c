import Foundation

/// Finds the thread of a hanging process that waits for a mutex of LMDB, and names the mutex's holder.
///
/// A correct process never waits for the write mutex: it begins a write transaction only while it holds `writer.lock`. It may wait for the
/// mutex of the reader table, but not for one that it holds itself. A mutex whose holder has ended does not block: the kernel marks it, and
/// the next thread gets it. Works on Linux on x86-64 and arm64 only, for processes of this PID namespace; otherwise the result is nil.
enum HangDiagnosis {
  /// The numbers of futex(2) on x86-64 and arm64.
  private static let futex: Set<Substring> = ["202", "98"]

  /// A description of the first such thread; nil if there is none.
  static func text(of process: Int32) -> String? {
    let threads = ((try? FileManager.default.contentsOfDirectory(atPath: "/proc/\(process)/task")) ?? []).compactMap { Int32($0) }
    for thread in threads {
      // If both looks show the same wait, the thread waited in between as well, so the holder that was read in between belongs to this
      // wait.
      guard let wait = Wait(thread, of: process), let mutex = Mutex(at: wait.address, in: process),
        let holder = WriteMutex.word("/proc/\(process)/mem", at: wait.address).flatMap(WriteMutex.holder),
        Wait(thread, of: process) == wait
      else { continue }
      let name = "LMDB's \(mutex.isOfWriters ? "write" : "reader") mutex in \(mutex.file)"
      if holder == thread { return "thread \(thread) waits for \(name), which it holds itself" }
      let isOwn = FileManager.default.fileExists(atPath: "/proc/\(process)/task/\(holder)")
      let isAlive = FileManager.default.fileExists(atPath: "/proc/\(holder)")
      if isAlive, !mutex.isOfWriters { continue }
      let place = isAlive ? "of \(isOwn ? "its own" : "another") process holds" : "held when it ended"
      return "thread \(thread) waits for \(name), which thread \(holder) \(place)"
    }
    return nil
  }

  /// A thread that waits for a futex.
  private struct Wait: Equatable {
    let address: Int
    /// How often the thread has blocked so far.
    private let sleeps: Substring

    /// Nil if the thread does not wait for a futex.
    init?(_ thread: Int32, of process: Int32) {
      // The call is read before the count: if the thread wakes up and waits again in between, the count differs at the next look.
      let call = contents("/proc/\(process)/task/\(thread)/syscall").split(separator: " ")
      guard call.count > 1, futex.contains(call[0]), let address = Int(call[1].dropFirst(2), radix: 16),
        let sleeps = contents("/proc/\(process)/task/\(thread)/status").split(separator: "\n").first(where: {
          $0.hasPrefix("voluntary_ctxt_switches:")
        })
      else { return nil }
      (self.address, self.sleeps) = (address, sleeps)
    }
  }

  /// The whole contents of a file in /proc; empty if it cannot be read. Foundation returns only what the first `read` returns, a few
  /// kilobytes.
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

  /// A mutex in the map of a `lock.mdb`.
  private struct Mutex {
    let file: String
    /// Whether it is the write mutex; otherwise it is that of the reader table.
    let isOfWriters: Bool

    /// Nil if the address is not that of such a mutex.
    init?(at address: Int, in process: Int32) {
      for line in contents("/proc/\(process)/maps").split(separator: "\n") {
        let fields = line.split(separator: " ", maxSplits: 5, omittingEmptySubsequences: true)
        let bounds = fields[0].split(separator: "-").compactMap { Int($0, radix: 16) }
        guard fields.count > 5, bounds.count == 2, (bounds[0]..<bounds[1]).contains(address) else { continue }
        // Spaces fill the line up to the path.
        var path = fields[5].drop { $0 == " " }
        if path.hasSuffix(" (deleted)") { path.removeLast(" (deleted)".count) }
        let offset = Int(fields[2], radix: 16).map { address - bounds[0] + $0 }
        guard path.hasSuffix("/lock.mdb"), offset == WriteMutex.offset || offset == WriteMutex.readerTableOffset else { return nil }
        (file, isOfWriters) = (String(path), offset == WriteMutex.offset)
        return
      }
      return nil
    }
  }
}
