import Foundation

/// What the threads of a process that hangs wait for: LMDB's writer mutex, whose owner it names.
///
/// Linux on x86-64 and arm64 only; elsewhere nothing is known.
enum HangDiagnosis {
  /// The numbers of futex(2) on the two.
  private static let futex: Set = ["202", "98"]

  /// Nil if no thread waits for a lock in `lock.mdb`.
  static func text(of process: Int32) -> String? {
    let threads = ((try? FileManager.default.contentsOfDirectory(atPath: "/proc/\(process)/task")) ?? []).compactMap { Int32($0) }
    for thread in threads {
      guard let address = awaited(by: thread, of: process), let file = file(at: address, in: process), file.hasSuffix("/lock.mdb") else {
        continue
      }
      guard let owner = owner(at: address, in: process) else { continue }
      let holder = threads.contains(owner) ? "its own process holds" : "thread \(owner) of another process holds"
      return "thread \(thread) waits for LMDB's mutex in \(file), which \(holder)"
    }
    return nil
  }

  /// The address of the futex that a thread waits for.
  private static func awaited(by thread: Int32, of process: Int32) -> UInt64? {
    guard let line = try? String(contentsOfFile: "/proc/\(process)/task/\(thread)/syscall", encoding: .utf8) else { return nil }
    let fields = line.split(separator: " ")
    guard fields.count > 1, futex.contains(String(fields[0])) else { return nil }
    return UInt64(fields[1].dropFirst(2), radix: 16)
  }

  private static func file(at address: UInt64, in process: Int32) -> String? {
    for line in ((try? String(contentsOfFile: "/proc/\(process)/maps", encoding: .utf8)) ?? "").split(separator: "\n") {
      let fields = line.split(separator: " ", maxSplits: 5, omittingEmptySubsequences: true)
      let bounds = fields[0].split(separator: "-").compactMap { UInt64($0, radix: 16) }
      if bounds.count == 2, (bounds[0]..<bounds[1]).contains(address) { return fields.count > 5 ? String(fields[5]) : nil }
    }
    return nil
  }

  /// The thread that a robust mutex is locked by, from its first word.
  private static func owner(at address: UInt64, in process: Int32) -> Int32? {
    guard let memory = FileHandle(forReadingAtPath: "/proc/\(process)/mem") else { return nil }
    defer { try? memory.close() }
    guard (try? memory.seek(toOffset: address)) != nil, let word = try? memory.read(upToCount: 4), word.count == 4 else { return nil }
    let value = word.reversed().reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
    return Int32(value & 0x3FFF_FFFF)
  }
}
