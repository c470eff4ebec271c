import Files
import Foundation
import LMDB
import TestSupport

/// Holds `writer.lock` while processes write. A process that commits meanwhile has not taken the lock, and a thread that holds LMDB's
/// write mutex meanwhile has not ended its transaction.
struct WriterLockProbe {
  let store: String
  /// The processes that write.
  let processes: [Subprocess]

  /// How long to wait for the lock, which a process releases after each batch.
  private static let patience = Duration.seconds(30)
  /// The time between two looks at what the processes wait for.
  private static let interval = Duration.milliseconds(200)

  func violations(holdingFor seconds: Double) throws -> [String] {
    // The store does not exist yet.
    guard let lock = try FileLock(ifExists: "\(store)/writer.lock") else { return [] }
    if let obstacle = try take(lock) { return [obstacle] }
    defer { try? lock.unlock() }
    guard let generation = liveGeneration(), let before = try lastTransaction(generation) else { return [] }
    let holder = WriteMutex.holder(inFile: "\(generation)/lock.mdb")
    Thread.sleep(forTimeInterval: seconds)
    guard let after = try lastTransaction(generation) else { return [] }
    if after != before {
      return ["transaction \(before) was followed by \(after) while writer.lock was held by a process that writes nothing"]
    }
    if let holder, WriteMutex.holder(inFile: "\(generation)/lock.mdb") == holder {
      return [
        "thread \(holder) holds LMDB's write mutex in \(generation)/lock.mdb while writer.lock is held by a process that writes nothing"
      ]
    }
    return []
  }

  /// The directory that `current` names. The generation that is being built has writers of its own, which need no lock.
  private func liveGeneration() -> String? {
    guard let name = try? String(contentsOfFile: "\(store)/current", encoding: .utf8) else { return nil }
    return "\(store)/\(name.trimmingCharacters(in: .newlines))"
  }

  /// - Returns: Why the lock could not be taken; nil if it was.
  private func take(_ lock: borrowing FileLock) throws -> String? {
    let started = ContinuousClock.now
    var nextLook = started + Self.interval
    while try !lock.tryLock(.exclusive) {
      if ContinuousClock.now > nextLook {
        // A process that waits for its own mutex never releases the lock.
        if let hang = processes.lazy.compactMap(\.hangDiagnosis).first { return hang }
        nextLook = .now + Self.interval
      }
      if ContinuousClock.now - started > Self.patience { return "nobody gave writer.lock back within \(Self.patience)" }
      // `flock` has no limit of time, so the lock is polled: between two processes that wait for it, it is free for a moment.
      usleep(100)
    }
    return nil
  }

  /// Nil if a compaction has removed the file.
  private func lastTransaction(_ generation: String) throws -> UInt64? {
    do throws(FileError) {
      return try MetaPair.read(FileHandle(path: "\(generation)/data.mdb", access: .read)).newest.transactionID
    } catch {
      if error.isMissing { return nil }
      throw error
    }
  }
}
